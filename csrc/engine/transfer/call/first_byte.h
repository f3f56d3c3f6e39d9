// How long to wait for an answer to begin: learnt from how long answers took to begin.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace s3dlio::transfer {

// Any thread.
class FirstByteEstimate {
 public:
  explicit FirstByteEstimate(std::chrono::nanoseconds upper) : inner_upper_(upper), inner_limit_(upper.count()) {}
  void sample(std::chrono::nanoseconds taken);
  // max(4 s, 8 x P90) once there are enough samples, never above the upper bound.
  std::chrono::nanoseconds limit() const {
    return std::chrono::nanoseconds(inner_limit_.load(std::memory_order_relaxed));
  }

 private:
  static constexpr size_t kSamples = 64;
  const std::chrono::nanoseconds inner_upper_;
  std::atomic<int64_t> inner_limit_;
  std::mutex inner_mutex_;
  std::array<std::chrono::nanoseconds, kSamples> inner_taken_{};
  uint64_t inner_count_ = 0;
};

}  // namespace s3dlio::transfer
