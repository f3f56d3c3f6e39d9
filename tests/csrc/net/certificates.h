// Certificates made on the spot: a small authority, and what it signs.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>

#include "engine/net/openssl_ptr.h"

namespace s3dlio::testing {

using KeyPtr = std::unique_ptr<EVP_PKEY, net::FreeWith<EVP_PKEY_free>>;

struct Certificate {
  net::X509Ptr x509;
  KeyPtr key;
};

inline void add_extension(X509* to, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
}

struct CertificateSpec {
  std::string common_name = "test";
  std::string alternative_names;  // "DNS:a.example,IP:127.0.0.1"; empty makes an authority
  long from_seconds = -3600;      // relative to now
  long until_seconds = 3600;
};

// Signed by `issuer`, or by itself.
inline Certificate make_certificate(const CertificateSpec& spec, const Certificate* issuer = nullptr) {
  static std::atomic<long> serial{1};
  Certificate made{net::X509Ptr(X509_new()), KeyPtr(EVP_EC_gen("P-256"))};
  X509* x509 = made.x509.get();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x509), spec.from_seconds);
  X509_gmtime_adj(X509_getm_notAfter(x509), spec.until_seconds);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);
  const Certificate& signer = issuer != nullptr ? *issuer : made;
  X509_set_issuer_name(x509, X509_get_subject_name(signer.x509.get()));
  X509_set_pubkey(x509, made.key.get());
  if (spec.alternative_names.empty()) {
    add_extension(x509, signer.x509.get(), NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x509, signer.x509.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    add_extension(x509, signer.x509.get(), NID_subject_alt_name, spec.alternative_names);
  }
  X509_sign(x509, signer.key.get(), EVP_sha256());
  return made;
}

// A file that goes away with the object.
class TemporaryFile {
 public:
  TemporaryFile() {
    char name[] = "/tmp/s3dlio-test-XXXXXX";
    ::close(::mkstemp(name));
    path_ = name;
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void write_pem(const std::string& path, const Certificate& certificate) {
  const net::BioPtr file(BIO_new_file(path.c_str(), "w"));
  PEM_write_bio_X509(file.get(), certificate.x509.get());
}

inline net::SslContextPtr server_context(const Certificate& certificate, int max_version = 0) {
  net::SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_use_certificate(context.get(), certificate.x509.get());
  SSL_CTX_use_PrivateKey(context.get(), certificate.key.get());
  if (max_version != 0) SSL_CTX_set_max_proto_version(context.get(), max_version);
  return context;
}

}  // namespace s3dlio::testing
