#include "pending.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <nanobind/typing.h>

#include "completion_port.h"
#include "engine/process/fork.h"

namespace s3dlio::python {

using namespace nb::literals;

Pending::Pending(std::shared_ptr<Call> call, std::vector<Memory> held)
    : inner_call_(std::move(call)), inner_held_(std::move(held)), inner_generation_(fork_generation()) {
  if (inner_call_->is_by_engine()) remember(inner_call_);
}

Pending::~Pending() {
  if (!inner_call_) return;
  if (inner_generation_ != fork_generation()) {
    // Its threads stayed in the parent: nothing writes here, and its locks may be held for ever.
    new std::shared_ptr<Call>(std::move(inner_call_));
    return;
  }
  if (inner_call_->is_ready()) return;
  cancel();
  if (!inner_call_->is_by_engine()) return;
  while (!wait_slice(*inner_call_)) {
  }
}

void Pending::check_usable() const {
  if (!inner_call_) raise_error(ErrorCode::kClosed, "the result was taken already");
  if (inner_generation_ != fork_generation()) {
    raise_error(ErrorCode::kClosed, "the call was started before fork(); its threads live in the parent process");
  }
}

bool Pending::wait_slice(Call& call) {
  const Unlocked unlocked;
  return call.wait_for(kWaitSlice);
}

nb::object Pending::wait() {
  check_usable();
  const std::shared_ptr<Call> call = inner_call_;  // another thread may take the result while this one waits
  while (!wait_slice(*call)) {
    if (PyErr_CheckSignals() == 0) continue;
    nb::python_error interrupt;
    cancel();
    while (!wait_slice(*call)) {
      if (!call->is_by_engine() && PyErr_CheckSignals() != 0) throw nb::python_error();
    }
    throw interrupt;
  }
  return take();
}

nb::object Pending::take() {
  check_usable();
  const std::shared_ptr<Call> call = std::move(inner_call_);
  inner_call_.reset();
  const std::vector<Memory> held = std::move(inner_held_);
  inner_held_.clear();
  return call->take();
}

nb::object Pending::result() {
  check_usable();
  if (!inner_call_->is_ready()) raise_error(ErrorCode::kInternal, "the result was asked for before it was there");
  return take();
}

bool Pending::is_ready() const {
  return !inner_call_ || (inner_generation_ == fork_generation() && inner_call_->is_ready());
}

void Pending::cancel() {
  if (!inner_call_ || inner_generation_ != fork_generation()) return;
  const std::shared_ptr<Call> call = inner_call_;
  const Unlocked unlocked;
  call->cancel();
}

void Pending::on_ready(std::function<void()> callback) {
  check_usable();
  if (std::exchange(inner_is_heard_, true)) {
    raise_error(ErrorCode::kConcurrentUse, "something else waits for this call already");
  }
  const std::shared_ptr<Call> call = inner_call_;
  const Unlocked unlocked;
  call->on_ready(std::move(callback));
}

void bind_pending(nb::module_& module) {
  module.attr("T") = nb::type_var("T");
  nb::class_<Pending>(module, "Pending", nb::is_generic(), nb::sig("class Pending(typing.Generic[T])"),
                      "An engine call under way. Its memory is safe to reuse once `done()`.")
      .def("wait", &Pending::wait, nb::sig("def wait(self) -> T"),
           "Blocks, interruptibly, and gives the result or raises its error. Once.")
      .def("result", &Pending::result, nb::sig("def result(self) -> T"), "The result of a call that is `done()`. Once.")
      .def("done", &Pending::is_ready)
      .def("cancel", &Pending::cancel, "Asks the engine to stop; the call is over only when `done()`.");

  nb::class_<CompletionPort>(module, "CompletionPort",
                             "Hears of many calls' ends at once: N completions are one wake-up.")
      .def(nb::init<bool>(), "with_fd"_a, "with_fd: have a file descriptor an event loop can watch.")
      .def("fileno", &CompletionPort::fileno, "Readable while tokens wait to be taken; -1 without `with_fd`.")
      .def("add", &CompletionPort::add, "pending"_a, "token"_a,
           nb::sig("def add(self, pending: Pending[typing.Any], token: int) -> None"),
           "`token` will be taken from here once `pending` is done.")
      .def("take", &CompletionPort::take, "The tokens whose calls ended since the last time; does not block.")
      .def("wait", &CompletionPort::wait, "As take(), blocking, interruptibly, until there is one.");
}

}  // namespace s3dlio::python
