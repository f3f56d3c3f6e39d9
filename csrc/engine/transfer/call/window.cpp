#include "engine/transfer/call/window.h"

#include <algorithm>

namespace s3dlio::transfer {

bool Window::fits(uint64_t bytes) const {
  if (inner_requests_ == 0) return true;
  return inner_requests_ < inner_climb_.limit() && inner_bytes_ + bytes <= inner_most_bytes_;
}

bool Window::acquire(uint64_t bytes, const std::shared_ptr<Waiter>& waiter) {
  std::lock_guard lock(inner_mutex_);
  if (inner_waiting_.empty() && fits(bytes)) {
    inner_bytes_ += bytes;
    ++inner_requests_;
    return true;
  }
  inner_waiting_.push_back({bytes, waiter});
  return false;
}

bool Window::forget(const Waiter* waiter) {
  std::shared_ptr<Waiter> dropped;  // destroyed outside the lock
  std::lock_guard lock(inner_mutex_);
  const auto found = std::find_if(inner_waiting_.begin(), inner_waiting_.end(),
                                  [waiter](const Waiting& waiting) { return waiting.waiter.get() == waiter; });
  if (found == inner_waiting_.end()) return false;
  dropped = std::move(found->waiter);
  inner_waiting_.erase(found);
  return true;
}

void Window::release(uint64_t bytes, Ended how, uint64_t moved_bytes, net::Clock::time_point now) {
  std::vector<std::shared_ptr<Waiter>> granted;
  {
    std::lock_guard lock(inner_mutex_);
    inner_bytes_ -= bytes;
    --inner_requests_;
    if (how == Ended::kDone) inner_climb_.finished(now, moved_bytes, !inner_waiting_.empty());
    while (!inner_waiting_.empty() && fits(inner_waiting_.front().bytes)) {
      inner_bytes_ += inner_waiting_.front().bytes;
      ++inner_requests_;
      granted.push_back(std::move(inner_waiting_.front().waiter));
      inner_waiting_.pop_front();
    }
  }
  for (const auto& waiter : granted) waiter->granted();
}

void Window::throttled(net::Clock::time_point now) {
  std::lock_guard lock(inner_mutex_);
  inner_climb_.throttled(now);
}

uint64_t Window::bytes_in_flight() const {
  std::lock_guard lock(inner_mutex_);
  return inner_bytes_;
}

uint32_t Window::requests_in_flight() const {
  std::lock_guard lock(inner_mutex_);
  return inner_requests_;
}

uint32_t Window::request_limit() const {
  std::lock_guard lock(inner_mutex_);
  return inner_climb_.limit();
}

}  // namespace s3dlio::transfer
