// When to send again: a budget every call of a store draws from, and how long to wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

namespace s3dlio::transfer {

constexpr uint32_t kServerCost = 5;      // the server said no: 5xx, and throttling that lasts
constexpr uint32_t kTransportCost = 10;  // the connection broke or stalled

// Tokens of one store. When all of a service fails, the bucket empties and calls fail at once instead of storming it.
// Any thread.
class RetryBudget {
 public:
  explicit RetryBudget(uint32_t tokens) : inner_tokens_(tokens), inner_capacity_(tokens) {}
  bool take(uint32_t cost);     // false: too few are left; nothing is taken
  void repay(uint32_t tokens);  // a call succeeded; never above the capacity
  uint32_t tokens() const;

 private:
  mutable std::mutex inner_mutex_;
  uint32_t inner_tokens_;
  const uint32_t inner_capacity_;
};

// Full jitter: uniform in [0, min(cap, base * 2^failures)), so that clients that failed together do not come back
// together. `failures` counts from 0; `random` in [0, 1).
std::chrono::nanoseconds backoff_delay(std::chrono::nanoseconds base, std::chrono::nanoseconds cap, uint32_t failures,
                                       double random);

// For a call that keeps its place while it waits: uniform in the upper half of that, so that the place is not asked for
// again at once.
std::chrono::nanoseconds throttle_delay(std::chrono::nanoseconds base, std::chrono::nanoseconds cap, uint32_t throttles,
                                        double random);

// What all the waits of a call that fails `attempts` times may add up to.
std::chrono::nanoseconds longest_wait(std::chrono::nanoseconds base, std::chrono::nanoseconds cap, uint32_t attempts);

// A Retry-After header: seconds, or an HTTP date seen from `now`. nullopt when it is neither; never negative, at most a
// day.
std::optional<std::chrono::nanoseconds> parse_retry_after(std::string_view text,
                                                          std::chrono::system_clock::time_point now);

}  // namespace s3dlio::transfer
