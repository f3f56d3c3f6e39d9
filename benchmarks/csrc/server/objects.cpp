#include "objects.h"

#include <array>
#include <atomic>
#include <cstdio>

#include "text.h"

namespace s3dlio_bench {
namespace {

using s3dlio::ChecksumKind;

constexpr std::string_view kChecksumPrefix = "x-amz-checksum-";
constexpr std::array kKinds{ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme};
constexpr std::array<std::string_view, 5> kNames{"crc32", "crc32c", "crc64nvme", "sha1", "sha256"};

std::string combined(const Upload& upload, ChecksumKind kind) {
  uint64_t whole = 0;
  for (const auto& [number, part] : upload.parts) {
    const auto value = s3dlio::crc_from_base64(kind, part->checksum.value);
    if (!value) return "";
    whole = s3dlio::crc_combine(kind, whole, *value, part->size);
  }
  return s3dlio::crc_to_base64(kind, whole);
}

std::string composite(const Upload& upload, ChecksumKind kind) {
  const int width = kind == ChecksumKind::kCrc64Nvme ? 8 : 4;
  uint64_t whole = 0;
  for (const auto& [number, part] : upload.parts) {
    const auto value = s3dlio::crc_from_base64(kind, part->checksum.value);
    if (!value) return "";
    std::array<std::byte, 8> digest{};
    for (int at = 0; at < width; ++at) digest[at] = static_cast<std::byte>(*value >> (8 * (width - 1 - at)));
    whole = s3dlio::crc_update(kind, whole, std::span(digest).first(width));
  }
  return s3dlio::crc_to_base64(kind, whole) + "-" + std::to_string(upload.parts.size());
}

}  // namespace

std::string new_etag(size_t parts) {
  static std::atomic<uint64_t> count{0};
  std::array<char, 64> text{};
  const auto stamp = static_cast<unsigned long long>(time(nullptr));
  std::snprintf(text.data(), text.size(), "%016llx%016llx", stamp, static_cast<unsigned long long>(++count));
  if (parts == 0) return concat({"\"", text.data(), "\""});
  return concat({"\"", text.data(), "-", std::to_string(parts), "\""});
}

Headers stored_headers(const Headers& headers) {
  static constexpr std::array<std::string_view, 5> kKept{"content-type", "cache-control", "content-disposition",
                                                         "content-language", "x-amz-storage-class"};
  Headers kept;
  for (const std::string_view name : kKept) {
    if (const auto found = headers.find(name); found != headers.end()) kept.insert(*found);
  }
  for (const auto& [name, value] : headers) {
    if (name.starts_with("x-amz-meta-")) kept[name] = value;
  }
  if (const auto found = headers.find("content-encoding"); found != headers.end()) {
    std::string value = found->second;  // aws-chunked describes the transfer, not the object
    if (const size_t at = value.find("aws-chunked"); at != std::string::npos) {
      value.erase(at, value.find_first_not_of(", ", at + 11) == std::string::npos
                          ? std::string::npos
                          : value.find_first_not_of(", ", at + 11) - at);
    }
    while (value.ends_with(',') || value.ends_with(' ')) value.pop_back();
    if (!value.empty()) kept["content-encoding"] = value;
  }
  return kept;
}

Checksum stated_checksum(const Headers& headers) {
  for (const std::string_view name : kNames) {
    const auto found = headers.find(std::string(kChecksumPrefix) + std::string(name));
    if (found != headers.end()) return {std::string(name), found->second};
  }
  return {};
}

ChecksumKind kind_of(std::string_view checksum_name) {
  for (const ChecksumKind kind : kKinds) {
    if (s3dlio::crc_name(kind) == checksum_name) return kind;
  }
  return ChecksumKind::kNone;
}

std::string compute_checksum(ChecksumKind kind, const Slices& bytes) {
  uint64_t value = 0;
  for (const Slice& slice : bytes) value = s3dlio::crc_update(kind, value, slice.bytes());
  return s3dlio::crc_to_base64(kind, value);
}

std::string checksum_of_parts(const Upload& upload, ChecksumKind kind) {
  if (kind == ChecksumKind::kNone) return "";
  return upload.full_object ? combined(upload, kind) : composite(upload, kind);
}

}  // namespace s3dlio_bench
