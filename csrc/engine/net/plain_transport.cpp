#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <climits>
#include <numeric>
#include <system_error>
#include <utility>

#include "engine/net/transport.h"

namespace s3dlio::net {
namespace {

size_t total_size(std::span<const iovec> pieces) {
  return std::accumulate(pieces.begin(), pieces.end(), size_t{0},
                         [](size_t sum, const iovec& piece) { return sum + piece.iov_len; });
}

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(Fd fd) : fd_(std::move(fd)) {}

  int fd() const override { return fd_.get(); }
  Io handshake() override { return Io::kOk; }
  bool is_plain() const override { return true; }
  const Error& error() const override { return error_; }
  uint64_t bytes_written() const override { return written_; }

  IoResult read(std::span<const iovec> into) override {
    for (;;) {
      const ssize_t got = into.size() == 1 ? ::recv(fd_.get(), into[0].iov_base, into[0].iov_len, 0) : receive(into);
      if (got > 0) return {Io::kOk, static_cast<size_t>(got), static_cast<size_t>(got) < total_size(into)};
      if (got == 0) return {Io::kEnd};
      if (errno == EINTR) continue;
      return stopped(errno);
    }
  }

  IoResult write(std::span<const iovec> from, bool more) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(from.data());
    message.msg_iovlen = std::min<size_t>(from.size(), IOV_MAX);
    for (;;) {
      const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
      if (sent >= 0) written_ += static_cast<uint64_t>(sent);
      if (sent >= 0) return {Io::kOk, static_cast<size_t>(sent), static_cast<size_t>(sent) < total_size(from)};
      if (errno == EINTR) continue;
      return stopped(errno);
    }
  }

  Idle idle_state() override {
    char byte;
    ssize_t got;
    do {
      got = ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0) return Idle::kInput;
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? Idle::kQuiet : Idle::kClosed;
  }

 private:
  ssize_t receive(std::span<const iovec> into) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(into.data());
    message.msg_iovlen = std::min<size_t>(into.size(), IOV_MAX);
    return ::recvmsg(fd_.get(), &message, 0);
  }

  IoResult stopped(int error) {
    if (error == EAGAIN || error == EWOULDBLOCK) return {Io::kWait};
    error_ = make_error(ErrorCode::kConnection, std::generic_category().message(error));
    return {Io::kFailed};
  }

  Fd fd_;
  uint64_t written_ = 0;
  Error error_;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(Fd fd) { return std::make_unique<PlainTransport>(std::move(fd)); }

}  // namespace s3dlio::net
