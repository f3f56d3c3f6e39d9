// What one store may have in flight: so many bytes, so many requests. Calls wait here for their turn, first come, first
// served.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/transfer/call/climb.h"

namespace s3dlio::transfer {

class Window {
 public:
  class Waiter {
   public:
    virtual ~Waiter() = default;
    virtual void granted() = 0;  // from any thread, outside the window's lock; do not work in it
  };
  enum class Ended : uint8_t { kDone, kFailed };

  Window(uint64_t most_bytes, uint32_t initial_requests, uint32_t most_requests)
      : inner_most_bytes_(most_bytes), inner_climb_(initial_requests, most_requests) {}

  // True: the place is yours. False: granted() will be called, unless forget() comes first.
  // A request larger than the whole window is let in alone.
  bool acquire(uint64_t bytes, const std::shared_ptr<Waiter>& waiter);
  // True: it was still waiting and never will be granted. False: it has its place (granted() is called or about to be).
  bool forget(const Waiter* waiter);
  void release(uint64_t bytes, Ended how, uint64_t moved_bytes, net::Clock::time_point now);
  // The service asks to slow down: fewer places from now on. Whoever was told keeps its own until it is served, so that
  // no other goes at once to where it was turned away.
  void throttled(net::Clock::time_point now);

  uint64_t bytes_in_flight() const;
  uint32_t requests_in_flight() const;
  uint32_t request_limit() const;

 private:
  struct Waiting {
    uint64_t bytes;
    std::shared_ptr<Waiter> waiter;
  };
  bool fits(uint64_t bytes) const;

  const uint64_t inner_most_bytes_;
  mutable std::mutex inner_mutex_;
  Climb inner_climb_;
  uint64_t inner_bytes_ = 0;
  uint32_t inner_requests_ = 0;
  std::deque<Waiting> inner_waiting_;
};

}  // namespace s3dlio::transfer
