// One TLS connection over a socket.
#pragma once

#include <memory>
#include <string>

#include "engine/net/openssl_ptr.h"
#include "engine/net/tls.h"
#include "engine/net/transport.h"

namespace s3dlio::net {

class TlsTransport final : public Transport {
 public:
  TlsTransport(std::shared_ptr<TlsContext> context, Fd fd, SslPtr ssl, const std::string& host, uint16_t port,
               bool try_ktls);
  ~TlsTransport() override;

  int fd() const override { return fd_.get(); }
  void on_ready(bool peer_closing) override {
    drained_ = false;
    peer_closing_ = peer_closing_ || peer_closing;
  }
  Io handshake() override;
  IoResult read(std::span<const iovec> into) override;
  IoResult write(std::span<const iovec> from, bool more) override;
  Idle idle_state() override;
  uint64_t bytes_written() const override { return written_; }
  bool has_buffered_input() const override { return SSL_has_pending(ssl_.get()) == 1; }
  bool is_plain() const override { return false; }
  void say_goodbye() override;
  const Error& error() const override { return error_; }

  // ---- for OpenSSL's callbacks ----
  static TlsTransport* of(const SSL* ssl);
  int receive(char* into, int size);     // -1: nothing now; 0: the end, or a failure that is noted
  int send(const char* from, int size);  // -1: not now, or a failure that is noted
  void on_session(SslSessionPtr session);
  void on_refused(X509_STORE_CTX* chain);  // notes why, while the certificate is at hand

 private:
  Io give_up(int result, const char* doing);
  Io write_failed(const char* doing);
  Error describe(int system_error, const char* doing) const;
  void on_handshake_done();
  void attach(bool try_ktls);

  const std::shared_ptr<TlsContext> context_;
  Fd fd_;
  SslPtr ssl_;
  const std::string host_;
  const std::string peer_;  // host:port, under which sessions are kept
  bool drained_ = false;    // the socket had less than asked for, and has not been reported ready since
  bool peer_closing_ = false;
  bool more_ = false;
  bool socket_ended_ = false;
  bool ended_ = false;
  bool failed_ = false;
  int socket_error_ = 0;  // reading
  int write_error_ = 0;   // kept apart, so that an answer can still be read
  uint64_t written_ = 0;
  std::string refusal_;
  Error error_;
};

int note_verification(int accepted, X509_STORE_CTX* chain);
int note_session(SSL* ssl, SSL_SESSION* session);

}  // namespace s3dlio::net
