// How many requests at a time: found by trying. Grows while the goodput grows, gives way when the service asks for it.
#pragma once

#include <chrono>
#include <cstdint>

#include "engine/net/event_loop.h"

namespace s3dlio::transfer {

// Pure state over a clock given from outside. One thread at a time.
class Climb {
 public:
  Climb(uint32_t initial, uint32_t most);

  uint32_t limit() const { return inner_limit_; }
  // A request ended. `bytes` were moved; `saturated`: others were waiting for a place.
  void finished(net::Clock::time_point now, uint64_t bytes, bool saturated);
  // 503 SlowDown or 429: cut by 30 %, once for all the answers of one round.
  void throttled(net::Clock::time_point now);

 private:
  void measure(net::Clock::time_point now);

  enum class Phase : uint8_t { kDoubling, kHolding, kProbing, kRecovering };

  const uint32_t inner_most_;
  uint32_t inner_limit_;
  uint32_t inner_held_;            // the limit before the step being tried
  uint32_t inner_recover_to_ = 0;  // where throttling met us
  Phase inner_phase_ = Phase::kDoubling;
  double inner_best_rate_ = 0;  // of the held limit
  uint32_t inner_rounds_held_ = 0;
  net::Clock::time_point inner_round_began_{};
  net::Clock::time_point inner_last_cut_{};
  uint64_t inner_work_ = 0;  // of this round, see finished()
  uint32_t inner_requests_ = 0;
  bool inner_saturated_ = false;
};

}  // namespace s3dlio::transfer
