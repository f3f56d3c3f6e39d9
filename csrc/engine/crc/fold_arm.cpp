// The same folding on aarch64, by PMULL. See fold_x86.cpp for how it works.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "engine/crc/crc_impl.h"

#if defined(__clang__)
#define S3DLIO_PMULL __attribute__((target("aes")))
#else
#define S3DLIO_PMULL __attribute__((target("+crypto")))
#endif

namespace s3dlio::crc {
namespace {

template <ChecksumKind kKind, unsigned kDistance>
S3DLIO_PMULL inline uint64x2_t fold(uint64x2_t block, uint64x2_t next) {
  using F = Fold<kKind, kDistance>;
  const poly128_t low = vmull_p64(static_cast<poly64_t>(vgetq_lane_u64(block, 0)), static_cast<poly64_t>(F::kLow));
  const poly64x2_t high_factor = vdupq_n_p64(static_cast<poly64_t>(F::kHigh));
  const poly128_t high = vmull_high_p64(vreinterpretq_p64_u64(block), high_factor);
  return veorq_u64(veorq_u64(vreinterpretq_u64_p128(low), vreinterpretq_u64_p128(high)), next);
}

inline uint64x2_t load(const std::byte* data) {
  return vreinterpretq_u64_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(data)));
}

template <ChecksumKind kKind>
S3DLIO_PMULL inline uint64_t finish(uint64x2_t block, const std::byte* data, size_t size) {
  for (; size >= 16; data += 16, size -= 16) block = fold<kKind, 128>(block, load(data));
  std::byte last[16];
  vst1q_u8(reinterpret_cast<uint8_t*>(last), vreinterpretq_u8_u64(block));
  return update_table<kKind>(update_table<kKind>(0, last, 16), data, size);
}

template <ChecksumKind kKind>
S3DLIO_PMULL uint64_t by_pmull(uint64_t state, const std::byte* data, size_t size) {
  if (size < 64) return update_table<kKind>(state, data, size);
  const uint64x2_t start = vsetq_lane_u64(state, vdupq_n_u64(0), 0);
  if (size < 256) return finish<kKind>(veorq_u64(load(data), start), data + 16, size - 16);
  uint64x2_t lane[8];
  for (int i = 0; i < 8; ++i) lane[i] = load(data + 16 * i);
  lane[0] = veorq_u64(lane[0], start);
  data += 128;
  size -= 128;
  for (; size >= 128; data += 128, size -= 128) {
    for (int i = 0; i < 8; ++i) lane[i] = fold<kKind, 1024>(lane[i], load(data + 16 * i));
  }
  for (int i = 0; i < 7; ++i) lane[i + 1] = fold<kKind, 128>(lane[i], lane[i + 1]);
  return finish<kKind>(lane[7], data, size);
}

}  // namespace

// The attributes have to stand on a function's first declaration, so the shared ones only pass the call on.
template <ChecksumKind kKind>
uint64_t update_pmull(uint64_t state, const std::byte* data, size_t size) {
  return by_pmull<kKind>(state, data, size);
}

template uint64_t update_pmull<ChecksumKind::kCrc32>(uint64_t, const std::byte*, size_t);
template uint64_t update_pmull<ChecksumKind::kCrc32c>(uint64_t, const std::byte*, size_t);
template uint64_t update_pmull<ChecksumKind::kCrc64Nvme>(uint64_t, const std::byte*, size_t);

}  // namespace s3dlio::crc
#endif
