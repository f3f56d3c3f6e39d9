// Numbers that came from outside, before anything is counted with them: whether ranges can mean bytes of an object, and
// where they come to lie in one piece of memory. Every door asks here. Nothing in it wraps round.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/result.h"

namespace s3dlio::transfer {

// No object reaches further: file systems and services count in 63 bits.
constexpr uint64_t kMaxObjectBytes = INT64_MAX;

struct Span {  // bytes [start, end) of an object, unchecked
  uint64_t start = 0;
  uint64_t end = 0;
};

// kRangeNotSatisfiable: no object has a byte at `offset`. Below it, offset + the size of any memory stays in range.
std::optional<Error> unreachable(uint64_t offset);
// end - start. kInvalidArgument: no byte lies in it. kRangeNotSatisfiable: as unreachable(start).
Result<uint64_t> size_of(const Span& span);
// As size_of(), of numbers with a sign; kInvalidArgument also where one is negative.
Result<Span> span_of(int64_t start, int64_t end);

struct Slab {
  std::vector<uint64_t> places;  // of each span, in the caller's order: multiples of the alignment
  uint64_t size = 0;
};
// The spans one behind the other. `alignment` >= 1. kInvalidArgument, kRangeNotSatisfiable: as size_of();
// kInvalidArgument also where all together are larger than an object can be.
Result<Slab> lay_out(std::span<const Span> spans, uint64_t alignment);

}  // namespace s3dlio::transfer
