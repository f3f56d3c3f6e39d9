// How many exchanges of one client may be under way, over all loops. Lock-free.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace s3dlio::http {

class Slots {
 public:
  explicit Slots(size_t count) : limit_(std::max<size_t>(count, 1)) {}

  bool try_take() {
    size_t taken = taken_.load();
    do {
      if (taken >= limit_.load()) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + 1));
    return true;
  }
  void give() { taken_.fetch_sub(1); }
  // More are out than a lowered limit allows: give back instead of handing on.
  bool is_over() const { return taken_.load() > limit_.load(); }
  void set_limit(size_t count) { limit_.store(std::max<size_t>(count, 1)); }
  size_t limit() const { return limit_.load(std::memory_order_relaxed); }
  size_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  std::atomic<size_t> taken_{0};
  std::atomic<size_t> limit_;
};

}  // namespace s3dlio::http
