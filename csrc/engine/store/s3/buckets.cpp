#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"
#include "engine/text/xml.h"

namespace s3dlio::s3 {

http::Request S3Dialect::create_bucket() const {
  http::Request request = request_for("PUT", "");
  const std::string region = inner_location_->current()->region;
  // The first region is the one that must not be named; "auto" is what services without regions are signed for.
  if (region != "us-east-1" && region != "auto") {
    std::string& document = request.document;
    document = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>";
    text::append_xml(document, region);
    document += "</LocationConstraint></CreateBucketConfiguration>";
    request.headers.add("Content-Type", "application/xml");
  }
  return request;
}

http::Request S3Dialect::delete_bucket() const { return request_for("DELETE", ""); }

http::Request S3Dialect::list_buckets() const { return list_buckets_after(""); }

http::Request S3Dialect::list_buckets_after(std::string_view continuation) const {
  http::Request request;
  const auto place = inner_location_->current();
  request.path = place->service_path;
  if (!continuation.empty()) add_query(request, "continuation-token", continuation);
  // In virtual style a connection leads to the bucket's host; the service goes by this header.
  request.headers.add("Host", place->service_host);
  request.headers.add("Accept-Encoding", "identity");
  request.headers.add("User-Agent", "s3dlio-torch");
  return request;
}

Result<std::vector<BucketInfo>> S3Dialect::read_buckets(std::string_view body) const {
  auto document = read_buckets_document(body);
  if (!document.ok()) return document.error();
  return std::move(document->buckets);
}

std::string S3Dialect::read_buckets_continuation(std::string_view body) const {
  auto document = read_buckets_document(body);
  return document.ok() ? document->next_token : std::string();
}

}  // namespace s3dlio::s3
