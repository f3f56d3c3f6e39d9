// TLS for a client's connections: whom to trust, and sessions to resume. Peer and host are always verified; there is no
// switch.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "engine/base/result.h"
#include "engine/net/ca_bundle.h"
#include "engine/net/openssl_ptr.h"
#include "engine/net/transport.h"

namespace s3dlio::net {

struct TlsOptions {
  std::string ca_bundle;  // see ca_bundle.h
  std::string ca_bundle_fallback;
  bool try_ktls = false;
};

// Any thread; kept alive by its transports.
class TlsContext : public std::enable_shared_from_this<TlsContext> {
 public:
  // kInvalidArgument: the bundle asked for cannot be read or holds no certificate.
  static Result<std::shared_ptr<TlsContext>> make(const TlsOptions& options);

  // Over a connected socket. `host` is the name or IP address the certificate must be for. Handshake errors: kTls with
  // the reason; kConnection when the connection broke before the peer was judged.
  std::unique_ptr<Transport> start(Fd fd, const std::string& host, uint16_t port);

  const std::string& trusts() const { return bundle_->origin; }
  // One session to resume, or none; TLS 1.3 tickets are used once.
  SslSessionPtr take_session(const std::string& peer);
  void keep_session(const std::string& peer, SslSessionPtr session);

 private:
  TlsContext() = default;

  SslContextPtr context_;
  std::shared_ptr<const CaBundle> bundle_;
  bool try_ktls_ = false;
  std::mutex mutex_;
  std::map<std::string, std::deque<SslSessionPtr>> sessions_;  // newest last
};

}  // namespace s3dlio::net
