// A call that Python code carries out, for stores that are adapters: whoever waits holds the same Pending as for a call
// of the engine's.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>

#include "engine/base/future.h"
#include "pending.h"

namespace s3dlio::python {

// One reference to a Python object, which a thread without the GIL may own and drop: only the end of the process brings
// it there, and then the object stays where it is.
class Reference {
 public:
  Reference() = default;
  explicit Reference(nb::object object) : inner_object_(object.release().ptr()) {}
  nb::object take() { return nb::steal(inner_object_.release()); }
  nb::handle get() const { return inner_object_.get(); }
  void drop() { inner_object_.reset(); }

 private:
  struct Release {
    void operator()(PyObject* object) const noexcept;
  };
  std::unique_ptr<PyObject, Release> inner_object_;
};

struct Outcome {
  Reference object;  // the value, or the exception
  bool is_error = false;
};

// Fulfilled once, from any thread. GIL held throughout.
class PendingPromise {
 public:
  PendingPromise();
  PendingPromise(const PendingPromise&) = delete;
  PendingPromise& operator=(const PendingPromise&) = delete;
  // An unfulfilled one fails: kCancelled where the caller asked for that, otherwise kClosed. Nobody waits for ever.
  ~PendingPromise();

  Pending pending();                      // InvalidArgumentError: the second time
  bool is_cancelled() const;              // the caller does not want the result any more; it still waits for the end
  void on_cancel(nb::callable callback);  // InvalidArgumentError: the second time
  void set_result(nb::object value);      // InvalidArgumentError where a result or an error is there already
  void set_error(nb::object exception);   // the same; TypeError where it is no exception

  // What Python's garbage collector asks: a callback mostly refers to its promise.
  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  void fulfil(nb::object object, bool is_error);

  Promise<Outcome> inner_promise_;
  const std::shared_ptr<Reference> inner_callback_ = std::make_shared<Reference>();
  const uint64_t inner_generation_;
  bool inner_is_given_ = false;
  bool inner_is_heard_ = false;  // a callback was given
  bool inner_is_fulfilled_ = false;
};

void bind_promise(nb::module_& module);

}  // namespace s3dlio::python
