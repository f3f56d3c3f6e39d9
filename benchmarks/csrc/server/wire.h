// One connection's bytes, plain or TLS, blocking. One thread at a time.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace s3dlio_bench {

class Wire {
 public:
  // Owns both; `ssl` is null on a plain connection.
  Wire(int fd, SSL* ssl);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // The text up to and including `end`, at most `limit` bytes; valid until the next read. nullopt: closed, or too long.
  std::optional<std::string_view> read_until(std::string_view end, size_t limit);
  bool read_exactly(std::span<std::byte> out);  // false: closed before the last byte
  bool discard(size_t size);                    // reads and forgets; false as above
  bool write(std::span<const std::span<const std::byte>> pieces);

 private:
  size_t read_some(std::span<std::byte> out);  // 0: closed or broken
  bool write_plain(std::span<const std::span<const std::byte>> pieces);
  bool write_tls(std::span<const std::byte> piece);
  size_t take_buffered(std::span<std::byte> out);

  int fd_;
  SSL* ssl_;
  std::vector<std::byte> buffer_;
  size_t begin_ = 0, end_ = 0;  // the unread part of buffer_
};

}  // namespace s3dlio_bench
