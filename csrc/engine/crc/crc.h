// CRC32, CRC32C and CRC64NVME: the checksums object stores keep. Hardware folding where the processor has it (chosen at
// run time), tables elsewhere. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace s3dlio {

enum class ChecksumKind : uint8_t { kNone, kCrc32, kCrc32c, kCrc64Nvme };

// Finished values in and out: crc_update(kind, 0, data) is the checksum of data, and
// crc_update(kind, crc_update(kind, 0, a), b) is the checksum of a followed by b.
uint64_t crc_update(ChecksumKind kind, uint64_t value, std::span<const std::byte> data);
// The checksum of a followed by b, from the checksum of each and the size of b in bytes. O(log size).
uint64_t crc_combine(ChecksumKind kind, uint64_t first, uint64_t second, uint64_t second_size);

std::string crc_to_base64(ChecksumKind kind, uint64_t value);  // big-endian bytes, base64, as S3 writes it
std::optional<uint64_t> crc_from_base64(ChecksumKind kind, std::string_view text);  // nullopt: not that checksum's form
std::string_view crc_name(ChecksumKind kind);            // "crc32", "crc32c", "crc64nvme", "none"
std::string_view crc_implementation(ChecksumKind kind);  // "pclmul", "vpclmul", "pmull", "sse42", "table", ...

}  // namespace s3dlio
