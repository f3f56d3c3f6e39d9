#include "promise.h"

#include <nanobind/typing.h>

#include <optional>
#include <utility>

#include "engine/process/fork.h"
#include "errors.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

nb::object value_of(Outcome&& outcome) {
  nb::object object = outcome.object.take();
  if (!outcome.is_error) return object;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())), object.ptr());
  throw nb::python_error();
}

// Tells the end of the process to cancel the call, but not to wait for it: threads of Python's stop with the
// interpreter, so nothing is written afterwards.
class CancelledAtEnd final : public Cancellable {
 public:
  explicit CancelledAtEnd(Future<Outcome> future) : inner_future_(std::move(future)) {}
  void cancel() override { inner_future_.cancel(); }
  bool wait_for(std::chrono::nanoseconds) override { return true; }

 private:
  Future<Outcome> inner_future_;
};

// The memory that Python code writes to is kept alive by that code, so nobody has to wait for the end to be safe.
class PromisedCall final : public FutureCall<Outcome> {
 public:
  explicit PromisedCall(const Future<Outcome>& future)
      : FutureCall(future, value_of), inner_at_end_(std::make_shared<CancelledAtEnd>(future)) {
    remember(inner_at_end_);
  }
  bool is_by_engine() const override { return false; }

 private:
  const std::shared_ptr<Cancellable> inner_at_end_;
};

// On the thread that cancels, with or without the GIL. An exception in the callback is reported and goes no further.
void call_back(const std::weak_ptr<Reference>& weak) {
  std::optional<Returning> returning;
  if (PyGILState_Check() == 0) returning.emplace();
  const nb::gil_scoped_acquire locked;
  const nb::error_scope kept;  // a Pending may be dropped while an exception is on its way
  nb::object callback;
  if (const auto reference = weak.lock()) callback = reference->take();
  if (!callback.is_valid()) return;
  const nb::object result = nb::steal(PyObject_CallNoArgs(callback.ptr()));
  if (!result.is_valid()) PyErr_WriteUnraisable(callback.ptr());
}

}  // namespace

void Reference::Release::operator()(PyObject* object) const noexcept {
  if (PyGILState_Check() != 0) Py_DECREF(object);
}

PendingPromise::PendingPromise() : inner_generation_(fork_generation()) {}

PendingPromise::~PendingPromise() {
  if (inner_is_fulfilled_) return;
  if (inner_generation_ != fork_generation()) {
    // Nobody waits for it in a child, and its lock may be held there for ever.
    new Promise<Outcome>(std::move(inner_promise_));
    return;
  }
  inner_promise_.set(inner_promise_.is_cancelled()
                         ? make_error(ErrorCode::kCancelled, "the call was taken back")
                         : make_error(ErrorCode::kClosed, "the store let go of the call without an answer"));
}

Pending PendingPromise::pending() {
  if (std::exchange(inner_is_given_, true)) {
    raise_error(ErrorCode::kInvalidArgument, "the pending result of this promise was given out already");
  }
  return {std::make_shared<PromisedCall>(inner_promise_.future()), {}};
}

bool PendingPromise::is_cancelled() const {
  return inner_generation_ == fork_generation() && inner_promise_.is_cancelled();
}

void PendingPromise::on_cancel(nb::callable callback) {
  if (std::exchange(inner_is_heard_, true)) {
    raise_error(ErrorCode::kInvalidArgument, "the promise has a callback for its cancellation already");
  }
  if (inner_is_fulfilled_ || inner_generation_ != fork_generation()) return;
  *inner_callback_ = Reference(std::move(callback));
  inner_promise_.on_cancel([weak = std::weak_ptr(inner_callback_)] { call_back(weak); });
}

void PendingPromise::set_result(nb::object value) { fulfil(std::move(value), false); }

void PendingPromise::set_error(nb::object exception) {
  if (!PyExceptionInstance_Check(exception.ptr())) throw nb::type_error("set_error() takes an exception");
  fulfil(std::move(exception), true);
}

void PendingPromise::fulfil(nb::object object, bool is_error) {
  if (inner_generation_ != fork_generation()) {
    raise_error(ErrorCode::kClosed, "the promise was made before fork(); who waits for it is in the parent process");
  }
  if (std::exchange(inner_is_fulfilled_, true)) {
    raise_error(ErrorCode::kInvalidArgument, "the promise holds a result or an error already");
  }
  inner_promise_.set(Outcome{Reference(std::move(object)), is_error});
  clear();
}

int PendingPromise::traverse(visitproc visit, void* arg) const {
  Py_VISIT(inner_callback_->get().ptr());
  return 0;
}

void PendingPromise::clear() { inner_callback_->drop(); }

namespace {

int traverse_promise(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (!nb::inst_ready(self)) return 0;
  return nb::inst_ptr<PendingPromise>(self)->traverse(visit, arg);
}

int clear_promise(PyObject* self) {
  if (nb::inst_ready(self)) nb::inst_ptr<PendingPromise>(self)->clear();
  return 0;
}

PyType_Slot promise_slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse_promise)},
                               {Py_tp_clear, reinterpret_cast<void*>(clear_promise)},
                               {0, nullptr}};

}  // namespace

void bind_promise(nb::module_& module) {
  nb::class_<PendingPromise>(module, "Promise", nb::type_slots(promise_slots), nb::is_generic(),
                             nb::sig("class Promise(typing.Generic[T])"),
                             "A call that Python code carries out: its Pending is as one of the engine's. Dropped "
                             "without an answer, it fails with ClosedError or, if cancelled, TransferCancelledError.")
      .def(nb::init<>())
      .def("pending", &PendingPromise::pending, nb::sig("def pending(self) -> Pending[T]"),
           "What the caller waits for. Once.")
      .def("cancelled", &PendingPromise::is_cancelled,
           "The caller wants no result any more; it waits for set_error() or set_result() all the same.")
      .def("on_cancel", &PendingPromise::on_cancel, "callback"_a,
           nb::sig("def on_cancel(self, callback: collections.abc.Callable[[], object]) -> None"),
           "Calls `callback` when the caller cancels, on the thread that does; at once if that was before. Once.")
      .def("set_result", &PendingPromise::set_result, "value"_a.none(),
           nb::sig("def set_result(self, value: T) -> None"), "Once, from any thread.")
      .def("set_error", &PendingPromise::set_error, "error"_a,
           nb::sig("def set_error(self, error: BaseException) -> None"), "Once, from any thread.");
}

}  // namespace s3dlio::python
