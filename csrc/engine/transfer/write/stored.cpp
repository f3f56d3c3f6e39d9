#include "engine/transfer/write/stored.h"

#include <cstdio>
#include <random>
#include <utility>

#include "engine/transfer/dialect/etag.h"

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

bool has_content(const ObjectMeta& stored, const StoredExpectation& expected) {
  if (difference_of(stored, expected.size, expected.checksum)) return false;
  return comparable(stored, expected.checksum) || same_etag(stored.etag, expected.etag);
}

Match match_of(const ObjectMeta& stored, const StoredExpectation& expected) {
  const bool differs = difference_of(stored, expected.size, expected.checksum).has_value();
  if (!expected.write_id.empty() && !stored.write_id.empty()) {
    if (stored.write_id != expected.write_id) return Match::kNotOurs;
    return differs ? Match::kUnknown : Match::kOurs;  // ours, and damaged
  }
  if (differs) return Match::kNotOurs;
  return !expected.conditional && has_content(stored, expected) ? Match::kOurs : Match::kUnknown;
}

std::string make_write_id() {
  std::random_device random;
  char text[33];
  std::snprintf(text, sizeof text, "%08x%08x%08x%08x", random(), random(), random(), random());
  return text;
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
