// What a loop must do later. Cancelling is O(1): the heap entry stays behind and is skipped, and swept when too many
// have.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/net/event_loop.h"

namespace s3dlio::net {

class TimerHeap {
 public:
  TimerId add(Clock::time_point when, std::function<void()> task) {
    const TimerId id = ++last_id_;
    tasks_.emplace(id, std::move(task));
    heap_.push_back({when, id});
    std::push_heap(heap_.begin(), heap_.end(), later);
    return id;
  }

  void cancel(TimerId id) {
    if (tasks_.erase(id) == 0) return;
    if (heap_.size() > 2 * tasks_.size() + kSlack) sweep();
  }

  std::optional<Clock::time_point> next() {
    while (!heap_.empty() && !tasks_.contains(heap_.front().id)) drop_front();
    if (heap_.empty()) return std::nullopt;
    return heap_.front().when;
  }

  // Runs everything due at `now`; what a task adds for `now` or earlier waits for the next call, so that this one ends.
  void run_due(Clock::time_point now) {
    const TimerId newest = last_id_;
    for (auto when = next(); when && *when <= now; when = next()) {
      const TimerId id = heap_.front().id;
      if (id > newest) return;
      drop_front();
      const auto found = tasks_.find(id);
      const std::function<void()> task = std::move(found->second);
      tasks_.erase(found);
      task();
    }
  }

 private:
  struct Entry {
    Clock::time_point when;
    TimerId id;
  };
  static constexpr size_t kSlack = 64;

  static bool later(const Entry& a, const Entry& b) { return a.when != b.when ? a.when > b.when : a.id > b.id; }
  void drop_front() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    heap_.pop_back();
  }
  void sweep() {
    std::erase_if(heap_, [this](const Entry& entry) { return !tasks_.contains(entry.id); });
    std::make_heap(heap_.begin(), heap_.end(), later);
  }

  std::vector<Entry> heap_;
  std::unordered_map<TimerId, std::function<void()>> tasks_;
  TimerId last_id_ = 0;
};

}  // namespace s3dlio::net
