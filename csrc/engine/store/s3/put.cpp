#include <charconv>

#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"

namespace s3dlio::s3 {

http::Request S3Dialect::put(std::string_view key, const PutOptions& options, const Checksum& checksum) const {
  http::Request request = request_for("PUT", key);
  add_object_headers(request, options);
  add_conditions(request, options);
  if (checksum.kind != ChecksumKind::kNone) {
    request.headers.add("x-amz-sdk-checksum-algorithm", std::string(checksum_algorithm(checksum.kind)));
    add_checksum(request, checksum);
  }
  return request;
}

PutResult S3Dialect::read_put(const http::ResponseHead& head) const {
  PutResult result;
  result.etag = header_of(head, "ETag");
  result.version_id = header_of(head, "x-amz-version-id");
  read_stored_checksum(head, result);
  return result;
}

std::string S3Dialect::etag_of(std::span<const std::byte> data) const { return sign::md5_hex(data); }

// The MD5 of the parts' MD5s, and how many there are.
std::string S3Dialect::etag_of_parts(const std::vector<UploadedPart>& parts) const {
  std::string digests;
  for (const UploadedPart& part : parts) {
    std::string_view etag = part.etag;
    if (etag.starts_with('"') && etag.ends_with('"') && etag.size() > 1) etag = etag.substr(1, etag.size() - 2);
    if (etag.size() != 32) return {};
    for (size_t at = 0; at < etag.size(); at += 2) {
      unsigned value = 0;
      const auto parsed = std::from_chars(etag.data() + at, etag.data() + at + 2, value, 16);
      if (parsed.ec != std::errc{} || parsed.ptr != etag.data() + at + 2) return {};
      digests += static_cast<char>(value);
    }
  }
  return sign::md5_hex(sign::bytes_of(digests)) + "-" + std::to_string(parts.size());
}

}  // namespace s3dlio::s3
