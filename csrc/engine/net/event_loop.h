// One thread, one epoll set, its timers and everything that lives on them. A request stays on its loop from start to
// end, so the data path takes no lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/base/result.h"

namespace s3dlio::net {

using Clock = std::chrono::steady_clock;
using TimerId = uint64_t;  // 0 is never given out

// What a file descriptor's owner hears. Called on the loop's thread.
class FdHandler {
 public:
  virtual ~FdHandler() = default;
  virtual void on_fd_ready(uint32_t epoll_events) = 0;
};

class EventLoop {
 public:
  virtual ~EventLoop() = default;

  // Any thread. Tasks run in order, on the loop's thread, never inside post().
  virtual void post(std::function<void()> task) = 0;
  virtual bool on_loop_thread() const = 0;

  // The rest: on the loop's thread only.
  virtual Clock::time_point now() const = 0;  // read once per wake-up
  virtual TimerId call_after(Clock::duration delay, std::function<void()> task) = 0;
  virtual void cancel_timer(TimerId id) = 0;  // harmless if it ran already or is 0
  virtual bool watch(int fd, uint32_t epoll_events, FdHandler* handler) = 0;
  virtual void rewatch(int fd, uint32_t epoll_events, FdHandler* handler) = 0;
  virtual void unwatch(int fd) = 0;  // no call to the handler afterwards, also within the current wake-up
};

// A loop on its own thread, for LoopGroup; tests may run one of their own.
std::unique_ptr<EventLoop> make_event_loop();

// The process's loops: clamp(cores / 2, 1, 8), or S3DLIO_EVENT_LOOPS; started at first use, anew in a forked child.
class LoopGroup {
 public:
  static LoopGroup& instance();
  virtual ~LoopGroup() = default;
  // Starts them, where that is not done: as many as the system gives threads for, at least one. kIo: it gives none;
  // another try may succeed.
  virtual Result<Unit> start() = 0;
  virtual size_t size() const = 0;
  virtual EventLoop& at(size_t index) = 0;
  virtual EventLoop& next() = 0;  // round robin; any thread, once start() succeeded
};

// Runs blocking work (name look-ups, credential refresh) on helper threads, started at first use, anew in a forked
// child. False: the system gives no thread; `work` is dropped and will not run.
[[nodiscard]] bool run_blocking(std::function<void()> work);

}  // namespace s3dlio::net
