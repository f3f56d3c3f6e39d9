// One keep-alive connection to the server, blocking: exactly the calls a bare loop makes.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "options.h"

namespace s3dlio_bench {

class Peer {
 public:
  Peer(uint16_t port, SSL_CTX* tls);  // null: plain
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void send(std::string_view head, std::span<const std::byte> body);
  // Reads one answer; its body goes to `out`, which it must fill exactly. Anything but 200 and 206 ends the program.
  void receive(std::span<std::byte> out);

 private:
  size_t read_some(std::span<std::byte> out);
  void write_tls(std::span<const std::byte> piece);

  int fd_;
  SSL* ssl_ = nullptr;
  std::array<std::byte, 4096> head_{};
};

std::vector<std::unique_ptr<Peer>> connect_all(const Options& options);

}  // namespace s3dlio_bench
