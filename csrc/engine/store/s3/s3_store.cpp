#include "engine/store/s3/s3_store.h"

#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"

namespace s3dlio::s3 {
namespace {

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidArgument, std::move(message)); }

std::optional<Error> check_encryption(const S3Options& options, const Location& location) {
  if (options.encryption != Encryption::kCustomerKey) return std::nullopt;
  if (options.customer_key.size() != 32) {
    return invalid("customer_key has " + std::to_string(options.customer_key.size()) + " bytes; expected 32 (AES-256)");
  }
  const auto place = location.current();
  if (!place->bucket.tls && !is_loopback(place->service.host)) {
    return invalid("a customer key is sent only over https (or to this machine); found an http endpoint");
  }
  return std::nullopt;
}

}  // namespace

Result<std::shared_ptr<transfer::Dialect>> make_s3_dialect(S3Options options, ChecksumKind upload_checksum) {
  auto location = Location::make(options);
  if (!location.ok()) return location.error();
  if (auto error = check_encryption(options, **location)) return *std::move(error);
  if (has_control(options.kms_key_id) || has_control(options.expected_bucket_owner)) {
    return invalid("kms_key_id or expected_bucket_owner holds a control character; a header cannot carry it");
  }
  return std::shared_ptr<transfer::Dialect>(
      std::make_shared<S3Dialect>(std::move(options), *std::move(location), upload_checksum));
}

}  // namespace s3dlio::s3
