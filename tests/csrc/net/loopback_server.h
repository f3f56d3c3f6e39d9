// A server on 127.0.0.1 whose every connection is played by a script in a thread of its own, with blocking calls.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "net/certificates.h"

namespace s3dlio::testing {

using namespace std::chrono_literals;

// What a server must wake up when it is taken down.
class OpenSockets {
 public:
  void add(int fd) {
    std::lock_guard lock(mutex_);
    all_.push_back(fd);
  }
  void close(int fd) {
    std::lock_guard lock(mutex_);
    std::erase(all_, fd);
    ::close(fd);
  }
  void shut_down() {
    std::lock_guard lock(mutex_);
    for (const int fd : all_) ::shutdown(fd, SHUT_RDWR);
  }

 private:
  std::mutex mutex_;
  std::vector<int> all_;
};

// One accepted connection. Calls give up when the client is gone or the server is being taken down.
class Peer {
 public:
  Peer(int fd, int index, SSL_CTX* tls, OpenSockets& open) : fd_(fd), index_(index), open_(open) {
    if (tls == nullptr) return;
    ssl_.reset(SSL_new(tls));
    SSL_set_fd(ssl_.get(), fd);
    secure_ = SSL_accept(ssl_.get()) == 1;
  }
  ~Peer() { close(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  int index() const { return index_; }  // 0 for the first connection
  bool secure() const { return secure_; }

  // Head and body of one request; "" when the client has closed.
  std::string read_request() {
    std::string request = read_head();
    const size_t end = request.find("\r\n\r\n");
    if (end == std::string::npos) return "";
    const size_t at = request.find("Content-Length: ");
    const size_t size = end + 4 + (at < end ? std::strtoull(request.c_str() + at + 16, nullptr, 10) : 0);
    while (request.size() < size) {
      if (!read_more(request)) return "";
    }
    pending_ = request.substr(size);
    request.resize(size);
    return request;
  }
  std::string read_head() {
    std::string request = std::exchange(pending_, {});
    while (request.find("\r\n\r\n") == std::string::npos) {
      if (!read_more(request)) return "";
    }
    return request;
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ssl_ ? static_cast<ssize_t>(SSL_write(
                                   ssl_.get(), bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), 1 << 20))))
                             : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  bool answer(std::string_view body, std::string_view headers = "") {
    return send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(headers) +
                "\r\n" + std::string(body));
  }
  void say_goodbye() {
    if (ssl_) SSL_shutdown(ssl_.get());
  }
  void close() {  // an orderly FIN (TLS: without close_notify)
    if (fd_ >= 0) open_.close(std::exchange(fd_, -1));
  }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  // True once the client has closed its side.
  bool client_left(std::chrono::milliseconds within = 5000ms) {
    pollfd item{fd_, POLLRDHUP, 0};
    return ::poll(&item, 1, static_cast<int>(within.count())) > 0 &&
           (item.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }
  int fd() const { return fd_; }

 private:
  bool read_more(std::string& into) {
    char buffer[65536];
    const auto got = ssl_ ? static_cast<ssize_t>(SSL_read(ssl_.get(), buffer, sizeof buffer))
                          : ::recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    into.append(buffer, static_cast<size_t>(got));
    return true;
  }

  int fd_;
  const int index_;
  OpenSockets& open_;
  net::SslPtr ssl_;
  bool secure_ = false;
  std::string pending_;
};

class LoopbackServer {
 public:
  using Script = std::function<void(Peer&)>;

  explicit LoopbackServer(Script script, net::SslContextPtr tls = nullptr, const char* address = "127.0.0.1")
      : script_(std::move(script)), tls_(std::move(tls)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &at.sin_addr);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at);
    ::listen(listener_, 128);
    socklen_t size = sizeof at;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~LoopbackServer() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    open_.shut_down();
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
  }
  uint16_t port() const { return port_; }
  int connections() const { return accepted_; }

 private:
  void accept_all() {
    while (!stopping_) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      open_.add(fd);
      threads_.emplace_back([this, fd, index = accepted_++] { play(fd, index); });
    }
  }
  void play(int fd, int index) {
    Peer peer(fd, index, tls_.get(), open_);
    if (tls_ == nullptr || peer.secure()) script_(peer);
  }

  Script script_;
  net::SslContextPtr tls_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> accepted_{0};
  std::thread acceptor_;
  OpenSockets open_;
  std::vector<std::thread> threads_;  // the acceptor's, until it is joined
};

}  // namespace s3dlio::testing
