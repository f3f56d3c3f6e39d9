#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"
#include "engine/text/xml.h"

namespace s3dlio::s3 {

http::Request S3Dialect::start_upload(std::string_view key, const PutOptions& options, ChecksumKind kind) const {
  http::Request request = request_for("POST", key);
  request.query = "uploads=";
  add_object_headers(request, options);
  if (kind != ChecksumKind::kNone) {
    request.headers.add("x-amz-checksum-algorithm", std::string(checksum_algorithm(kind)));
    request.headers.add("x-amz-checksum-type", "FULL_OBJECT");
  }
  return request;
}

Result<std::string> S3Dialect::read_upload_id(std::string_view body) const { return read_upload_id_document(body); }

http::Request S3Dialect::upload_part(const UploadTarget& target, uint32_t number, const Checksum& checksum) const {
  http::Request request = request_for("PUT", target.key);
  request.query = "partNumber=" + std::to_string(number);
  add_query(request, "uploadId", target.upload_id);
  add_checksum(request, checksum);
  add_customer_key(request);
  return request;
}

Result<UploadedPart> S3Dialect::read_part(const http::ResponseHead& head, std::string_view body) const {
  UploadedPart part;
  PutResult stored;
  part.etag = header_of(head, "ETag");
  if (part.etag.empty() && !body.empty()) {  // a copied part
    auto copied = read_result_document(body, "CopyPartResult");
    if (!copied) return judge_body(body).error;
    stored = *std::move(copied);
    part.etag = stored.etag;
  } else {
    read_stored_checksum(head, stored);
  }
  if (part.etag.empty()) {
    return make_error(ErrorCode::kProtocol, "the answer to a part carries no ETag, so the upload cannot be completed");
  }
  if (const auto value = crc_from_base64(stored.checksum_kind, stored.checksum)) {
    part.checksum = {stored.checksum_kind, *value};
  }
  return part;
}

http::Request S3Dialect::complete_upload(const UploadTarget& target, const std::vector<UploadedPart>& parts,
                                         const PutOptions& options, const Checksum& whole) const {
  http::Request request = request_for("POST", target.key);
  add_query(request, "uploadId", target.upload_id);
  request.headers.add("Content-Type", "application/xml");
  add_conditions(request, options);
  add_customer_key(request);
  if (whole.kind != ChecksumKind::kNone) {
    add_checksum(request, whole);
    request.headers.add("x-amz-checksum-type", "FULL_OBJECT");
  }
  std::string& document = request.document;
  document.reserve(128 + parts.size() * 160);
  document = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  uint64_t size = 0;
  bool sizes_known = true;
  for (const UploadedPart& part : parts) {
    document.append("<Part><PartNumber>").append(std::to_string(part.number)).append("</PartNumber><ETag>");
    text::append_xml(document, part.etag);
    document += "</ETag>";
    if (part.checksum.kind != ChecksumKind::kNone && part.checksum.kind == whole.kind) {
      const std::string_view element = checksum_element(part.checksum.kind);
      document.append("<").append(element).append(">");
      document.append(crc_to_base64(part.checksum.kind, part.checksum.value));
      document.append("</").append(element).append(">");
    }
    document += "</Part>";
    size += part.size;
    sizes_known = sizes_known && part.size > 0;
  }
  document += "</CompleteMultipartUpload>";
  // The service refuses an object of another size: a part that was lost or sent twice cannot go unnoticed.
  if (sizes_known) request.headers.add("x-amz-mp-object-size", std::to_string(size));
  return request;
}

Result<PutResult> S3Dialect::read_complete(const http::ResponseHead& head, std::string_view body) const {
  auto result = read_result_document(body, "CompleteMultipartUploadResult");
  if (!result) return judge_body(body).error;
  result->version_id = header_of(head, "x-amz-version-id");
  return *std::move(result);
}

http::Request S3Dialect::abort_upload(const UploadTarget& target) const {
  http::Request request = request_for("DELETE", target.key);
  add_query(request, "uploadId", target.upload_id);
  return request;
}

http::Request S3Dialect::list_parts(const UploadTarget& target, std::string_view marker) const {
  http::Request request = request_for("GET", target.key);
  request.query = "max-parts=1000";
  if (!marker.empty()) add_query(request, "part-number-marker", marker);
  add_query(request, "uploadId", target.upload_id);
  return request;
}

Result<transfer::UploadedPage> S3Dialect::read_parts(std::string_view body) const { return read_parts_document(body); }

http::Request S3Dialect::list_uploads(std::string_view prefix, const UploadPage& after) const {
  http::Request request = request_for("GET", "");
  request.query = "uploads=&encoding-type=url&max-uploads=1000";
  if (!prefix.empty()) add_query(request, "prefix", prefix);
  if (!after.key_marker.empty()) add_query(request, "key-marker", after.key_marker);
  if (!after.upload_id_marker.empty()) add_query(request, "upload-id-marker", after.upload_id_marker);
  return request;
}

Result<UploadPage> S3Dialect::read_uploads(std::string_view body) const { return read_uploads_document(body); }

}  // namespace s3dlio::s3
