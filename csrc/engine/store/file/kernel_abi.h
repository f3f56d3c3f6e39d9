// Kernel interfaces newer than the headers of the systems this is built on (a wheel is built against old ones).
// Numbers and layouts are the kernel's ABI, the same on x86-64 and aarch64. Private to store/file/.
#pragma once

#include <cstdint>

namespace s3dlio::file::abi {

// ---- openat2 (Linux 5.6) ----
inline constexpr long kOpenat2 = 437;
struct OpenHow {
  uint64_t flags = 0, mode = 0, resolve = 0;
};
inline constexpr uint64_t kResolveNoMagicLinks = 0x02;
inline constexpr uint64_t kResolveBeneath = 0x08;

// ---- statx with the alignment O_DIRECT needs (Linux 6.1) ----
inline constexpr unsigned kStatxDioAlign = 0x2000;
struct Statx {  // struct statx, named as far as it is used here
  uint32_t mask;
  uint8_t unused[148];
  uint32_t dio_mem_align, dio_offset_align;
  uint8_t rest[96];
};
static_assert(sizeof(Statx) == 256);

// ---- io_uring (Linux 5.1; reads and writes as used here: 5.6) ----
inline constexpr long kIoUringSetup = 425, kIoUringEnter = 426;
inline constexpr uint8_t kOpNop = 0, kOpRead = 22, kOpWrite = 23;
inline constexpr unsigned kEnterGetEvents = 1;
inline constexpr uint32_t kFeatureSingleMmap = 1, kFeatureRwCurPos = 1 << 3;
inline constexpr int64_t kOffSqRing = 0, kOffSqes = 0x10000000;

struct SqRingOffsets {
  uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
  uint64_t user_addr;
};
struct CqRingOffsets {
  uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
  uint64_t user_addr;
};
struct RingParams {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
  SqRingOffsets sq_off;
  CqRingOffsets cq_off;
};
static_assert(sizeof(RingParams) == 120);

struct Sqe {
  uint8_t opcode, flags;
  uint16_t ioprio;
  int32_t fd;
  uint64_t offset, address;
  uint32_t length, rw_flags;
  uint64_t user_data, unused[3];
};
static_assert(sizeof(Sqe) == 64);

struct Cqe {
  uint64_t user_data;
  int32_t result;
  uint32_t flags;
};
static_assert(sizeof(Cqe) == 16);

}  // namespace s3dlio::file::abi
