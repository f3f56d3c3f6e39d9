#include "engine/transfer/call/hedge.h"

#include <algorithm>

namespace s3dlio::transfer {
namespace {

constexpr std::chrono::milliseconds kEarliest(200);
constexpr size_t kFewestPeers = 4;
constexpr double kLag = 4.0;                // times slower than the median
constexpr uint64_t kNotWorthIt = 64 << 10;  // bytes left

}  // namespace

std::vector<size_t> find_stragglers(std::span<const Progress> running, std::span<const double> finished) {
  std::vector<double> rates(finished.begin(), finished.end());
  for (const Progress& each : running) {
    if (each.under_way && each.elapsed >= kEarliest) rates.push_back(each.rate());
  }
  if (rates.size() <= kFewestPeers) return {};
  const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
  std::nth_element(rates.begin(), middle, rates.end());
  const double median = *middle;
  if (median <= 0) return {};

  std::vector<size_t> slow;
  for (size_t index = 0; index < running.size(); ++index) {
    const Progress& each = running[index];
    if (!each.under_way || each.elapsed < kEarliest || each.left < kNotWorthIt) continue;
    // At half the time a part usually takes there is still time to be done within twice of it.
    const double usual_seconds = static_cast<double>(each.bytes + each.left) / median;
    if (std::chrono::duration<double>(each.elapsed).count() < usual_seconds / 2) continue;
    if (each.rate() * kLag < median) slow.push_back(index);
  }
  return slow;
}

}  // namespace s3dlio::transfer
