#include "engine/store/s3/s3_dialect.h"

#include <algorithm>

#include "engine/base/log.h"
#include "engine/store/s3/headers.h"
#include "engine/text/utf8.h"

namespace s3dlio::s3 {
namespace {

constexpr size_t kMostMetadataBytes = 2048;  // of an object's user metadata, names and values

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidArgument, std::move(message)); }

bool is_header_name(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}
bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

S3Dialect::S3Dialect(S3Options options, std::shared_ptr<Location> location, ChecksumKind upload_checksum)
    : inner_options_(std::move(options)),
      inner_location_(std::move(location)),
      inner_upload_checksum_(upload_checksum) {
  if (inner_options_.encryption == Encryption::kCustomerKey) {
    const auto bytes = sign::bytes_of(inner_options_.customer_key);
    const std::string key = sign::base64(bytes);
    add_secret(key);
    for (const auto& [prefix, headers] :
         {std::pair{"x-amz-server-side-encryption-customer-", &inner_customer_headers_},
          std::pair{"x-amz-copy-source-server-side-encryption-customer-", &inner_copy_source_headers_}}) {
      headers->emplace_back(std::string(prefix) + "algorithm", "AES256");
      headers->emplace_back(std::string(prefix) + "key", key);
      headers->emplace_back(std::string(prefix) + "key-MD5", sign::md5_base64(bytes));
    }
  }
}

std::string S3Dialect::uri_of(std::string_view key) const {
  std::string uri = "s3://";
  uri.append(inner_options_.bucket).append("/").append(key);
  return uri;
}

Result<Unit> S3Dialect::check_key(std::string_view key) const {
  if (key.empty()) return invalid("the key is empty; expected 1 to 1024 bytes");
  if (key.size() > 1024) {
    return invalid("the key has " + std::to_string(key.size()) + " bytes; S3 takes at most 1024");
  }
  if (key.find('\0') != std::string_view::npos) return invalid("the key holds a NUL byte");
  if (!text::is_utf8(key)) return invalid("the key is not valid UTF-8");
  if (inner_options_.bucket.empty()) return invalid("the store was opened without a bucket; it can only list buckets");
  return Unit{};
}

Result<Unit> S3Dialect::check_put(const PutOptions& options) const {
  const std::pair<std::string_view, const std::string&> values[] = {
      {"content_type", options.content_type},   {"content_encoding", options.content_encoding},
      {"cache_control", options.cache_control}, {"content_disposition", options.content_disposition},
      {"storage_class", options.storage_class}, {"if_match", options.if_match}};
  for (const auto& [name, value] : values) {
    if (has_control(value)) {
      return invalid(std::string(name) + " holds a line break or another control character; a header cannot carry it");
    }
  }
  for (const auto& [name, value] : options.user_metadata) {
    if (!is_header_name(name)) {
      return invalid("a metadata name holds characters a header name cannot carry; expected letters, digits and \"-\"");
    }
    if (has_control(value) || !is_ascii(value)) {
      return invalid("the metadata value of \"" + name +
                     "\" holds control or non-ASCII characters; encode it, e.g. as base64");
    }
  }
  if (options.if_none_match && !options.if_match.empty()) {
    return invalid("if_none_match creates, if_match replaces: only one of them can be asked for");
  }
  return Unit{};
}

transfer::Limits S3Dialect::limits() const {
  transfer::Limits limits;
  limits.equal_parts = endpoint().host.ends_with(".r2.cloudflarestorage.com");
  return limits;
}

http::Request S3Dialect::request_for(std::string_view method, std::string_view key) const {
  http::Request request;
  request.method = method;
  const auto place = inner_location_->current();
  request.path = place->root_path;
  if (!key.empty() || request.path.empty()) request.path += '/';
  text::append_encoded(request.path, key, text::Slash::kKeep);
  // A body that was compressed on the way has neither the stored length nor the stored checksum.
  request.headers.add("Accept-Encoding", "identity");
  request.headers.add("User-Agent", "s3dlio-torch");
  if (inner_options_.requester_pays) request.headers.add("x-amz-request-payer", "requester");
  if (!inner_options_.expected_bucket_owner.empty()) {
    request.headers.add("x-amz-expected-bucket-owner", inner_options_.expected_bucket_owner);
  }
  return request;
}

void S3Dialect::add_customer_key(http::Request& request) const {
  for (const auto& [name, value] : inner_customer_headers_) request.headers.add(name, value);
}

void S3Dialect::add_encryption(http::Request& request) const {
  switch (inner_options_.encryption) {
    case Encryption::kNone:
      break;
    case Encryption::kS3:
      request.headers.add("x-amz-server-side-encryption", "AES256");
      break;
    case Encryption::kKms:
      request.headers.add("x-amz-server-side-encryption", "aws:kms");
      add_header(request, "x-amz-server-side-encryption-aws-kms-key-id", inner_options_.kms_key_id);
      break;
    case Encryption::kCustomerKey:
      add_customer_key(request);
      break;
  }
}

void S3Dialect::add_object_headers(http::Request& request, const PutOptions& options) const {
  add_header(request, "Content-Type", options.content_type);
  add_header(request, "Content-Encoding", options.content_encoding);
  add_header(request, "Cache-Control", options.cache_control);
  add_header(request, "Content-Disposition", options.content_disposition);
  add_header(request, "x-amz-storage-class", options.storage_class);
  add_header(request, "Content-Language", options.content_language);
  add_header(request, "Expires", options.expires);
  add_header(request, "x-amz-tagging", options.tagging);
  size_t metadata_bytes = 0;
  for (const auto& [name, value] : options.user_metadata) {
    std::string header = "x-amz-meta-";
    for (const char c : name) header += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    request.headers.add(std::move(header), header_safe(value));
    metadata_bytes += name.size() + value.size();
  }
  // Never so that the caller's own metadata no longer fits.
  if (metadata_bytes + kWriteIdName.size() + options.write_id.size() <= kMostMetadataBytes) {
    add_header(request, "x-amz-meta-" + std::string(kWriteIdName), options.write_id);
  }
  if (inner_options_.encryption == Encryption::kNone && !options.server_side_encryption.empty()) {
    add_header(request, "x-amz-server-side-encryption", options.server_side_encryption);
    add_header(request, "x-amz-server-side-encryption-aws-kms-key-id", options.sse_kms_key_id);
  }
  add_encryption(request);
}

}  // namespace s3dlio::s3
