#include "engine/transfer/call/first_byte.h"

#include <algorithm>

namespace s3dlio::transfer {
namespace {

constexpr std::chrono::seconds kLower(4);
constexpr uint64_t kBetween = 16;  // samples from one reckoning to the next

}  // namespace

void FirstByteEstimate::sample(std::chrono::nanoseconds taken) {
  std::lock_guard lock(inner_mutex_);
  inner_taken_[inner_count_ % kSamples] = taken;
  if (++inner_count_ % kBetween != 0) return;
  auto sorted = inner_taken_;
  const auto filled = std::min<uint64_t>(inner_count_, kSamples);
  const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(filled);
  const auto p90 = sorted.begin() + static_cast<std::ptrdiff_t>(filled * 9 / 10);
  std::nth_element(sorted.begin(), p90, end);
  const auto limit = std::clamp<std::chrono::nanoseconds>(
      8 * *p90, std::min<std::chrono::nanoseconds>(kLower, inner_upper_), inner_upper_);
  inner_limit_.store(limit.count(), std::memory_order_relaxed);
}

}  // namespace s3dlio::transfer
