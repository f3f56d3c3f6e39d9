// Which instruction sets this processor has, asked at run time.
#include <cstdlib>

#include "engine/crc/crc_impl.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace s3dlio::crc {
namespace {

template <ChecksumKind kKind>
UpdateFunction function_of(Instructions set) {
  switch (set) {
#if defined(__x86_64__)
    case Instructions::kVpclmul:
      return &update_vpclmul<kKind>;
    case Instructions::kPclmul:
      return &update_pclmul<kKind>;
#elif defined(__aarch64__)
    case Instructions::kPmull:
      return &update_pmull<kKind>;
#endif
    default:
      return &update_table<kKind>;
  }
}

}  // namespace

bool supported(Instructions set) {
  switch (set) {
    case Instructions::kTable:
      return true;
#if defined(__x86_64__)
    case Instructions::kPclmul:
      return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
    case Instructions::kVpclmul:
      return supported(Instructions::kPclmul) && __builtin_cpu_supports("vpclmulqdq") &&
             __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
#elif defined(__aarch64__)
    case Instructions::kPmull:
      return (getauxval(AT_HWCAP) & HWCAP_PMULL) != 0;
#endif
    default:
      return false;
  }
}

std::string_view name_of(Instructions set) {
  switch (set) {
    case Instructions::kTable:
      return "table";
    case Instructions::kPclmul:
      return "pclmul";
    case Instructions::kVpclmul:
      return "vpclmul";
    case Instructions::kPmull:
      return "pmull";
  }
  return "table";
}

UpdateFunction update_function(ChecksumKind kind, Instructions set) {
  switch (kind) {
    case ChecksumKind::kCrc32:
      return function_of<ChecksumKind::kCrc32>(set);
    case ChecksumKind::kCrc32c:
      return function_of<ChecksumKind::kCrc32c>(set);
    case ChecksumKind::kCrc64Nvme:
      return function_of<ChecksumKind::kCrc64Nvme>(set);
    case ChecksumKind::kNone:
      break;
  }
  return nullptr;
}

}  // namespace s3dlio::crc
