// Random bytes addressed by position: any byte of a stream can be had without the ones before it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace s3dlio {

static_assert(std::endian::native == std::endian::little, "streams are defined as little-endian words");

// One-to-one on 64 bits, so distinct inputs stay distinct (the finaliser of splitmix64).
inline uint64_t mix64(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

// Not for secrets. Word i folds the 128-bit product of two views of a counter: one multiplication a word, no word waits
// for another, so one core writes several times faster than any network it feeds.
class RandomStream {
 public:
  explicit RandomStream(uint64_t key)
      : inner_start_(mix64(key ^ 0x6a09e667f3bcc909u)), inner_twist_(mix64(key + 0x3c6ef372fe94f82bu)) {}

  // Writes the stream's bytes [position, position + out.size()).
  void fill(uint64_t position, std::span<std::byte> out) const {
    std::byte* target = out.data();
    size_t left = out.size();
    uint64_t word = position / 8;
    if (const size_t skip = position % 8; skip != 0 && left != 0) {
      const size_t count = left < 8 - skip ? left : 8 - skip;
      copy_part(word++, skip, count, target);
      target += count;
      left -= count;
    }
    for (; left >= 8; left -= 8, target += 8, ++word) {
      const uint64_t value = at(word);
      std::memcpy(target, &value, 8);
    }
    if (left != 0) copy_part(word, 0, left, target);
  }

 private:
  uint64_t at(uint64_t index) const {
    __extension__ typedef unsigned __int128 Wide;
    const uint64_t counter = inner_start_ + index * 0x9e3779b97f4a7c15u;
    const Wide product = static_cast<Wide>(counter) * (counter ^ inner_twist_);
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  void copy_part(uint64_t word, size_t skip, size_t count, std::byte* target) const {
    const uint64_t value = at(word);
    std::memcpy(target, reinterpret_cast<const std::byte*>(&value) + skip, count);
  }

  // Two independent numbers, so that two streams never run over the same words at a shift.
  uint64_t inner_start_;
  uint64_t inner_twist_;
};

}  // namespace s3dlio
