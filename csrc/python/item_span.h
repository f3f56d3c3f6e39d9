// The bytes of an object that one item of a batch asks for.
#pragma once

#include <cstdint>
#include <utility>

#include "engine/transfer/read/slab.h"
#include "errors.h"
#include "number.h"

namespace s3dlio::python {

// [first, second) of the object; an end of 0 is the object's end, and stays 0. Raises as transfer::open_span_of().
inline std::pair<uint64_t, uint64_t> item_span(Number start, Number end) {
  const auto span = value_or_raise(transfer::open_span_of({start.get("start"), end.get("end")}));
  return {span.start, span.end};
}

}  // namespace s3dlio::python
