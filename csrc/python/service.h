// What the engine wants of Python: log lines to hand on, credentials to look up. It never takes the GIL for that:
// requests wait in a queue that one Python thread (s3dlio_core/process/service.py) empties. So an engine thread cannot
// deadlock with Python, nor be unwound by a dying interpreter.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

#include "engine/credentials.h"

namespace s3dlio::python {

namespace nb = nanobind;

// A source that asks the Python provider registered under `provider_id`, and blocks its (engine helper) thread
// meanwhile.
CredentialSource ask_python(uint64_t provider_id);

void stop_service();  // wakes everything that waits; lasting

void bind_service(nb::module_& module);

}  // namespace s3dlio::python
