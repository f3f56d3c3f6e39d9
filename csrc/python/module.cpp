// s3dlio_core._ext: the Python door of the engine. A table of contents; each part is in the file of its name.
#include <cstdlib>

#include "bind.h"
#include "completion_port.h"
#include "errors.h"
#include "lifecycle.h"
#include "pending.h"
#include "promise.h"
#include "service.h"

// The engine's door is for the main interpreter: what nanobind keeps of a module is one for all, and a second import
// would break the first. So Python's entry is ours, and asks before it hands on to nanobind's.
#define PyInit__ext s3dlio_init_by_nanobind
NB_MODULE(_ext, module) {
  using namespace s3dlio::python;
  module.doc() = "The engine, as s3dlio_core uses it. Not for direct use: names here change without notice.";
  // What outlives the interpreter is looked for in the tests. Elsewhere it is mostly none of ours: torch without numpy,
  // for one, keeps the globals of __main__, and nanobind would tell the user of a fault in this package.
  nb::set_leak_warnings(std::getenv("S3DLIO_LEAK_WARNINGS") != nullptr);
  bind_lifecycle(module);
  bind_errors(module);
  bind_service(module);
  bind_pending(module);
  bind_promise(module);
  bind_buffer(module);
  bind_checksum(module);
  bind_values(module);
  bind_options(module);
  StoreClass store = bind_store(module);
  bind_get(store);
  bind_put(module, store);
  bind_list(module, store);
  bind_manage(store);
  bind_get_many(store);
  bind_fetch(module, store);
  bind_handles(module, store);
  bind_stats(module);
  bind_datagen(module);
}
#undef PyInit__ext

// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is Python's choice
extern "C" NB_EXPORT PyObject* PyInit__ext() {
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
    PyErr_SetString(
        PyExc_ImportError,
        "s3dlio_core works in the main interpreter only, not in a sub-interpreter; use threads or processes");
    return nullptr;
  }
  return s3dlio_init_by_nanobind();
}
