// A number of Python's on its way into the engine. Python's integers have no end, the engine's have 64 bits: here alone
// is decided what becomes of the others. What is larger than the largest counts as the largest, which lies past every
// object, window and time there is; a negative one is refused by name.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "errors.h"

namespace s3dlio::python {

namespace nb = nanobind;

struct Number {
  uint64_t value = 0;
  bool is_negative = false;

  // InvalidArgumentError if it is negative. `what` names the argument.
  uint64_t get(const char* what) const {
    if (is_negative) raise_error(ErrorCode::kInvalidArgument, std::string(what) + " is negative; expected 0 or more");
    return value;
  }
  // As get(), at most as large as `Integer` holds.
  template <class Integer>
  Integer get_as(const char* what) const {
    return static_cast<Integer>(std::min<uint64_t>(get(what), std::numeric_limits<Integer>::max()));
  }
};

inline std::optional<uint64_t> get(const std::optional<Number>& number, const char* what) {
  return number ? std::optional(number->get(what)) : std::nullopt;
}

}  // namespace s3dlio::python

template <>
struct nanobind::detail::type_caster<s3dlio::python::Number> {
  NB_TYPE_CASTER(s3dlio::python::Number, const_name("int"))

  bool from_python(handle source, uint32_t flags, cleanup_list* cleanup) noexcept {
    type_caster<uint64_t> plain;
    if (plain.from_python(source, flags, cleanup)) {
      value = {plain.value, false};
      return true;
    }
    if (PyIndex_Check(source.ptr()) == 0) return false;
    PyObject* whole = PyNumber_Index(source.ptr());
    if (whole == nullptr) {
      PyErr_Clear();
      return false;
    }
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(whole, &overflow);
    Py_DECREF(whole);
    const bool is_negative = overflow < 0 || (overflow == 0 && number < 0);
    value = {is_negative ? 0 : UINT64_MAX, is_negative};
    return true;
  }
  static handle from_cpp(const s3dlio::python::Number& source, rv_policy, cleanup_list*) noexcept {
    return PyLong_FromUnsignedLongLong(source.value);
  }
};
