#include "wire.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

namespace s3dlio_bench {
namespace {

constexpr size_t kBufferBytes = 64 << 10;
constexpr size_t kTlsStep = 1 << 20;

}  // namespace

Wire::Wire(int fd, SSL* ssl) : fd_(fd), ssl_(ssl), buffer_(kBufferBytes) {}

Wire::~Wire() {
  if (ssl_ != nullptr) SSL_free(ssl_);
  close(fd_);
}

size_t Wire::read_some(std::span<std::byte> out) {
  if (ssl_ != nullptr) {
    size_t count = 0;
    return SSL_read_ex(ssl_, out.data(), out.size(), &count) == 1 ? count : 0;
  }
  for (;;) {
    const ssize_t count = recv(fd_, out.data(), out.size(), 0);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) return 0;
  }
}

size_t Wire::take_buffered(std::span<std::byte> out) {
  const size_t count = std::min(out.size(), end_ - begin_);
  std::memcpy(out.data(), buffer_.data() + begin_, count);
  begin_ += count;
  return count;
}

std::optional<std::string_view> Wire::read_until(std::string_view end, size_t limit) {
  size_t searched = 0;
  for (;;) {
    const std::string_view unread(reinterpret_cast<const char*>(buffer_.data()) + begin_, end_ - begin_);
    const size_t found = unread.find(end, searched > end.size() ? searched - end.size() : 0);
    if (found != std::string_view::npos) {
      begin_ += found + end.size();
      return unread.substr(0, found + end.size());
    }
    searched = unread.size();
    if (unread.size() >= std::min(limit, buffer_.size())) return std::nullopt;
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, unread.size());
      end_ -= begin_;
      begin_ = 0;
    }
    const size_t count = read_some(std::span(buffer_).subspan(end_));
    if (count == 0) return std::nullopt;
    end_ += count;
  }
}

bool Wire::read_exactly(std::span<std::byte> out) {
  out = out.subspan(take_buffered(out));
  while (!out.empty()) {
    const size_t count = read_some(out);
    if (count == 0) return false;
    out = out.subspan(count);
  }
  return true;
}

bool Wire::discard(size_t size) {
  const size_t buffered = std::min(size, end_ - begin_);
  begin_ += buffered;
  size -= buffered;
  while (size > 0 && ssl_ == nullptr) {  // MSG_TRUNC: the kernel drops the bytes without copying them
    const ssize_t count = recv(fd_, nullptr, std::min<size_t>(size, INT_MAX), MSG_TRUNC);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    size -= static_cast<size_t>(count);
  }
  while (size > 0) {
    const size_t count = read_some(std::span(buffer_).first(std::min(size, buffer_.size())));
    if (count == 0) return false;
    size -= count;
    begin_ = end_ = 0;
  }
  return true;
}

bool Wire::write(std::span<const std::span<const std::byte>> pieces) {
  if (ssl_ == nullptr) return write_plain(pieces);
  return std::all_of(pieces.begin(), pieces.end(), [this](auto piece) { return write_tls(piece); });
}

bool Wire::write_plain(std::span<const std::span<const std::byte>> pieces) {
  std::vector<iovec> vectors;
  vectors.reserve(pieces.size());
  for (const auto piece : pieces) {
    if (!piece.empty()) vectors.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
  }
  size_t first = 0;
  while (first < vectors.size()) {
    msghdr message{};
    message.msg_iov = vectors.data() + first;
    message.msg_iovlen = std::min<size_t>(vectors.size() - first, IOV_MAX);
    const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    auto left = static_cast<size_t>(sent);
    while (first < vectors.size() && left >= vectors[first].iov_len) left -= vectors[first++].iov_len;
    if (left > 0) {
      vectors[first].iov_base = static_cast<char*>(vectors[first].iov_base) + left;
      vectors[first].iov_len -= left;
    }
  }
  return true;
}

bool Wire::write_tls(std::span<const std::byte> piece) {
  while (!piece.empty()) {
    size_t sent = 0;
    if (SSL_write_ex(ssl_, piece.data(), std::min(piece.size(), kTlsStep), &sent) != 1) return false;
    piece = piece.subspan(sent);
  }
  return true;
}

}  // namespace s3dlio_bench
