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

}  // namespace s3dlio::s3
