#include <openssl/err.h>

#include <string>
#include <utility>

#include "engine/net/tls.h"
#include "engine/net/tls_transport.h"

namespace s3dlio::net {
namespace {

constexpr size_t kRecordBuffer =
    128 * 1024;  // several records a read; smaller costs two system calls for each of 16 KiB
constexpr size_t kSessionsPerPeer = 16;
constexpr size_t kMostPeers = 256;
constexpr unsigned char kAlpn[] = "\x08http/1.1";

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::make(const TlsOptions& options) {
  auto bundle = load_ca_bundle(options.ca_bundle, options.ca_bundle_fallback);
  if (!bundle.ok()) return bundle.error();
  std::shared_ptr<TlsContext> made(new TlsContext());
  made->bundle_ = std::move(*bundle);
  made->try_ktls_ = options.try_ktls;
  made->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = made->context_.get();
  if (context == nullptr) return make_error(ErrorCode::kTls, "OpenSSL cannot make a TLS context");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set1_cert_store(context, made->bundle_->store.get());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_verification);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kRecordBuffer);
  SSL_CTX_set_alpn_protos(context, kAlpn, sizeof kAlpn - 1);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  if (options.try_ktls) SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, note_session);
  return made;
}

std::unique_ptr<Transport> TlsContext::start(Fd fd, const std::string& host, uint16_t port) {
  SslPtr ssl(SSL_new(context_.get()));
  return std::make_unique<TlsTransport>(shared_from_this(), std::move(fd), std::move(ssl), host, port, try_ktls_);
}

SslSessionPtr TlsContext::take_session(const std::string& peer) {
  std::lock_guard lock(mutex_);
  const auto found = sessions_.find(peer);
  if (found == sessions_.end() || found->second.empty()) return nullptr;
  SslSessionPtr& newest = found->second.back();
  if (SSL_SESSION_get_protocol_version(newest.get()) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(newest.get());
    return SslSessionPtr(newest.get());
  }
  SslSessionPtr taken = std::move(newest);
  found->second.pop_back();
  return taken;
}

void TlsContext::keep_session(const std::string& peer, SslSessionPtr session) {
  std::lock_guard lock(mutex_);
  if (sessions_.size() >= kMostPeers && !sessions_.contains(peer)) sessions_.clear();
  auto& kept = sessions_[peer];
  kept.push_back(std::move(session));
  if (kept.size() > kSessionsPerPeer) kept.pop_front();
}

}  // namespace s3dlio::net
