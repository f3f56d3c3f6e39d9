#include "engine/net/tls_transport.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <system_error>
#include <utility>

#include "engine/net/address.h"
#include "engine/net/tls_refusal.h"
#include "engine/stats/stats.h"

namespace s3dlio::net {
namespace {

int transport_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Our own BIO: sends without SIGPIPE, and skips the system call that would only say "nothing there".
int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const int got = static_cast<TlsTransport*>(BIO_get_data(bio))->receive(into, size);
  if (got < 0) BIO_set_retry_read(bio);
  return got;
}

int bio_write(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  const int sent = static_cast<TlsTransport*>(BIO_get_data(bio))->send(from, size);
  if (sent < 0) BIO_set_retry_write(bio);
  return sent;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "s3dlio socket");
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

}  // namespace

int note_verification(int accepted, X509_STORE_CTX* chain) {
  if (accepted != 1) {
    const void* ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    TlsTransport::of(static_cast<const SSL*>(ssl))->on_refused(chain);
  }
  return accepted;
}

int note_session(SSL* ssl, SSL_SESSION* session) {
  TlsTransport::of(ssl)->on_session(SslSessionPtr(session));
  return 1;  // we keep the reference
}

TlsTransport::TlsTransport(std::shared_ptr<TlsContext> context, Fd fd, SslPtr ssl, const std::string& host,
                           uint16_t port, bool try_ktls)
    : context_(std::move(context)),
      fd_(std::move(fd)),
      ssl_(std::move(ssl)),
      host_(host),
      peer_(host + ":" + std::to_string(port)) {
  attach(try_ktls);
  SSL_set_connect_state(ssl_.get());
  SSL_set_ex_data(ssl_.get(), transport_index(), this);
  X509_VERIFY_PARAM* expected = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  int armed = 0;
  if (Address::parse(host_, port)) {
    armed = X509_VERIFY_PARAM_set1_ip_asc(expected, host_.c_str());
  } else {
    armed = X509_VERIFY_PARAM_set1_host(expected, host_.data(), host_.size());
    armed = armed == 1 && SSL_set_tlsext_host_name(ssl_.get(), host_.c_str()) == 1 ? 1 : 0;
  }
  if (armed != 1) {  // never speak to a peer whose name would not be checked
    failed_ = true;
    error_ = make_error(ErrorCode::kTls, "'" + host_ + "' is not a host name a certificate could be checked against");
    return;
  }
  if (const SslSessionPtr session = context_->take_session(peer_)) SSL_set_session(ssl_.get(), session.get());
}

TlsTransport::~TlsTransport() {
  // OpenSSL spoils the newest session of a connection that is freed without a goodbye, and most are: the server closed
  // it, or the answer was not wanted any more. Neither says anything against resuming.
  SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void TlsTransport::attach(bool try_ktls) {
  if (try_ktls) {  // the kernel's TLS works below OpenSSL's own socket BIO only
    SSL_set_fd(ssl_.get(), fd_.get());
    return;
  }
  BIO* bio = BIO_new(bio_method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

TlsTransport* TlsTransport::of(const SSL* ssl) {
  return static_cast<TlsTransport*>(SSL_get_ex_data(ssl, transport_index()));
}

int TlsTransport::receive(char* into, int size) {
  if (drained_) return -1;
  for (;;) {
    const auto got = ::recv(fd_.get(), into, static_cast<size_t>(size), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      socket_error_ = errno;
      return 0;
    }
    drained_ = got < 0 || (got > 0 && got < size && !peer_closing_);
    socket_ended_ = got == 0;
    return static_cast<int>(got);
  }
}

int TlsTransport::send(const char* from, int size) {
  for (;;) {
    const auto sent = ::send(fd_.get(), from, static_cast<size_t>(size), MSG_NOSIGNAL | (more_ ? MSG_MORE : 0));
    if (sent < 0 && errno == EINTR) continue;
    if (sent >= 0) {
      written_ += static_cast<uint64_t>(sent);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
      write_error_ = errno;
    }
    return static_cast<int>(sent);
  }
}

void TlsTransport::on_session(SslSessionPtr session) { context_->keep_session(peer_, std::move(session)); }

void TlsTransport::on_refused(X509_STORE_CTX* chain) { refusal_ = describe_refusal(chain, host_, context_->trusts()); }

Io TlsTransport::handshake() {
  if (failed_) return Io::kFailed;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    const Io status = give_up(result, "TLS handshake");
    return status == Io::kWait && write_error_ != 0 ? write_failed("TLS handshake") : status;
  }
  on_handshake_done();
  return Io::kOk;
}

void TlsTransport::on_handshake_done() {
  count(counters().tls_handshakes);
  if (SSL_session_reused(ssl_.get()) == 1) count(counters().tls_sessions_resumed);
  const bool in_kernel =
      BIO_get_ktls_send(SSL_get_wbio(ssl_.get())) > 0 || BIO_get_ktls_recv(SSL_get_rbio(ssl_.get())) > 0;
  if (in_kernel) count(counters().ktls_connections);
}

IoResult TlsTransport::read(std::span<const iovec> into) {
  if (failed_) return {Io::kFailed};
  if (ended_) return {Io::kEnd};
  size_t total = 0;
  for (const iovec& piece : into) {
    for (size_t filled = 0; filled < piece.iov_len;) {
      size_t got = 0;
      ERR_clear_error();
      const int result =
          SSL_read_ex(ssl_.get(), static_cast<char*>(piece.iov_base) + filled, piece.iov_len - filled, &got);
      if (result == 1) {
        filled += got;
        total += got;
        continue;
      }
      const Io status = give_up(result, "read");
      // What came before the end or the failure counts first; the next call tells the rest.
      return total > 0 ? IoResult{Io::kOk, total, status == Io::kWait} : IoResult{status};
    }
  }
  return {Io::kOk, total, false};
}

IoResult TlsTransport::write(std::span<const iovec> from, bool more) {
  if (failed_) return {Io::kFailed};
  size_t total = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    more_ = more || i + 1 < from.size();
    for (size_t taken = 0; taken < from[i].iov_len;) {
      size_t sent = 0;
      ERR_clear_error();
      const int result =
          SSL_write_ex(ssl_.get(), static_cast<char*>(from[i].iov_base) + taken, from[i].iov_len - taken, &sent);
      if (result == 1) {
        taken += sent;
        total += sent;
        continue;
      }
      Io status = give_up(result, "write");
      if (status == Io::kWait && write_error_ != 0) status = write_failed("write");
      return total > 0 ? IoResult{Io::kOk, total, status == Io::kWait} : IoResult{status};
    }
  }
  return {Io::kOk, total, false};
}

Io TlsTransport::write_failed(const char* doing) {
  error_ = make_error(ErrorCode::kConnection, std::generic_category().message(write_error_) + " during " + doing);
  return Io::kFailed;
}

Idle TlsTransport::idle_state() {
  if (failed_ || ended_) return Idle::kClosed;
  drained_ = false;
  char byte;
  size_t got = 0;
  ERR_clear_error();
  const int result =
      SSL_peek_ex(ssl_.get(), &byte, 1, &got);  // also takes in tickets and key updates, which are no answer
  if (result == 1) return Idle::kInput;
  return give_up(result, "read") == Io::kWait ? Idle::kQuiet : Idle::kClosed;
}

void TlsTransport::say_goodbye() {
  if (failed_) return;
  ERR_clear_error();
  more_ = false;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

// What a call that did not succeed means. Failures stick: OpenSSL must not be called on a broken connection again.
Io TlsTransport::give_up(int result, const char* doing) {
  const int system_error = socket_error_ != 0 ? socket_error_ : errno;
  const int code = SSL_get_error(ssl_.get(), result);
  if (socket_error_ == 0) {
    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) return Io::kWait;
    if (code == SSL_ERROR_ZERO_RETURN) {
      ended_ = true;
      return Io::kEnd;
    }
  }
  failed_ = true;
  error_ = describe(code == SSL_ERROR_SYSCALL || socket_error_ != 0 ? system_error : 0, doing);
  ERR_clear_error();
  return Io::kFailed;
}

Error TlsTransport::describe(int system_error, const char* doing) const {
  if (!refusal_.empty()) return make_error(ErrorCode::kTls, "TLS: " + refusal_);
  const unsigned long first = ERR_peek_error();
  const bool cut_off = ERR_GET_LIB(first) == ERR_LIB_SSL && ERR_GET_REASON(first) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  if (socket_error_ == 0 && (cut_off || socket_ended_)) {
    return make_error(ErrorCode::kConnection, std::string("closed without TLS close_notify during ") + doing);
  }
  if (system_error != 0) {
    return make_error(ErrorCode::kConnection, std::generic_category().message(system_error) + " during " + doing);
  }
  std::string reason = ERR_reason_error_string(first) != nullptr ? ERR_reason_error_string(first) : "unknown failure";
  if (ERR_GET_REASON(first) == SSL_R_WRONG_VERSION_NUMBER) reason += "; does the server speak plain HTTP on this port?";
  return make_error(SSL_is_init_finished(ssl_.get()) == 1 ? ErrorCode::kConnection : ErrorCode::kTls,
                    std::string("TLS: ") + reason + " during " + doing);
}

}  // namespace s3dlio::net
