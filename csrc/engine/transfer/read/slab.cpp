#include "engine/transfer/read/slab.h"

#include <string>
#include <utility>

namespace s3dlio::transfer {
namespace {

Error holds_nothing(const std::string& start, const std::string& end) {
  return make_error(ErrorCode::kInvalidArgument,
                    "the range [" + start + ", " + end + ") holds no bytes; expected 0 <= start < end");
}

}  // namespace

std::optional<Error> unreachable(uint64_t offset) {
  if (offset <= kMaxObjectBytes) return std::nullopt;
  return make_error(ErrorCode::kRangeNotSatisfiable, "the range starts at byte " + std::to_string(offset) +
                                                         "; no object reaches past byte " +
                                                         std::to_string(kMaxObjectBytes));
}

Result<uint64_t> offset_of(uint64_t offset) {
  if (auto error = unreachable(offset)) return std::move(*error);
  return offset;
}

Result<uint64_t> offset_of(int64_t offset) {
  if (offset >= 0) return static_cast<uint64_t>(offset);
  return make_error(ErrorCode::kInvalidArgument, "offset is " + std::to_string(offset) + "; expected 0 or more");
}

Result<uint64_t> size_of(const Span& span) {
  // First: ends beyond 64 bits have become equal to such a start.
  if (auto error = unreachable(span.start)) return std::move(*error);
  if (span.end <= span.start) return holds_nothing(std::to_string(span.start), std::to_string(span.end));
  return span.end - span.start;
}

Result<Span> span_of(int64_t start, int64_t end) {
  if (start < 0 || end <= start) return holds_nothing(std::to_string(start), std::to_string(end));
  return Span{static_cast<uint64_t>(start), static_cast<uint64_t>(end)};
}

Result<Span> open_span_of(const Span& span) {
  if (span.end != 0) {
    if (auto size = size_of(span); !size) return std::move(size).error();
  } else if (auto error = unreachable(span.start)) {
    return std::move(*error);
  }
  return span;
}

bool is_inside(uint64_t offset, uint64_t size, uint64_t whole) { return offset <= whole && size <= whole - offset; }

std::optional<Error> misplaced(std::span<const uint64_t> places, size_t items, uint64_t size) {
  if (places.empty() || places.size() - 1 != items) {
    return make_error(ErrorCode::kInvalidArgument, std::to_string(items) + " items need " + std::to_string(items + 1) +
                                                       " offsets; found " + std::to_string(places.size()));
  }
  for (size_t i = 0; i < items; ++i) {
    if (places[i] <= places[i + 1]) continue;
    return make_error(ErrorCode::kInvalidArgument, "offsets must not descend; found " + std::to_string(places[i]) +
                                                       " before " + std::to_string(places[i + 1]) + " at place " +
                                                       std::to_string(i));
  }
  if (places.back() <= size) return std::nullopt;
  return make_error(ErrorCode::kInvalidArgument,
                    "out: " + std::to_string(places.back()) + " bytes are needed, found " + std::to_string(size));
}

Result<Slab> lay_out(std::span<const Span> spans, uint64_t alignment) {
  Slab slab;
  slab.places.reserve(spans.size());
  for (const Span& span : spans) {
    auto size = size_of(span);
    if (!size) return std::move(size).error();
    const uint64_t place = slab.size;
    const uint64_t over = *size % alignment;
    const uint64_t padding = over == 0 ? 0 : alignment - over;
    const uint64_t left = kMaxObjectBytes - place;  // never negative: the sum so far is at most kMaxObjectBytes
    if (*size > left || padding > left - *size) {
      return make_error(ErrorCode::kInvalidArgument,
                        "the ranges take more than " + std::to_string(kMaxObjectBytes) +
                            " bytes together; memory for all of them is needed before the object's size is known");
    }
    slab.places.push_back(place);
    slab.size = place + *size + padding;
  }
  return slab;
}

}  // namespace s3dlio::transfer
