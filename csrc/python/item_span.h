// The bytes of an object that one item of a batch asks for.
#pragma once

#include <cstdint>
#include <utility>

#include "engine/transfer/read/slab.h"
#include "errors.h"
#include "number.h"

namespace s3dlio::python {

// [first, second) of the object; an end of 0 is the object's end, and stays 0. Raises as transfer::size_of().
inline std::pair<uint64_t, uint64_t> item_span(Number start, Number end) {
  const transfer::Span span{start.get("start"), end.get("end")};
  if (span.end != 0) {
    static_cast<void>(value_or_raise(transfer::size_of(span)));
  } else if (const auto error = transfer::unreachable(span.start)) {
    raise_error(*error);
  }
  return {span.start, span.end};
}

}  // namespace s3dlio::python
