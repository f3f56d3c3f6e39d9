// Engine errors as Python exceptions: s3dlio_core/errors.py holds the classes, this maps each code to one of them.
#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <utility>

#include "engine/base/result.h"

namespace s3dlio::python {

namespace nb = nanobind;

const char* class_name_of(ErrorCode code);

// str(object), whatever is in it: what UTF-8 cannot say becomes "?". Never raises.
std::string text_of(nb::handle object);

// GIL held.
nb::object exception_of(const Error& error);
void set_error(const Error& error);  // as Python's current exception
[[noreturn]] void raise_error(const Error& error);
[[noreturn]] void raise_error(ErrorCode code, std::string message);

template <class T>
T value_or_raise(Result<T> result) {
  if (!result.ok()) raise_error(result.error());
  return std::move(result).value();
}

// Tells an error raised on the way into the engine (a read-only destination, a closed store) which call it belongs to.
void name_call(nb::python_error& error, const char* operation, const std::string& uri);

void bind_errors(nb::module_& module);

}  // namespace s3dlio::python
