// What S3 calls each checksum: in headers, as an algorithm, in documents.
#pragma once

#include <string_view>

#include "engine/crc/crc.h"

namespace s3dlio::s3 {

inline constexpr ChecksumKind kChecksumKinds[] = {ChecksumKind::kCrc64Nvme, ChecksumKind::kCrc32c,
                                                  ChecksumKind::kCrc32};

constexpr std::string_view checksum_header(ChecksumKind kind) {
  switch (kind) {
    case ChecksumKind::kCrc32:
      return "x-amz-checksum-crc32";
    case ChecksumKind::kCrc32c:
      return "x-amz-checksum-crc32c";
    case ChecksumKind::kCrc64Nvme:
      return "x-amz-checksum-crc64nvme";
    case ChecksumKind::kNone:
      break;
  }
  return {};
}

constexpr std::string_view checksum_algorithm(ChecksumKind kind) {
  switch (kind) {
    case ChecksumKind::kCrc32:
      return "CRC32";
    case ChecksumKind::kCrc32c:
      return "CRC32C";
    case ChecksumKind::kCrc64Nvme:
      return "CRC64NVME";
    case ChecksumKind::kNone:
      break;
  }
  return {};
}

constexpr std::string_view checksum_element(ChecksumKind kind) {
  switch (kind) {
    case ChecksumKind::kCrc32:
      return "ChecksumCRC32";
    case ChecksumKind::kCrc32c:
      return "ChecksumCRC32C";
    case ChecksumKind::kCrc64Nvme:
      return "ChecksumCRC64NVME";
    case ChecksumKind::kNone:
      break;
  }
  return {};
}

constexpr ChecksumKind checksum_of_element(std::string_view name) {
  for (const ChecksumKind kind : kChecksumKinds) {
    if (name == checksum_element(kind)) return kind;
  }
  return ChecksumKind::kNone;
}

}  // namespace s3dlio::s3
