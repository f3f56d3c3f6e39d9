#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"
#include "engine/transfer/dialect/etag.h"

namespace s3dlio::s3 {
namespace {

// The service takes the source's content type and metadata along unless told to take the new ones.
bool replaces_metadata(const PutOptions& options) {
  return !options.content_type.empty() || !options.content_encoding.empty() || !options.cache_control.empty() ||
         !options.content_disposition.empty() || !options.user_metadata.empty();
}

}  // namespace

void S3Dialect::add_copy_source(http::Request& request, const CopyRequest& copy) const {
  std::string source = "/";
  text::append_encoded(source, copy.source_bucket.empty() ? inner_options_.bucket : copy.source_bucket);
  source += '/';
  text::append_encoded(source, copy.source_key, text::Slash::kKeep);
  if (!copy.source_version_id.empty()) {
    source += "?versionId=";
    text::append_encoded(source, copy.source_version_id);
  }
  request.headers.add("x-amz-copy-source", std::move(source));
  add_header(request, "x-amz-copy-source-if-match", transfer::strong_etag(copy.source_if_match));
  for (const auto& [name, value] : inner_copy_source_headers_) request.headers.add(name, value);
}

void S3Dialect::address_source(http::Request& request, const CopyRequest& copy) const {
  if (copy.source_bucket.empty() || copy.source_bucket == inner_options_.bucket) return;
  // Another bucket: in path style, by the service's own host, to which this bucket's connections lead as well.
  const auto place = inner_location_->current();
  request.path = place->service_path;
  text::append_encoded(request.path, copy.source_bucket);
  request.path += '/';
  text::append_encoded(request.path, copy.source_key, text::Slash::kKeep);
  request.headers.set("Host", place->service_host);
}

http::Request S3Dialect::head_source(const CopyRequest& copy) const {
  http::Request request = head(copy.source_key, copy.source_version_id, false);
  address_source(request, copy);
  return request;
}

http::Request S3Dialect::source_tags(const CopyRequest& copy) const {
  http::Request request = request_for("GET", copy.source_key);
  request.query = "tagging=";
  if (!copy.source_version_id.empty()) add_query(request, "versionId", copy.source_version_id);
  address_source(request, copy);
  return request;
}

Result<std::string> S3Dialect::read_tags(std::string_view body) const {
  auto tags = read_tags_document(body);
  if (!tags) return read_error_document(body) ? judge_body(body).error : std::move(tags).error();
  std::string text;
  for (const auto& [name, value] : *tags) {
    if (!text.empty()) text += '&';
    text::append_encoded(text, name);
    text += '=';
    text::append_encoded(text, value);
  }
  return text;
}

http::Request S3Dialect::copy(const CopyRequest& copy, const PutOptions& options) const {
  http::Request request = request_for("PUT", copy.key);
  add_copy_source(request, copy);
  add_object_headers(request, options);
  add_conditions(request, options);
  if (replaces_metadata(options)) request.headers.add("x-amz-metadata-directive", "REPLACE");
  return request;
}

Result<PutResult> S3Dialect::read_copy(const http::ResponseHead& head, std::string_view body) const {
  auto result = read_result_document(body, "CopyObjectResult");
  if (!result) return judge_body(body).error;
  if (result->etag.empty()) {
    return make_error(ErrorCode::kProtocol, "the answer to the copy carries no ETag, so it cannot be taken for done");
  }
  result->version_id = header_of(head, "x-amz-version-id");
  return *std::move(result);
}

http::Request S3Dialect::copy_part(const UploadTarget& target, uint32_t number, const CopyRequest& copy,
                                   ByteRange range) const {
  http::Request request = upload_part(target, number, {});
  add_copy_source(request, copy);
  request.headers.add("x-amz-copy-source-range", range.http_value());
  return request;
}

}  // namespace s3dlio::s3
