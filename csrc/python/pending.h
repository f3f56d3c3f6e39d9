// An engine call under way, as Python holds it: wait for it, ask it to stop, or hear of its end through a
// CompletionPort.
#pragma once

#include <nanobind/nanobind.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "engine/base/future.h"
#include "errors.h"
#include "lifecycle.h"
#include "memory_view.h"

namespace s3dlio::python {

namespace nb = nanobind;

// A Future<T> together with how its value becomes a Python object.
class Call : public Cancellable {
 public:
  virtual bool is_ready() const = 0;
  virtual void on_ready(std::function<void()> callback) = 0;  // once
  virtual nb::object take() = 0;                              // GIL held, ready; raises the error; once
  // The engine works on it, in memory of the caller's. False: Python code does.
  virtual bool is_by_engine() const { return true; }
};

template <class T>
class FutureCall : public Call {
 public:
  using Convert = std::function<nb::object(T&&)>;  // holds no Python object
  FutureCall(Future<T> future, Convert convert)
      : inner_future_(std::move(future)), inner_convert_(std::move(convert)) {}

  void cancel() override { inner_future_.cancel(); }
  bool wait_for(std::chrono::nanoseconds timeout) override { return inner_future_.wait_for(timeout); }
  bool is_ready() const override { return inner_future_.is_ready(); }
  void on_ready(std::function<void()> callback) override { inner_future_.on_ready(std::move(callback)); }
  nb::object take() override {
    Result<T> result = inner_future_.wait();
    if (!result.ok()) raise_error(result.error());
    return inner_convert_(std::move(result).value());
  }

 private:
  Future<T> inner_future_;
  Convert inner_convert_;
};

// Keeps the Python memory the engine reads or writes alive until the call is over: dropping it cancels and waits. Of a
// call that Python code carries out, dropping it cancels only: the thread that drops may be the one that has to end it.
// Moved-from: holds nothing. GIL held throughout, except inside the waits.
class Pending {
 public:
  Pending(std::shared_ptr<Call> call, std::vector<Memory> held);
  Pending(Pending&&) noexcept = default;
  Pending& operator=(Pending&&) = delete;
  ~Pending();

  // The result, or its error. A signal's exception (KeyboardInterrupt) is raised once the engine has let go of the
  // memory. Python code that does not end its call for it is left alone at a second signal.
  nb::object wait();
  nb::object result();  // without waiting; EngineError if it is not there yet
  bool is_ready() const;
  void cancel();
  void on_ready(std::function<void()> callback);  // ConcurrentUseError: the second time

 private:
  void check_usable() const;
  static bool wait_slice(Call& call);  // true: it is over
  nb::object take();

  std::shared_ptr<Call> inner_call_;  // empty once taken
  std::vector<Memory> inner_held_;
  uint64_t inner_generation_;
  bool inner_is_heard_ = false;  // a callback was given
};

template <class T, class Convert>
Pending make_pending(Future<T> future, std::vector<Memory> held, Convert convert) {
  return Pending(std::make_shared<FutureCall<T>>(std::move(future), std::move(convert)), std::move(held));
}
template <class T, class Convert>
Pending make_pending(Future<T> future, Convert convert) {
  return make_pending(std::move(future), {}, std::move(convert));
}

void bind_pending(nb::module_& module);

}  // namespace s3dlio::python
