// A result that arrives later. The engine fulfils a Promise on one of its threads; callers hold the Future.
// Any thread may call any method of either.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "engine/base/result.h"

namespace s3dlio {

namespace detail {
template <class T>
struct FutureState {
  std::mutex mutex;
  std::condition_variable ready;
  std::optional<Result<T>> result;
  std::function<void()> on_ready;
  std::function<void()> on_cancel;
  bool cancelled = false;
};
}  // namespace detail

template <class T>
class Future {
 public:
  Future() = default;
  explicit Future(std::shared_ptr<detail::FutureState<T>> state) : inner_(std::move(state)) {}

  // Blocks until the result is there and takes it out; call take or wait once.
  Result<T> wait() {
    std::unique_lock lock(inner_->mutex);
    inner_->ready.wait(lock, [&] { return inner_->result.has_value(); });
    return std::move(*inner_->result);
  }
  // True when the result is there; false after `timeout`.
  bool wait_for(std::chrono::nanoseconds timeout) {
    std::unique_lock lock(inner_->mutex);
    return inner_->ready.wait_for(lock, timeout, [&] { return inner_->result.has_value(); });
  }
  bool is_ready() const {
    std::lock_guard lock(inner_->mutex);
    return inner_->result.has_value();
  }
  // Runs `callback` once the result is there: at once on this thread if it is already, else on the engine thread that
  // fulfils it. The callback must be short and must not block. One callback a future.
  void on_ready(std::function<void()> callback) {
    {
      std::lock_guard lock(inner_->mutex);
      if (!inner_->result) {
        inner_->on_ready = std::move(callback);
        return;
      }
    }
    callback();
  }
  // Asks the engine to stop. The future still becomes ready (kCancelled, or the result if it won the race), and only
  // then is it certain that nothing writes to the caller's memory any more.
  void cancel() {
    std::function<void()> handler;
    {
      std::lock_guard lock(inner_->mutex);
      if (inner_->result || inner_->cancelled) return;
      inner_->cancelled = true;
      handler = std::move(inner_->on_cancel);
      inner_->on_cancel = nullptr;
    }
    if (handler) handler();
  }
  bool valid() const { return inner_ != nullptr; }

 private:
  std::shared_ptr<detail::FutureState<T>> inner_;
};

// Copyable; all copies fulfil the same future. Only the first set() counts.
template <class T>
class Promise {
 public:
  Promise() : inner_(std::make_shared<detail::FutureState<T>>()) {}

  Future<T> future() const { return Future<T>(inner_); }
  void set(Result<T> result) const {
    std::function<void()> callback;
    std::function<void()> dropped;  // destroyed outside the lock: it may own the last reference to much
    {
      std::lock_guard lock(inner_->mutex);
      if (inner_->result) return;
      inner_->result.emplace(std::move(result));
      callback = std::move(inner_->on_ready);
      inner_->on_ready = nullptr;
      dropped = std::move(inner_->on_cancel);
      inner_->on_cancel = nullptr;
      inner_->ready.notify_all();
    }
    if (callback) callback();
  }
  // `handler` runs when the caller cancels, on the caller's thread: post to a loop from it, do not work in it.
  // Runs at once if the caller has cancelled already.
  void on_cancel(std::function<void()> handler) const {
    {
      std::lock_guard lock(inner_->mutex);
      if (inner_->result) return;
      if (!inner_->cancelled) {
        inner_->on_cancel = std::move(handler);
        return;
      }
    }
    handler();
  }
  bool is_cancelled() const {
    std::lock_guard lock(inner_->mutex);
    return inner_->cancelled;
  }

 private:
  std::shared_ptr<detail::FutureState<T>> inner_;
};

template <class T>
Future<T> ready_future(Result<T> result) {
  Promise<T> promise;
  promise.set(std::move(result));
  return promise.future();
}

}  // namespace s3dlio
