// The low-level SHA256_* calls are deprecated in favour of EVP, whose context costs an allocation and a look-up per
// use: more than hashing a canonical request. They run the same assembly.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "engine/sign/digest.h"

#include <openssl/evp.h>
#include <openssl/md5.h>

#include <cstring>

namespace s3dlio::sign {

Sha256::Sha256() { SHA256_Init(&inner_context_); }

void Sha256::update(std::span<const std::byte> data) {
  if (!data.empty()) SHA256_Update(&inner_context_, data.data(), data.size());
}

Sha256Digest Sha256::digest() {
  Sha256Digest out;
  SHA256_Final(out.data(), &inner_context_);
  return out;
}

Sha256Digest sha256(std::span<const std::byte> data) {
  Sha256 hash;
  hash.update(data);
  return hash.digest();
}

HmacKey::HmacKey(std::string_view key) {
  constexpr size_t kBlock = SHA256_CBLOCK;
  Sha256Digest shortened;
  if (key.size() > kBlock) {
    shortened = sha256(bytes_of(key));
    key = text_of(shortened);
  }
  std::array<char, kBlock> inside;
  std::array<char, kBlock> outside;
  for (size_t i = 0; i < kBlock; ++i) {
    const int byte = i < key.size() ? static_cast<unsigned char>(key[i]) : 0;
    inside[i] = static_cast<char>(byte ^ 0x36);
    outside[i] = static_cast<char>(byte ^ 0x5C);
  }
  inner_inside_.update(std::string_view(inside.data(), kBlock));
  inner_outside_.update(std::string_view(outside.data(), kBlock));
}

Sha256Digest HmacKey::sign(std::string_view message) const {
  Sha256 inside = inner_inside_;
  inside.update(message);
  const Sha256Digest first = inside.digest();
  Sha256 outside = inner_outside_;
  outside.update(text_of(first));
  return outside.digest();
}

namespace {

void append_hex_of(std::string& out, std::span<const unsigned char> digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const size_t start = out.size();
  out.resize(start + 2 * digest.size());
  for (size_t i = 0; i < digest.size(); ++i) {
    out[start + 2 * i] = kDigits[digest[i] >> 4];
    out[start + 2 * i + 1] = kDigits[digest[i] & 15];
  }
}

using Md5Digest = std::array<unsigned char, MD5_DIGEST_LENGTH>;

Md5Digest md5(std::span<const std::byte> data) {
  Md5Digest digest;
  MD5(reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data());
  return digest;
}

}  // namespace

void append_hex(std::string& out, const Sha256Digest& digest) { append_hex_of(out, digest); }

std::string hex(const Sha256Digest& digest) {
  std::string out;
  append_hex(out, digest);
  return out;
}

std::string md5_base64(std::span<const std::byte> data) {
  const Md5Digest digest = md5(data);
  return base64(std::as_bytes(std::span(digest)));
}

std::string md5_hex(std::span<const std::byte> data) {
  std::string out;
  append_hex_of(out, md5(data));
  return out;
}

std::string base64(std::span<const std::byte> data) {
  std::string out(4 * ((data.size() + 2) / 3) + 1, '\0');  // EVP_EncodeBlock ends its text with a NUL
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(data.data()), static_cast<int>(data.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

}  // namespace s3dlio::sign
