// Whom TLS trusts: the first of the caller's bundle, AWS_CA_BUNDLE_PATH, AWS_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR,
// the system's files, the fallback.
#pragma once

#include <memory>
#include <string>

#include "engine/base/result.h"
#include "engine/net/openssl_ptr.h"

namespace s3dlio::net {

struct CaBundle {
  X509StorePtr store;
  std::string origin;  // for messages: "/etc/ssl/certs/ca-certificates.crt (system)"
};

// `wanted` may be empty; it and a set variable must hold a certificate (kInvalidArgument names path and reason). A
// system without any certificate gives an empty store, which trusts nobody. Files are parsed once a process and kept;
// any thread.
Result<std::shared_ptr<const CaBundle>> load_ca_bundle(const std::string& wanted, const std::string& fallback);

}  // namespace s3dlio::net
