// S3 and everything that speaks its protocol.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/credentials.h"
#include "engine/http/client.h"
#include "engine/object_store.h"
#include "engine/transfer/dialect/dialect.h"
#include "engine/tuning.h"

namespace s3dlio::s3 {

enum class Addressing : uint8_t {
  kAuto,
  kPath,
  kVirtual
};  // auto: virtual on AWS, path for custom endpoints and dotted buckets
enum class PayloadSigning : uint8_t { kAuto, kAlways, kNever };  // auto: unsigned over TLS, signed over plain HTTP
enum class Encryption : uint8_t { kNone, kS3, kKms, kCustomerKey };

struct S3Options {
  std::string bucket;        // "" only for list_buckets
  std::string region;        // "": us-east-1, corrected by the first redirect
  std::string endpoint_url;  // "": AWS for that region; else http(s)://host[:port][/path]
  Addressing addressing = Addressing::kAuto;
  PayloadSigning payload_signing = PayloadSigning::kAuto;
  bool unsigned_access = false;
  bool requester_pays = false;
  Encryption encryption = Encryption::kNone;
  std::string kms_key_id;    // for kKms; "": the bucket's default key
  std::string customer_key;  // for kCustomerKey: 32 raw bytes; TLS or loopback only
  std::string expected_bucket_owner;
  bool dualstack = false, fips = false;
};

// kInvalidArgument: bad bucket name, endpoint without http(s) scheme, customer key of another length, ...
Result<std::shared_ptr<transfer::Dialect>> make_s3_dialect(S3Options options, ChecksumKind upload_checksum);
Result<std::shared_ptr<ObjectStore>> open_s3(S3Options options, http::ClientOptions client, CredentialSource source,
                                             Tuning tuning);

}  // namespace s3dlio::s3
