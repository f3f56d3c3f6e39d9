#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace s3dlio_bench {
namespace {

constexpr size_t kStep = 1 << 20;            // bytes asked of one recv or SSL_read
constexpr size_t kTlsReadAhead = 256 << 10;  // several records a recv

int connect_to_loopback(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot connect to port " + std::to_string(port) + ": " + std::strerror(errno));
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

[[noreturn]] void fail_tls(const std::string& what) {
  ERR_print_errors_fp(stderr);
  fail(what);
}

SSL_CTX* make_tls(const Options& options) {
  if (options.ca.empty()) return nullptr;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (SSL_CTX_load_verify_locations(context, options.ca.c_str(), nullptr) != 1) fail_tls("cannot read " + options.ca);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kTlsReadAhead);
  return context;
}

size_t body_size(std::string_view head) {
  if (!head.starts_with("HTTP/1.1 200") && !head.starts_with("HTTP/1.1 206")) {
    fail("the server answers: " + std::string(head));
  }
  std::string lower(head);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char letter) { return std::tolower(letter); });
  const size_t at = lower.find("\r\ncontent-length:");
  if (at == std::string::npos) fail("the answer has no content-length: " + std::string(head));
  return std::strtoull(lower.c_str() + at + 17, nullptr, 10);
}

}  // namespace

Peer::Peer(uint16_t port, SSL_CTX* tls) : fd_(connect_to_loopback(port)) {
  if (tls == nullptr) return;
  ssl_ = SSL_new(tls);
  SSL_set_fd(ssl_, fd_);
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), "127.0.0.1");
  if (SSL_connect(ssl_) != 1) fail_tls("the TLS handshake failed");
}

Peer::~Peer() {
  SSL_free(ssl_);
  close(fd_);
}

size_t Peer::read_some(std::span<std::byte> out) {
  size_t count = 0;
  if (ssl_ != nullptr) {
    if (SSL_read_ex(ssl_, out.data(), out.size(), &count) != 1) fail_tls("the connection broke");
    return count;
  }
  const ssize_t received = recv(fd_, out.data(), out.size(), 0);
  if (received <= 0) fail("the connection broke");
  return static_cast<size_t>(received);
}

void Peer::receive(std::span<std::byte> out) {
  size_t filled = 0, end = std::string_view::npos;
  while (end == std::string_view::npos) {
    if (filled == head_.size()) fail("the answer's head is too long");
    filled += read_some(std::span(head_).subspan(filled));
    end = std::string_view(reinterpret_cast<const char*>(head_.data()), filled).find("\r\n\r\n");
  }
  end += 4;
  const size_t size = body_size({reinterpret_cast<const char*>(head_.data()), end});
  const size_t early = filled - end;
  if (size != out.size() || early > size) fail("the answer has another size than asked");
  std::memcpy(out.data(), head_.data() + end, early);
  for (out = out.subspan(early); !out.empty();) out = out.subspan(read_some(out.first(std::min(out.size(), kStep))));
}

void Peer::write_tls(std::span<const std::byte> piece) {
  while (!piece.empty()) {
    size_t sent = 0;
    if (SSL_write_ex(ssl_, piece.data(), std::min(piece.size(), kStep), &sent) != 1) fail_tls("the connection broke");
    piece = piece.subspan(sent);
  }
}

void Peer::send(std::string_view head, std::span<const std::byte> body) {
  if (ssl_ != nullptr) {
    write_tls(std::as_bytes(std::span(head)));
    write_tls(body);
    return;
  }
  std::array<iovec, 2> pieces{
      {{const_cast<char*>(head.data()), head.size()}, {const_cast<std::byte*>(body.data()), body.size()}}};
  while (pieces[0].iov_len + pieces[1].iov_len > 0) {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent <= 0) fail("the connection broke");
    auto left = static_cast<size_t>(sent);
    for (iovec& piece : pieces) {
      const size_t taken = std::min(left, piece.iov_len);
      piece = {static_cast<char*>(piece.iov_base) + taken, piece.iov_len - taken};
      left -= taken;
    }
  }
}

std::vector<std::unique_ptr<Peer>> connect_all(const Options& options) {
  SSL_CTX* tls = make_tls(options);
  std::vector<std::unique_ptr<Peer>> peers;
  for (size_t at = 0; at < options.connections; ++at) peers.push_back(std::make_unique<Peer>(options.port, tls));
  return peers;
}

}  // namespace s3dlio_bench
