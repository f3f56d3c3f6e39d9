// What the interpreter's end and fork() mean for this door.
#pragma once

#include <nanobind/nanobind.h>

#include "engine/process/interrupt.h"
#include "engine/process/process_end.h"

namespace s3dlio::python {

namespace nb = nanobind;

// Lets go of the GIL; the only way to do so here. Once the interpreter is ending, a thread other than the one that ends
// it never leaves this scope: taking the GIL then would make Python unwind C++ frames that must not be unwound.
class Unlocked {
 public:
  // `is_service`: the package's own thread, which holds nothing of the user's meanwhile.
  explicit Unlocked(bool is_service = false);
  ~Unlocked();
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  const bool inner_is_service_;
  PyThreadState* const inner_thread_;
};

void bind_lifecycle(nb::module_& module);

}  // namespace s3dlio::python
