#include "engine/transfer/call/retry.h"

#include <algorithm>
#include <charconv>

#include "engine/text/http_date.h"

namespace s3dlio::transfer {

bool RetryBudget::take(uint32_t cost) {
  std::lock_guard lock(inner_mutex_);
  if (inner_tokens_ < cost) return false;
  inner_tokens_ -= cost;
  return true;
}

void RetryBudget::repay(uint32_t tokens) {
  std::lock_guard lock(inner_mutex_);
  inner_tokens_ = std::min(inner_capacity_, inner_tokens_ + tokens);
}

uint32_t RetryBudget::tokens() const {
  std::lock_guard lock(inner_mutex_);
  return inner_tokens_;
}

std::chrono::nanoseconds backoff_delay(std::chrono::nanoseconds base, std::chrono::nanoseconds cap, uint32_t failures,
                                       double random) {
  auto bound = base;
  for (uint32_t doubled = 0; doubled < failures && bound < cap; ++doubled) bound *= 2;
  bound = std::min(bound, cap);
  return std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(bound.count()) * random));
}

std::chrono::nanoseconds throttle_delay(std::chrono::nanoseconds base, std::chrono::nanoseconds cap, uint32_t throttles,
                                        double random) {
  return backoff_delay(base, cap, throttles, 0.5 + random / 2);
}

std::chrono::nanoseconds longest_wait(std::chrono::nanoseconds base, std::chrono::nanoseconds cap, uint32_t attempts) {
  constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);
  std::chrono::nanoseconds all(0);
  for (uint32_t failures = 0; failures + 1 < attempts && all < kLongest; ++failures) {
    all += backoff_delay(base, cap, failures, 1.0);
  }
  return std::min(all, kLongest);
}

std::optional<std::chrono::nanoseconds> parse_retry_after(std::string_view text,
                                                          std::chrono::system_clock::time_point now) {
  constexpr std::chrono::seconds kLongest = std::chrono::hours(24);
  int64_t seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure != std::errc::invalid_argument && end == text.data() + text.size()) {
    if (text.starts_with('-')) return std::nullopt;
    if (failure == std::errc::result_out_of_range) return kLongest;
    return std::min(std::chrono::seconds(seconds), kLongest);
  }
  const auto date = text::parse_http_date(text);
  if (!date) return std::nullopt;
  // Compared in seconds first: the difference may be more nanoseconds than there are numbers.
  const auto seconds_left = *date - std::chrono::floor<std::chrono::seconds>(now);
  if (seconds_left <= std::chrono::seconds(0)) return std::chrono::nanoseconds(0);
  if (seconds_left > kLongest) return kLongest;
  return *date - now;
}

}  // namespace s3dlio::transfer
