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

}  // namespace
}  // namespace s3dlio::transfer
