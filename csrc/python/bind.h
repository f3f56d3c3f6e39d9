// The parts of the module, each in the file of its name.
#pragma once

#include <nanobind/nanobind.h>

#include "native_store.h"

namespace s3dlio::python {

namespace nb = nanobind;
using StoreClass = nb::class_<NativeStore>;

void bind_buffer(nb::module_& module);
void bind_checksum(nb::module_& module);
void bind_values(nb::module_& module);
void bind_options(nb::module_& module);
StoreClass bind_store(nb::module_& module);
void bind_get(StoreClass& store);
void bind_put(nb::module_& module, StoreClass& store);
void bind_list(nb::module_& module, StoreClass& store);
void bind_manage(StoreClass& store);
void bind_get_many(StoreClass& store);
void bind_fetch(nb::module_& module, StoreClass& store);
void bind_handles(nb::module_& module, StoreClass& store);
void bind_stats(nb::module_& module);
void bind_datagen(nb::module_& module);

}  // namespace s3dlio::python
