#include <array>
#include <atomic>
#include <charconv>
#include <iterator>
#include <string>

#include "engine/base/log.h"
#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"
#include "engine/text/http_date.h"
#include "engine/text/utf8.h"
#include "engine/transfer/dialect/etag.h"

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

// A header's bytes as text: UTF-8 where they are, else Latin-1, which is what HTTP says they are.
std::string text_of(std::string_view bytes) {
  if (text::is_utf8(bytes)) return std::string(bytes);
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xC0 | (byte >> 6));
      text += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return text;
}

// Such an object's ETag ends in "-<count of parts>".
bool was_stored_in_parts(std::string_view etag) {
  if (etag.ends_with('"')) etag.remove_suffix(1);
  const size_t dash = etag.rfind('-');
  return dash != std::string_view::npos && dash + 1 < etag.size() &&
         etag.find_first_not_of("0123456789", dash + 1) == std::string_view::npos;
}

// Once for each kind of checksum: whoever mangles one mangles all.
void warn_of_unreadable(std::string_view header, std::string_view text) {
  static std::array<std::atomic<bool>, std::size(kChecksumKinds)> warned;
  size_t index = 0;
  while (checksum_header(kChecksumKinds[index]) != header) ++index;
  if (warned[index].exchange(true, std::memory_order_relaxed)) return;
  log(LogLevel::kWarning, "the service sends a checksum that cannot be read, " + std::string(header) + ": '" +
                              std::string(text.substr(0, 40)) +
                              "'; such objects are read without being compared (stats: checksums_absent)");
}

}  // namespace

http::Request S3Dialect::get(const GetTarget& target) const {
  http::Request request = request_for("GET", target.key);
  if (!target.version_id.empty()) add_query(request, "versionId", target.version_id);
  if (target.range) request.headers.add("Range", target.range->http_value());
  // Listings of some services leave the quotes out or turn the case, and proxies make etags weak: strictly compared
  // these do not match themselves. The etag of the answer is compared in any case, before a byte is taken.
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

std::optional<uint64_t> S3Dialect::read_size(const http::ResponseHead& head) const {
  // The length of an answer to a range is that of the range.
  if (head.status != 206) return head.content_length;
  const auto range = http::parse_content_range(header_of(head, "Content-Range"));
  return range ? range->total : std::nullopt;
}

ObjectMeta S3Dialect::read_meta(std::string_view key, const http::ResponseHead& head, uint64_t size) const {
  ObjectMeta meta;
  meta.key = key;
  meta.size = size;
  meta.etag = text_of(header_of(head, "ETag"));
  meta.version_id = text_of(header_of(head, "x-amz-version-id"));
  if (const auto modified = text::parse_http_date(header_of(head, "Last-Modified"))) {
    meta.last_modified = std::chrono::duration<double>(modified->time_since_epoch()).count();
  }
  meta.content_type = text_of(header_of(head, "Content-Type"));
  meta.content_encoding = text_of(header_of(head, "Content-Encoding"));
  meta.cache_control = text_of(header_of(head, "Cache-Control"));
  meta.content_disposition = text_of(header_of(head, "Content-Disposition"));
  meta.content_language = text_of(header_of(head, "Content-Language"));
  meta.expires = text_of(header_of(head, "Expires"));
  const std::string_view tags = header_of(head, "x-amz-tagging-count");
  std::from_chars(tags.data(), tags.data() + tags.size(), meta.tags);
  meta.storage_class = text_of(header_of(head, "x-amz-storage-class"));
  meta.server_side_encryption = text_of(header_of(head, "x-amz-server-side-encryption"));
  meta.sse_kms_key_id = text_of(header_of(head, "x-amz-server-side-encryption-aws-kms-key-id"));
  for (const ChecksumKind kind : kChecksumKinds) {
    if (const auto value = head.headers.find(checksum_header(kind))) {
      meta.checksum_kind = kind;
      meta.checksum = text_of(*value);
      break;
    }
  }
  for (const auto& [name, value] : head.headers) {
    auto metadata = metadata_name(name);
    if (!metadata) continue;
    if (*metadata == kWriteIdName) {
      meta.write_id = value;
    } else {
      meta.user_metadata.insert_or_assign(text_of(*metadata), text_of(value));
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
    if (const auto value = crc_from_base64(kind, *text)) return {kind, *value};
    if (!was_stored_in_parts(*text)) warn_of_unreadable(checksum_header(kind), *text);  // "...-N" is composite
  }
  return {};
}

}  // namespace s3dlio::s3
