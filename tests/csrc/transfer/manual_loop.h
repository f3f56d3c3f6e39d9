// An event loop without a thread and without time of its own: tests run it by hand and the clock jumps to the next
// timer.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <utility>

#include "engine/net/event_loop.h"

namespace s3dlio::test {

class ManualLoop final : public net::EventLoop {
 public:
  void post(std::function<void()> task) override { inner_tasks_.push_back(std::move(task)); }
  bool on_loop_thread() const override { return true; }
  net::Clock::time_point now() const override { return inner_now_; }
  net::TimerId call_after(net::Clock::duration delay, std::function<void()> task) override {
    const net::TimerId id = ++inner_last_id_;
    inner_timers_.emplace(std::pair(inner_now_ + delay, id), std::move(task));
    return id;
  }
  void cancel_timer(net::TimerId id) override {
    std::erase_if(inner_timers_, [id](const auto& timer) { return timer.first.second == id; });
  }
  bool watch(int, uint32_t, net::FdHandler*) override { return false; }
  void rewatch(int, uint32_t, net::FdHandler*) override {}
  void unwatch(int) override {}

  // One task, or else the next timer. False: there is neither.
  bool step() {
    std::function<void()> task;
    if (!inner_tasks_.empty()) {
      task = std::move(inner_tasks_.front());
      inner_tasks_.pop_front();
    } else if (!inner_timers_.empty()) {
      auto timer = inner_timers_.extract(inner_timers_.begin());
      inner_now_ = std::max(inner_now_, timer.key().first);
      task = std::move(timer.mapped());
    } else {
      return false;
    }
    task();
    return true;
  }
  // True: the condition came to hold. Bounded, so that a test that hangs fails.
  bool run_until(const std::function<bool()>& condition, int most_steps = 2'000'000) {
    for (int steps = 0; steps < most_steps; ++steps) {
      if (condition()) return true;
      if (!step()) return condition();
    }
    return false;
  }
  void run_dry() {
    run_until([] { return false; });
  }
  bool idle() const { return inner_tasks_.empty() && inner_timers_.empty(); }

 private:
  net::Clock::time_point inner_now_{std::chrono::hours(1)};
  std::deque<std::function<void()>> inner_tasks_;
  std::map<std::pair<net::Clock::time_point, net::TimerId>, std::function<void()>> inner_timers_;
  net::TimerId inner_last_id_ = 0;
};

}  // namespace s3dlio::test
