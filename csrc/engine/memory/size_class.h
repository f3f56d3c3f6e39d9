// Which block sizes the pool keeps. Private to memory/.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace s3dlio::memory {

inline constexpr size_t kPage = 4096;
inline constexpr size_t kHugePage = size_t{2} << 20;
inline constexpr size_t kMaxClassSize = size_t{64} << 20;
inline constexpr size_t kClassCount = 96;

constexpr size_t round_up(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

// 4, 8, ... 32 KiB, then eight steps to each doubling: at most an eighth of a block lies idle.
// `size` is 1..kMaxClassSize; the index is 0..kClassCount - 1.
constexpr size_t class_index(size_t size) {
  const size_t pages = (size + kPage - 1) / kPage;
  if (pages <= 8) return pages - 1;
  const auto doubling = static_cast<size_t>(std::bit_width(pages - 1) - 1);  // 2^doubling < pages <= 2^(doubling + 1)
  const size_t step = size_t{1} << (doubling - 3);
  return 8 + (doubling - 3) * 8 + (pages - (size_t{1} << doubling) + step - 1) / step - 1;
}

constexpr size_t class_size(size_t index) {
  if (index < 8) return (index + 1) * kPage;
  const size_t doubling = (index - 8) / 8 + 3;
  const size_t steps = (index - 8) % 8 + 1;
  // NOLINTNEXTLINE(clang-analyzer-core.BitwiseShift): index < kClassCount
  return ((size_t{1} << doubling) + steps * (size_t{1} << (doubling - 3))) * kPage;
}

static_assert(class_size(kClassCount - 1) == kMaxClassSize && class_index(kMaxClassSize) == kClassCount - 1);

}  // namespace s3dlio::memory
