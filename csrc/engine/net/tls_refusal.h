// Says in words why a certificate was refused, and what would help.
#pragma once

#include <openssl/x509.h>

#include <string>

namespace s3dlio::net {

// Called while the chain is being verified and has failed. `host`: for whom the certificate should be; `trusts`: the CA
// file used.
std::string describe_refusal(X509_STORE_CTX* chain, const std::string& host, const std::string& trusts);

}  // namespace s3dlio::net
