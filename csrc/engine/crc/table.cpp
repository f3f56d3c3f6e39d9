// Slicing by 16: one look-up per byte, sixteen of them independent. For processors without carry-less multiplication,
// and for the few bytes folding leaves over.
#include <array>
#include <bit>
#include <cstring>

#include "engine/crc/crc_impl.h"

static_assert(std::endian::native == std::endian::little, "loads below take the message's first byte as the lowest");

namespace s3dlio::crc {
namespace {

constexpr size_t kSlices = 16;

template <ChecksumKind kKind>
constexpr auto make_tables() {
  using Word = std::conditional_t<Polynomial<kKind>::kBits == 64, uint64_t, uint32_t>;
  std::array<std::array<Word, 256>, kSlices> tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    uint64_t v = byte;
    for (int bit = 0; bit < 8; ++bit) v = times_x<kKind>(v);
    tables[0][byte] = static_cast<Word>(v);
  }
  for (size_t slice = 1; slice < kSlices; ++slice) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint64_t v = tables[slice - 1][byte];
      tables[slice][byte] = static_cast<Word>((v >> 8) ^ tables[0][v & 0xFF]);
    }
  }
  return tables;
}

template <ChecksumKind kKind>
constexpr auto kTables = make_tables<kKind>();

}  // namespace

template <ChecksumKind kKind>
uint64_t update_table(uint64_t state, const std::byte* data, size_t size) {
  const auto& tables = kTables<kKind>;
  for (; size >= kSlices; data += kSlices, size -= kSlices) {
    uint64_t words[2];
    std::memcpy(words, data, sizeof words);
    words[0] ^= state;
    state = 0;
    for (unsigned i = 0; i < 8; ++i) {
      state ^= tables[15 - i][(words[0] >> (8 * i)) & 0xFF] ^ tables[7 - i][(words[1] >> (8 * i)) & 0xFF];
    }
  }
  for (; size > 0; ++data, --size) {
    state = (state >> 8) ^ tables[0][(state ^ std::to_integer<uint64_t>(*data)) & 0xFF];
  }
  return state;
}

template uint64_t update_table<ChecksumKind::kCrc32>(uint64_t, const std::byte*, size_t);
template uint64_t update_table<ChecksumKind::kCrc32c>(uint64_t, const std::byte*, size_t);
template uint64_t update_table<ChecksumKind::kCrc64Nvme>(uint64_t, const std::byte*, size_t);

}  // namespace s3dlio::crc
