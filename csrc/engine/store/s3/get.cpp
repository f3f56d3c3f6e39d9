#include <charconv>

#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"
#include "engine/transfer/etag.h"
#include "engine/transfer/http_date.h"

namespace s3dlio::s3 {
namespace {

constexpr std::string_view kMetaPrefix = "x-amz-meta-";

// The metadata's name, lower case, if `header` is one.
std::optional<std::string> metadata_name(std::string_view header) {
  if (header.size() <= kMetaPrefix.size()) return std::nullopt;
  std::string lower(header);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (!lower.starts_with(kMetaPrefix)) return std::nullopt;
  return lower.substr(kMetaPrefix.size());
}

// Of the whole object, whichever part of it the answer carries.
uint64_t object_size(const http::ResponseHead& head) {
  if (const auto range = http::parse_content_range(header_of(head, "Content-Range")); range && range->total) {
    return *range->total;
  }
  if (head.content_length) return *head.content_length;
  const std::string_view text = header_of(head, "Content-Length");  // of an answer to HEAD, which no body follows
  uint64_t size = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), size);
  return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() ? size : 0;
}

// Such an object's ETag ends in "-<count of parts>".
bool was_stored_in_parts(std::string_view etag) {
  if (etag.ends_with('"')) etag.remove_suffix(1);
  const size_t dash = etag.rfind('-');
  return dash != std::string_view::npos && dash + 1 < etag.size() &&
         etag.find_first_not_of("0123456789", dash + 1) == std::string_view::npos;
}

}  // namespace

http::Request S3Dialect::get(const GetTarget& target) const {
  http::Request request = request_for("GET", target.key);
  if (!target.version_id.empty()) add_query(request, "versionId", target.version_id);
  if (target.range) request.headers.add("Range", target.range->http_value());
  // Listings of some services leave the quotes out or turn the case, and proxies make etags weak: strictly compared these
  // do not match themselves. The etag of the answer is compared in any case, before a byte is taken.
  if (transfer::matches_strictly(target.if_match)) add_header(request, "If-Match", target.if_match);
  if (target.want_checksum) request.headers.add("x-amz-checksum-mode", "ENABLED");
  add_customer_key(request);
  return request;
}

http::Request S3Dialect::head(std::string_view key, std::string_view version_id, bool want_checksum) const {
  http::Request request = request_for("HEAD", key);
  if (!version_id.empty()) add_query(request, "versionId", version_id);
  if (want_checksum) request.headers.add("x-amz-checksum-mode", "ENABLED");
  add_customer_key(request);
  return request;
}

ObjectMeta S3Dialect::read_meta(std::string_view key, const http::ResponseHead& head) const {
  ObjectMeta meta;
  meta.key = key;
  meta.size = object_size(head);
  meta.etag = header_of(head, "ETag");
  meta.version_id = header_of(head, "x-amz-version-id");
  if (const auto modified = transfer::parse_http_date(header_of(head, "Last-Modified"))) {
    meta.last_modified = std::chrono::duration<double>(modified->time_since_epoch()).count();
  }
  meta.content_type = header_of(head, "Content-Type");
  meta.content_encoding = header_of(head, "Content-Encoding");
  meta.cache_control = header_of(head, "Cache-Control");
  meta.content_disposition = header_of(head, "Content-Disposition");
  meta.content_language = header_of(head, "Content-Language");
  meta.expires = header_of(head, "Expires");
  const std::string_view tags = header_of(head, "x-amz-tagging-count");
  std::from_chars(tags.data(), tags.data() + tags.size(), meta.tags);
  meta.storage_class = header_of(head, "x-amz-storage-class");
  meta.server_side_encryption = header_of(head, "x-amz-server-side-encryption");
  meta.sse_kms_key_id = header_of(head, "x-amz-server-side-encryption-aws-kms-key-id");
  for (const ChecksumKind kind : kChecksumKinds) {
    if (const auto value = head.headers.find(checksum_header(kind))) {
      meta.checksum_kind = kind;
      meta.checksum = *value;
      break;
    }
  }
  for (const auto& [name, value] : head.headers) {
    auto metadata = metadata_name(name);
    if (!metadata) continue;
    if (*metadata == kWriteIdName) {
      meta.write_id = value;
    } else {
      meta.user_metadata.insert_or_assign(std::move(*metadata), value);
    }
  }
  return meta;
}

Checksum S3Dialect::read_checksum(const http::ResponseHead& head) const {
  const std::string_view type = header_of(head, "x-amz-checksum-type");
  if (type == "COMPOSITE") return {};
  // Services that do not know the types keep a checksum of checksums for an object that was stored in parts.
  if (type.empty() && was_stored_in_parts(header_of(head, "ETag"))) return {};
  // A range that happens to be one stored part is answered with that part's checksum: not the object's.
  if (head.status == 206) {
    const auto range = http::parse_content_range(header_of(head, "Content-Range"));
    if (!range || range->unsatisfied || range->start != 0 || range->total != range->end) return {};
  }
  for (const ChecksumKind kind : kChecksumKinds) {
    const auto text = head.headers.find(checksum_header(kind));
    if (!text) continue;
    if (const auto value = crc_from_base64(kind, *text))
      return {kind, *value};  // "...-N" is composite and does not parse
  }
  return {};
}

}  // namespace s3dlio::s3
