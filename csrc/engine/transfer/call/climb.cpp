#include "engine/transfer/call/climb.h"

#include <algorithm>

namespace s3dlio::transfer {
namespace {

constexpr uint64_t kRequestWorth = 16 << 10;  // bytes; makes a rate of small requests comparable too
constexpr double kGain = 1.05;
constexpr std::chrono::milliseconds kShortestRound(100);
constexpr std::chrono::milliseconds kCutPause(500);  // answers to requests already sent do not cut again
constexpr uint32_t kRoundsBetweenProbes = 10;

}  // namespace

Climb::Climb(uint32_t initial, uint32_t most)
    : inner_most_(std::max(1u, most)), inner_limit_(std::clamp(initial, 1u, inner_most_)), inner_held_(inner_limit_) {}

void Climb::finished(net::Clock::time_point now, uint64_t bytes, bool saturated) {
  if (inner_requests_ == 0 && inner_work_ == 0) inner_round_began_ = now;
  inner_work_ += bytes + kRequestWorth;
  ++inner_requests_;
  inner_saturated_ |= saturated;
  // A round is long enough when every place was used about twice.
  if (inner_requests_ > 2 * inner_limit_ && now - inner_round_began_ >= kShortestRound) measure(now);
}

void Climb::measure(net::Clock::time_point now) {
  const double rate =
      static_cast<double>(inner_work_) / std::chrono::duration<double>(now - inner_round_began_).count();
  const bool saturated = inner_saturated_;
  inner_work_ = 0;
  inner_requests_ = 0;
  inner_saturated_ = false;
  if (!saturated) return;  // nobody waited: the rate says nothing about the limit

  const bool grew = rate > inner_best_rate_ * kGain;
  switch (inner_phase_) {
    case Phase::kDoubling:
    case Phase::kProbing:
      if (!grew) {
        inner_limit_ = inner_held_;
        inner_phase_ = Phase::kHolding;
        inner_rounds_held_ = 0;
        return;
      }
      break;
    case Phase::kHolding:
      inner_best_rate_ = rate;  // the network changes; compare with today's
      if (++inner_rounds_held_ < kRoundsBetweenProbes) return;
      inner_phase_ = Phase::kProbing;
      break;
    case Phase::kRecovering:
      inner_limit_ = std::min({inner_limit_ + 1, inner_most_, std::max(inner_recover_to_, 1u)});
      inner_held_ = inner_limit_;
      inner_best_rate_ = rate;
      inner_rounds_held_ = 0;
      if (inner_limit_ >= inner_recover_to_) inner_phase_ = Phase::kHolding;
      return;
  }
  inner_best_rate_ = rate;
  inner_held_ = inner_limit_;
  const uint32_t step = inner_phase_ == Phase::kDoubling ? inner_limit_ : std::max(1u, inner_limit_ / 8);
  inner_limit_ = std::min(inner_limit_ + step, inner_most_);
}

void Climb::throttled(net::Clock::time_point now) {
  if (inner_last_cut_ != net::Clock::time_point{} && now - inner_last_cut_ < kCutPause) return;
  inner_last_cut_ = now;
  inner_recover_to_ = std::max(inner_recover_to_, inner_limit_);
  if (inner_phase_ != Phase::kRecovering) inner_recover_to_ = inner_limit_;
  inner_limit_ = std::max(1u, inner_limit_ * 7 / 10);
  inner_held_ = inner_limit_;
  inner_phase_ = Phase::kRecovering;
  inner_work_ = 0;
  inner_requests_ = 0;
  inner_saturated_ = false;
}

}  // namespace s3dlio::transfer
