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
// `offset` itself. kRangeNotSatisfiable: as unreachable(offset).
Result<uint64_t> offset_of(uint64_t offset);
// As above, of a number with a sign; kInvalidArgument where it is negative.
Result<uint64_t> offset_of(int64_t offset);
// end - start. kInvalidArgument: no byte lies in it. kRangeNotSatisfiable: as unreachable(start).
Result<uint64_t> size_of(const Span& span);
// As size_of(), of numbers with a sign; kInvalidArgument also where one is negative.
Result<Span> span_of(int64_t start, int64_t end);

// `span` itself, of which an end of 0 means the object's end. Errors as size_of(), of one that has an end.
Result<Span> open_span_of(const Span& span);
// Whether bytes [offset, offset + size) lie in a whole of `whole` bytes.
bool is_inside(uint64_t offset, uint64_t size, uint64_t whole);

// Places in one piece of memory of `size` bytes, given by the caller: item i goes to [places[i], places[i + 1]).
// kInvalidArgument unless there is one more than items, none lies before the one in front of it, and none past the end.
std::optional<Error> misplaced(std::span<const uint64_t> places, size_t items, uint64_t size);

struct Slab {
  std::vector<uint64_t> places;  // of each span, in the caller's order: multiples of the alignment
  uint64_t size = 0;
};
// The spans one behind the other. `alignment` >= 1. kInvalidArgument, kRangeNotSatisfiable: as size_of();
// kInvalidArgument also where all together are larger than an object can be.
Result<Slab> lay_out(std::span<const Span> spans, uint64_t alignment);

}  // namespace s3dlio::transfer
