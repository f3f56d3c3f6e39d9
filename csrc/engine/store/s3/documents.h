// The XML documents S3 answers with, read into plain values. Missing optional fields are tolerated: not every service
// sends them. Errors are kProtocol and say what is wrong with the document.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/object_store.h"
#include "engine/transfer/dialect/dialect.h"

namespace s3dlio::s3 {

struct ErrorDocument {
  std::string code, message, request_id;
  std::string region, endpoint;  // where a redirect leads
  std::string condition;         // which condition failed, for PreconditionFailed
  std::string header;            // which header is meant, for NotImplemented
};
// nullopt: the body is no S3 error document (empty, HTML, broken off, ...).
std::optional<ErrorDocument> read_error_document(std::string_view body);

struct ListDocument {
  std::vector<ObjectMeta> objects;  // in the service's order, keys decoded
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string next_token;
};
Result<ListDocument> read_list_document(std::string_view body);

struct DeleteDocument {
  struct Failure {
    std::string key, code, message;
  };
  std::vector<std::string> deleted;
  std::vector<Failure> failures;
};
Result<DeleteDocument> read_delete_document(std::string_view body);

// CompleteMultipartUploadResult, CopyObjectResult and CopyPartResult. nullopt: a document of another kind; look for an
// error.
std::optional<PutResult> read_result_document(std::string_view body, std::string_view root);

// Names and values, in the service's order.
Result<std::vector<std::pair<std::string, std::string>>> read_tags_document(std::string_view body);

Result<std::string> read_upload_id_document(std::string_view body);
Result<transfer::UploadedPage> read_parts_document(std::string_view body);
Result<transfer::UploadPage> read_uploads_document(std::string_view body);

struct BucketsDocument {
  std::vector<BucketInfo> buckets;
  std::string next_token;
};
Result<BucketsDocument> read_buckets_document(std::string_view body);

// "2009-10-12T17:50:30.000Z" in seconds since the epoch; 0 for what is no such date.
double seconds_of_iso_date(std::string_view text);

}  // namespace s3dlio::s3
