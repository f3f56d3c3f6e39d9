#include "engine/transfer/read/slab.h"

#include <doctest/doctest.h>

#include <vector>

namespace s3dlio::transfer {
namespace {

ErrorCode refusal(const std::vector<Span>& spans, uint64_t alignment = 64) {
  const auto slab = lay_out(spans, alignment);
  REQUIRE_FALSE(slab.ok());
  return slab.error().code;
}

TEST_CASE("E1: ranges lie one behind the other, each at a multiple of the alignment") {
  const std::vector<Span> spans{{0, 1}, {10, 74}, {5, 70}};
  const auto slab = lay_out(spans, 64);
  REQUIRE(slab.ok());
  CHECK(slab->places == std::vector<uint64_t>{0, 64, 128});
  CHECK(slab->size == 256);
  const auto tight = lay_out(spans, 1);
  REQUIRE(tight.ok());
  CHECK(tight->places == std::vector<uint64_t>{0, 1, 65});
  CHECK(tight->size == 130);
  CHECK(lay_out({}, 64)->size == 0);
}

TEST_CASE("E1: sums that wrap round in 64 bits are refused") {
  CHECK(refusal({{0, UINT64_MAX}}) == ErrorCode::kInvalidArgument);
  CHECK(refusal({{0, UINT64_MAX - 127}, {0, 192}}) == ErrorCode::kInvalidArgument);
  const uint64_t most = kMaxObjectBytes;
  CHECK(refusal({{0, most}, {0, most}}, 1) == ErrorCode::kInvalidArgument);
  CHECK(refusal({{0, most}, {0, most}, {0, 2}}, 1) == ErrorCode::kInvalidArgument);
  CHECK(refusal({{0, most}}, 64) == ErrorCode::kInvalidArgument);  // with what fills it up
  const std::vector<Span> exact{{0, most}};
  CHECK(lay_out(exact, 1)->size == most);
}

TEST_CASE("E1: ranges that hold nothing or begin past every object are refused") {
  CHECK(refusal({{0, 8}, {5, 5}}) == ErrorCode::kInvalidArgument);
  CHECK(refusal({{5, 1}}) == ErrorCode::kInvalidArgument);
  CHECK(refusal({{kMaxObjectBytes + 1, kMaxObjectBytes + 9}}) == ErrorCode::kRangeNotSatisfiable);
  CHECK_FALSE(unreachable(kMaxObjectBytes).has_value());
  CHECK(unreachable(UINT64_MAX)->code == ErrorCode::kRangeNotSatisfiable);
  CHECK(span_of(-1, 5).error().code == ErrorCode::kInvalidArgument);
  CHECK(span_of(INT64_MIN, INT64_MAX).error().code == ErrorCode::kInvalidArgument);
  CHECK(span_of(3, INT64_MAX)->end == kMaxObjectBytes);
}

TEST_CASE("E1: offsets are not negative and lie before the end of every object") {
  CHECK(offset_of(int64_t{0}).value() == 0);
  CHECK(offset_of(INT64_MAX).value() == kMaxObjectBytes);
  CHECK(offset_of(int64_t{-1}).error().code == ErrorCode::kInvalidArgument);
  CHECK(offset_of(INT64_MIN).error().code == ErrorCode::kInvalidArgument);
  CHECK(offset_of(kMaxObjectBytes).ok());
  CHECK(offset_of(kMaxObjectBytes + 1).error().code == ErrorCode::kRangeNotSatisfiable);
  CHECK(offset_of(UINT64_MAX).error().code == ErrorCode::kRangeNotSatisfiable);
}

TEST_CASE("E1: a span without an end is checked by its start alone") {
  CHECK(open_span_of({5, 0})->start == 5);
  CHECK(open_span_of({5, 0})->end == 0);
  CHECK(open_span_of({5, 6})->end == 6);
  CHECK(open_span_of({5, 5}).error().code == ErrorCode::kInvalidArgument);
  CHECK(open_span_of({UINT64_MAX, 0}).error().code == ErrorCode::kRangeNotSatisfiable);
  CHECK(open_span_of({UINT64_MAX, UINT64_MAX}).error().code == ErrorCode::kRangeNotSatisfiable);
}

TEST_CASE("E1: a piece lies inside a whole, however large the numbers") {
  CHECK(is_inside(0, 0, 0));
  CHECK(is_inside(3, 7, 10));
  CHECK_FALSE(is_inside(3, 8, 10));
  CHECK_FALSE(is_inside(11, 0, 10));
  CHECK_FALSE(is_inside(UINT64_MAX, 2, 10));
  CHECK_FALSE(is_inside(2, UINT64_MAX, 10));
  CHECK(is_inside(1, UINT64_MAX - 1, UINT64_MAX));
}

TEST_CASE("E1: places in one piece of memory ascend, one more than items, and end inside it") {
  const auto refused = [](const std::vector<uint64_t>& places, size_t items) {
    const auto error = misplaced(places, items, 10);
    return error && error->code == ErrorCode::kInvalidArgument;
  };
  CHECK_FALSE(refused({0, 4, 4, 10}, 3));
  CHECK_FALSE(refused({7}, 0));
  CHECK(refused({}, 0));
  CHECK(refused({}, SIZE_MAX));  // one more than that is none
  CHECK(refused({0, 10}, 2));
  CHECK(refused({0, 5, 4}, 2));
  CHECK(refused({0, 11}, 1));
  CHECK(refused({UINT64_MAX, 0}, 1));
}

}  // namespace
}  // namespace s3dlio::transfer
