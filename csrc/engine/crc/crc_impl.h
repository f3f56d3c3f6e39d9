// What the parts of this room share: the three polynomials and one folding function per instruction set. Private,
// except that tests force an implementation through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/crc/crc.h"

namespace s3dlio::crc {

// Bit-reflected, as all three are computed: bit 0 of a byte is the highest power of x.
template <ChecksumKind kKind>
struct Polynomial;
template <>
struct Polynomial<ChecksumKind::kCrc32> {
  static constexpr unsigned kBits = 32;
  static constexpr uint64_t kReflected = 0xEDB88320u;
};
template <>
struct Polynomial<ChecksumKind::kCrc32c> {
  static constexpr unsigned kBits = 32;
  static constexpr uint64_t kReflected = 0x82F63B78u;
};
template <>
struct Polynomial<ChecksumKind::kCrc64Nvme> {
  static constexpr unsigned kBits = 64;
  static constexpr uint64_t kReflected = 0x9A6C9329AC4BC9B5ull;
};

template <ChecksumKind kKind>
constexpr uint64_t all_ones() {
  return ~uint64_t{0} >> (64 - Polynomial<kKind>::kBits);
}

// x * v mod P.
template <ChecksumKind kKind>
constexpr uint64_t times_x(uint64_t v) {
  return (v >> 1) ^ ((v & 1) ? Polynomial<kKind>::kReflected : 0);
}

// x^n mod P as a reflected 64-bit operand of a carry-less multiplication (bit i is the power 63 - i).
template <ChecksumKind kKind>
constexpr uint64_t fold_factor(unsigned n) {
  uint64_t v = uint64_t{1} << (Polynomial<kKind>::kBits - 1);
  for (unsigned i = 0; i < n; ++i) v = times_x<kKind>(v);
  return v << (64 - Polynomial<kKind>::kBits);
}

// Factors that carry a 128-bit block over `kDistance` bits of message. A reflected product comes out one power too
// high, hence the - 1.
template <ChecksumKind kKind, unsigned kDistance>
struct Fold {
  static constexpr uint64_t kLow = fold_factor<kKind>(kDistance + 64 - 1);  // for the block's first 8 bytes
  static constexpr uint64_t kHigh = fold_factor<kKind>(kDistance - 1);      // for its last 8
};

// Each takes and gives the raw register (neither inverted at start nor at the end) and handles any size.
using UpdateFunction = uint64_t (*)(uint64_t state, const std::byte* data, size_t size);

template <ChecksumKind kKind>
uint64_t update_table(uint64_t state, const std::byte* data, size_t size);

enum class Instructions : uint8_t { kTable, kPclmul, kVpclmul, kPmull };
bool supported(Instructions set);
std::string_view name_of(Instructions set);
// The function for `set`, which must be supported.
UpdateFunction update_function(ChecksumKind kind, Instructions set);

// Compiled only where the processor family has them.
template <ChecksumKind kKind>
uint64_t update_pclmul(uint64_t state, const std::byte* data, size_t size);
template <ChecksumKind kKind>
uint64_t update_vpclmul(uint64_t state, const std::byte* data, size_t size);
template <ChecksumKind kKind>
uint64_t update_pmull(uint64_t state, const std::byte* data, size_t size);

}  // namespace s3dlio::crc
