// AWS Signature Version 4 in the Authorization header. Knows no HTTP client: it is given names and values, and gives
// text.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "engine/sign/digest.h"

namespace s3dlio::sign {

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kEmptyPayloadHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

using HeaderView = std::pair<std::string_view, std::string_view>;

// What is signed. The path is taken as it goes on the wire: S3 neither collapses nor encodes it again.
struct SignedParts {
  std::string_view method;
  std::string_view path;                // percent-encoded
  std::string_view query;               // percent-encoded "a=b&c", any order
  std::span<const HeaderView> headers;  // any case, any order, among them Host and X-Amz-Date
  std::string_view payload_hash;        // lower-case hex, or kUnsignedPayload
};

struct SigningIdentity {
  std::string_view access_key_id;
  std::string_view secret_access_key;
  std::string_view region;
  std::string_view service = "s3";
};

// A moment as the protocol writes it.
struct Timestamp {
  explicit Timestamp(std::chrono::system_clock::time_point moment);
  std::string_view full() const { return {inner_text_, 16}; }  // "20130524T000000Z"
  std::string_view date() const { return {inner_text_, 8}; }   // "20130524"

 private:
  char inner_text_[16];
};

std::string canonical_request(const SignedParts& parts, std::string* signed_headers = nullptr);
std::string string_to_sign(const Timestamp& time, const SigningIdentity& who, std::string_view canonical);

// False for headers that hops on the way may change or that are added later: they stay out of the signature.
bool is_signed_header(std::string_view name);

// Keeps the derived keys of the last few (secret, date, region, service). Any thread.
class SigV4Signer {
 public:
  // The value of the Authorization header.
  std::string authorization(const SignedParts& parts, const SigningIdentity& who, const Timestamp& time) const;

 private:
  struct Derived;
  std::shared_ptr<const Derived> derived_key(const SigningIdentity& who, std::string_view date) const;

  mutable std::mutex inner_mutex_;
  mutable std::shared_ptr<const Derived> inner_last_;      // of the newest identity and day
  mutable std::shared_ptr<const Derived> inner_previous_;  // around midnight and a region's correction both are in use
};

}  // namespace s3dlio::sign
