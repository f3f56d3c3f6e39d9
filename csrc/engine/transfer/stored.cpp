#include "engine/transfer/stored.h"

#include <utility>

namespace s3dlio::transfer {
namespace {

// The stored checksum, when it is over the whole object and of the kind we sent.
std::optional<uint64_t> comparable(const ObjectMeta& stored, const Checksum& checksum) {
  if (checksum.kind == ChecksumKind::kNone || stored.checksum_kind != checksum.kind) return std::nullopt;
  return crc_from_base64(checksum.kind, stored.checksum);  // a composite one ("...-N") has another form
}

}  // namespace

std::optional<std::string> difference_of(const ObjectMeta& stored, uint64_t size, const Checksum& checksum) {
  if (stored.size != size) {
    return std::to_string(stored.size) + " bytes are stored, " + std::to_string(size) + " were sent";
  }
  if (const auto value = comparable(stored, checksum); value && *value != checksum.value) {
    return std::string(crc_name(checksum.kind)) + " of the stored bytes is " + stored.checksum + ", of those sent " +
           crc_to_base64(checksum.kind, checksum.value);
  }
  return std::nullopt;
}

bool is_what_was_sent(const ObjectMeta& stored, const StoredExpectation& expected) {
  if (difference_of(stored, expected.size, expected.checksum)) return false;
  if (comparable(stored, expected.checksum)) return true;
  constexpr std::chrono::seconds kSlack(2);  // Last-Modified has whole seconds
  const std::chrono::duration<double> modified(stored.last_modified);
  if (modified < expected.not_before.time_since_epoch() - kSlack) return false;
  std::string etag = stored.etag;
  std::erase(etag, '"');
  const size_t dash = etag.rfind('-');
  if (expected.parts == 0) return dash == std::string::npos;
  return dash != std::string::npos && etag.substr(dash + 1) == std::to_string(expected.parts);
}

PutResult result_of(const ObjectMeta& stored) {
  PutResult result;
  result.etag = stored.etag;
  result.version_id = stored.version_id;
  result.size = stored.size;
  result.checksum_kind = stored.checksum_kind;
  result.checksum = stored.checksum;
  return result;
}

Error as_condition(Error error, const PutOptions& options) {
  // 409 says that another writer was at the same key, not that it left something there.
  const bool raced = error.http_status == 409;
  if (options.if_none_match && error.code == ErrorCode::kPreconditionFailed && !raced) {
    error.code = ErrorCode::kAlreadyExists;
    error.message = "something is stored there already: " + error.message;
  }
  return error;
}

}  // namespace s3dlio::transfer
