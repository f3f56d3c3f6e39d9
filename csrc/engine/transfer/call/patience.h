// After the answer to a long-running change (a completion, a copy) was lost: how long to look for its effect, and
// whether asking for it again makes sense then. Not synchronised.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "engine/base/result.h"
#include "engine/transfer/call/context.h"

namespace s3dlio::transfer {

class Patience {
 public:
  void begin(net::Clock::time_point now) {
    inner_began_ = now;
    inner_looks_ = 0;
    ++inner_requests_;
  }
  // The request, begun last, ended without an answer of who carries it out.
  void lost(const Error& error, net::Clock::time_point now, const Tuning& tuning) {
    // An idle connection is cut by what lies between after a minute or so; the service goes on working.
    inner_worked_ = error.code == ErrorCode::kTimeout || now - inner_began_ >= tuning.first_byte_timeout;
    inner_silence_ = error.http_status == 0 || error.http_status >= 500;
  }
  // After which time to look again. Nothing: that was long enough.
  std::optional<std::chrono::nanoseconds> next_look(net::Clock::time_point now, const Context& context) {
    const Tuning& tuning = context.tuning;
    const bool within = inner_worked_ && now - inner_began_ < tuning.operation_timeout;
    if (++inner_looks_ >= std::max(2u, tuning.max_attempts) && !within) return std::nullopt;
    // At least half of the backoff: looking again at once would see the same.
    return backoff_delay(tuning.backoff_base, tuning.backoff_cap, inner_looks_, 0.5 + context.environment.random() / 2);
  }
  // Nothing showed, and all that was heard is silence, soon: it never arrived, or died on the way.
  bool may_ask_again() const { return inner_silence_ && !inner_worked_ && inner_requests_ < kMostRequests; }

 private:
  static constexpr uint32_t kMostRequests = 3;
  net::Clock::time_point inner_began_{};
  uint32_t inner_requests_ = 0;
  uint32_t inner_looks_ = 0;
  bool inner_worked_ = false;
  bool inner_silence_ = false;
};

}  // namespace s3dlio::transfer
