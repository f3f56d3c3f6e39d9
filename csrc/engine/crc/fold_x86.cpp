// Folding by carry-less multiplication on x86-64. A 128-bit block of the message is congruent (mod P) to its two halves
// times constants, added to the block a fixed distance further on; several independent blocks hide the latency. What is
// left is 16 bytes with the same remainder as everything before them, which the table finishes.
#if defined(__x86_64__)
#include <immintrin.h>

#include "engine/crc/crc_impl.h"

#define S3DLIO_PCLMUL __attribute__((target("sse4.1,pclmul")))
#define S3DLIO_VPCLMUL __attribute__((target("sse4.1,pclmul,avx512f,avx512vl,vpclmulqdq")))

namespace s3dlio::crc {
namespace {

template <ChecksumKind kKind, unsigned kDistance>
S3DLIO_PCLMUL inline __m128i fold(__m128i block, __m128i next) {
  using F = Fold<kKind, kDistance>;
  const __m128i factors = _mm_set_epi64x(static_cast<long long>(F::kHigh), static_cast<long long>(F::kLow));
  const __m128i low = _mm_clmulepi64_si128(block, factors, 0x00);
  const __m128i high = _mm_clmulepi64_si128(block, factors, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

S3DLIO_PCLMUL inline __m128i load(const std::byte* data) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(data));
}

template <ChecksumKind kKind, unsigned kDistance>
S3DLIO_VPCLMUL inline __m512i fold_wide(__m512i blocks, __m512i next) {
  using F = Fold<kKind, kDistance>;
  constexpr auto kLow = static_cast<long long>(F::kLow);
  constexpr auto kHigh = static_cast<long long>(F::kHigh);
  const __m512i factors = _mm512_set_epi64(kHigh, kLow, kHigh, kLow, kHigh, kLow, kHigh, kLow);
  const __m512i low = _mm512_clmulepi64_epi128(blocks, factors, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(blocks, factors, 0x11);
  return _mm512_ternarylogic_epi64(low, high, next, 0x96);  // three-way xor
}

S3DLIO_VPCLMUL inline __m512i load_wide(const std::byte* data) { return _mm512_loadu_si512(data); }

// Folds the remaining whole 16-byte blocks into `block`, then lets the table finish.
template <ChecksumKind kKind>
S3DLIO_PCLMUL inline uint64_t finish(__m128i block, const std::byte* data, size_t size) {
  for (; size >= 16; data += 16, size -= 16) block = fold<kKind, 128>(block, load(data));
  alignas(16) std::byte last[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(last), block);
  return update_table<kKind>(update_table<kKind>(0, last, 16), data, size);
}

template <ChecksumKind kKind>
S3DLIO_PCLMUL uint64_t by_pclmul(uint64_t state, const std::byte* data, size_t size) {
  if (size < 64) return update_table<kKind>(state, data, size);
  const __m128i start = _mm_cvtsi64_si128(static_cast<long long>(state));
  if (size < 256) return finish<kKind>(_mm_xor_si128(load(data), start), data + 16, size - 16);
  __m128i lane[8];
  for (int i = 0; i < 8; ++i) lane[i] = load(data + 16 * i);
  lane[0] = _mm_xor_si128(lane[0], start);
  data += 128;
  size -= 128;
  for (; size >= 128; data += 128, size -= 128) {
    for (int i = 0; i < 8; ++i) lane[i] = fold<kKind, 1024>(lane[i], load(data + 16 * i));
  }
  for (int i = 0; i < 7; ++i) lane[i + 1] = fold<kKind, 128>(lane[i], lane[i + 1]);
  return finish<kKind>(lane[7], data, size);
}

template <ChecksumKind kKind>
S3DLIO_VPCLMUL uint64_t by_vpclmul(uint64_t state, const std::byte* data, size_t size) {
  if (size < 512) return by_pclmul<kKind>(state, data, size);
  __m512i lane[4];
  for (int i = 0; i < 4; ++i) lane[i] = load_wide(data + 64 * i);
  lane[0] = _mm512_xor_si512(lane[0], _mm512_zextsi128_si512(_mm_cvtsi64_si128(static_cast<long long>(state))));
  data += 256;
  size -= 256;
  for (; size >= 256; data += 256, size -= 256) {
    for (int i = 0; i < 4; ++i) lane[i] = fold_wide<kKind, 2048>(lane[i], load_wide(data + 64 * i));
  }
  for (int i = 0; i < 3; ++i) lane[i + 1] = fold_wide<kKind, 512>(lane[i], lane[i + 1]);
  for (; size >= 64; data += 64, size -= 64) lane[3] = fold_wide<kKind, 512>(lane[3], load_wide(data));
  alignas(64) std::byte blocks[64];
  _mm512_store_si512(blocks, lane[3]);
  __m128i block = load(blocks);
  for (int i = 1; i < 4; ++i) block = fold<kKind, 128>(block, load(blocks + 16 * i));
  return finish<kKind>(block, data, size);
}

}  // namespace

// The attributes have to stand on a function's first declaration, so the shared ones only pass the call on.
template <ChecksumKind kKind>
uint64_t update_pclmul(uint64_t state, const std::byte* data, size_t size) {
  return by_pclmul<kKind>(state, data, size);
}
template <ChecksumKind kKind>
uint64_t update_vpclmul(uint64_t state, const std::byte* data, size_t size) {
  return by_vpclmul<kKind>(state, data, size);
}

#define S3DLIO_INSTANTIATE(kind)                                                           \
  template uint64_t update_pclmul<ChecksumKind::kind>(uint64_t, const std::byte*, size_t); \
  template uint64_t update_vpclmul<ChecksumKind::kind>(uint64_t, const std::byte*, size_t);
S3DLIO_INSTANTIATE(kCrc32)
S3DLIO_INSTANTIATE(kCrc32c)
S3DLIO_INSTANTIATE(kCrc64Nvme)
#undef S3DLIO_INSTANTIATE

}  // namespace s3dlio::crc
#endif
