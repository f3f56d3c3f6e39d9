// What the torch door needs of this one: stores under numbers, and the whole of an error that came through torch as
// text.
#include "bind.h"
#include "engine/base/last_error.h"
#include "engine/fetch/store_handles.h"
#include "errors.h"
#include "lifecycle.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

void forget(uint64_t handle) {
  const Unlocked unlocked;  // the last one to let go of a store waits for its threads
  fetch::forget_store(handle);
}

nb::object take_last_error() {
  const auto error = take_remembered_error();
  return error ? exception_of(*error) : nb::none();
}

}  // namespace

void bind_handles(nb::module_& module, StoreClass& store) {
  store.def(
      "register_handle", [](NativeStore& self) { return fetch::register_store({self.shared(), self.prefix()}); },
      "A number that names this store to torch.ops.s3dlio, until forget_handle().");
  module.def("forget_handle", &forget, "handle"_a);
  module.def("take_last_error", &take_last_error,
             nb::sig("def take_last_error() -> s3dlio_core.errors.StorageError | None"),
             "The error of the last torch.ops.s3dlio call that failed on this thread. Once.");
}

}  // namespace s3dlio::python
