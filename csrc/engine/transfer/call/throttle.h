// Whether a service that throttles still answers. While it does, being told to slow down is no failure: the job takes
// longer and ends well. A service that answers nothing but "slow down" is given up after a bounded time.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "engine/net/event_loop.h"

namespace s3dlio::transfer {

// Of one store. Any thread, no lock.
class Throttle {
 public:
  // `patience`: how long nothing but throttled answers may come until they count as failures.
  explicit Throttle(std::chrono::nanoseconds patience) : inner_patience_(patience) {}

  // The service answered otherwise.
  void answered() {
    if (inner_began_.load(std::memory_order_relaxed) != 0) inner_began_.store(0, std::memory_order_relaxed);
  }
  // It asked to slow down. True: that is to be borne, others were answered recently. `again`: the call was told so
  // before, so the time between was its own pause, however long, and no quiet time.
  bool bears(net::Clock::time_point now, bool again) {
    const int64_t at = std::max<int64_t>(1, now.time_since_epoch().count());
    const int64_t last = inner_last_.exchange(at, std::memory_order_relaxed);
    int64_t began = inner_began_.load(std::memory_order_relaxed);
    // The first, or the first after a quiet time.
    if (began == 0 || (!again && at - last > inner_patience_.count())) {
      inner_began_.store(at, std::memory_order_relaxed);
      began = at;
    }
    return at - began < inner_patience_.count();
  }

 private:
  const std::chrono::nanoseconds inner_patience_;
  std::atomic<int64_t> inner_began_{0};  // steady clock: since then nothing but throttled answers; 0: none
  std::atomic<int64_t> inner_last_{0};   // the last of them
};

}  // namespace s3dlio::transfer
