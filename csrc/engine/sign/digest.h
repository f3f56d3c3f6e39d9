// SHA-256, HMAC-SHA-256 and MD5 as S3 needs them, over OpenSSL's assembly. Pure values; any thread.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace s3dlio::sign {

using Sha256Digest = std::array<unsigned char, 32>;

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
inline std::string_view text_of(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// Fed piece by piece; take digest() once.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> data);
  void update(std::string_view text) { update(bytes_of(text)); }
  Sha256Digest digest();

 private:
  SHA256_CTX inner_context_;
};
Sha256Digest sha256(std::span<const std::byte> data);

// A key whose two padded blocks are hashed once, so that each message costs only its own blocks.
class HmacKey {
 public:
  explicit HmacKey(std::string_view key);
  Sha256Digest sign(std::string_view message) const;

 private:
  Sha256 inner_inside_;
  Sha256 inner_outside_;
};

void append_hex(std::string& out, const Sha256Digest& digest);  // lower case
std::string hex(const Sha256Digest& digest);

// For Content-MD5 and customer-provided keys only: what the protocol asks for, not a safeguard.
std::string md5_base64(std::span<const std::byte> data);
std::string md5_hex(std::span<const std::byte> data);  // lower case; what many services make ETags of
std::string base64(std::span<const std::byte> data);

}  // namespace s3dlio::sign
