#include <algorithm>
#include <unordered_map>

#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"
#include "engine/text/xml.h"

namespace s3dlio::s3 {

http::Request S3Dialect::delete_one(std::string_view key, std::string_view version_id) const {
  http::Request request = request_for("DELETE", key);
  if (!version_id.empty()) add_query(request, "versionId", version_id);
  return request;
}

// XML 1.0 cannot write most control characters, not even as numeric entities; such keys are deleted one by one.
bool S3Dialect::can_delete_in_batch(std::string_view key) const {
  return std::none_of(key.begin(), key.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && c != '\t' && c != '\n' && c != '\r';
  });
}

http::Request S3Dialect::delete_many(const std::vector<std::string>& keys) const {
  http::Request request = request_for("POST", "");
  request.query = "delete=";
  request.headers.add("Content-Type", "application/xml");
  std::string& document = request.document;
  document = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const auto& key : keys) {
    document += "<Object><Key>";
    text::append_xml(document, key);
    document += "</Key></Object>";
  }
  document += "</Delete>";
  const auto bytes = sign::bytes_of(document);
  if (inner_upload_checksum_ == ChecksumKind::kNone) {
    request.headers.add("Content-MD5", sign::md5_base64(bytes));
  } else {
    request.headers.add("x-amz-sdk-checksum-algorithm", std::string(checksum_algorithm(inner_upload_checksum_)));
    add_checksum(request, {inner_upload_checksum_, crc_update(inner_upload_checksum_, 0, bytes)});
  }
  return request;
}

// Not asked to be quiet, the service names every key: one that it names neither as deleted nor as failed is not taken
// for gone.
Result<std::vector<DeleteOutcome>> S3Dialect::read_delete_many(const std::vector<std::string>& keys,
                                                               std::string_view body) const {
  auto document = read_delete_document(body);
  if (!document.ok()) return read_error_document(body) ? judge_body(body).error : document.error();
  std::unordered_map<std::string_view, const DeleteDocument::Failure*> named;
  for (const auto& key : document->deleted) named.emplace(key, nullptr);
  for (const auto& failure : document->failures) named.insert_or_assign(failure.key, &failure);

  std::vector<DeleteOutcome> outcomes;
  outcomes.reserve(keys.size());
  for (const auto& key : keys) {
    DeleteOutcome outcome{key, std::nullopt};
    const auto found = named.find(key);
    if (found == named.end()) {
      outcome.error = make_error(ErrorCode::kProtocol, "the answer says neither that the key was deleted nor why not");
    } else if (found->second && found->second->code != "NoSuchKey") {
      ErrorDocument failure;
      failure.code = found->second->code;
      failure.message = found->second->message;
      outcome.error = judge(200, failure, nullptr).error;
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

}  // namespace s3dlio::s3
