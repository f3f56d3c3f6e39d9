// Bytes over one connected socket, plain or TLS. Non-blocking; made for edge-triggered readiness in both directions.
// One thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/base/result.h"
#include "engine/net/fd.h"

namespace s3dlio::net {

enum class Io : uint8_t {
  kOk,
  kWait,    // nothing now; try again after the next readiness event, whichever direction it tells
  kEnd,     // read: the peer has closed in an orderly way (TLS: with close_notify)
  kFailed,  // error() says why; after a failed write an answer that came before may still be read
};
struct IoResult {
  Io status = Io::kOk;
  size_t bytes = 0;      // > 0 exactly when kOk
  bool drained = false;  // kOk: the socket had no more, wait for readiness instead of asking again
};

enum class Idle : uint8_t {
  kQuiet,  // open, nothing unread: may be used again
  kInput,  // something came unasked
  kClosed,
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual int fd() const = 0;
  // The loop reported readiness. `peer_closing`: the peer's FIN or a reset is in, no further event will tell of it.
  virtual void on_ready(bool peer_closing) { static_cast<void>(peer_closing); }
  virtual Io handshake() = 0;
  virtual IoResult read(std::span<const iovec> into) = 0;
  // `more`: the next write follows at once, small packets may wait for it.
  virtual IoResult write(std::span<const iovec> from, bool more) = 0;
  // Of a connection between two requests, asked of the socket.
  virtual Idle idle_state() = 0;
  // Bytes taken from the socket and not yet read by us; epoll knows nothing of them.
  virtual bool has_buffered_input() const { return false; }
  virtual bool is_plain() const = 0;  // reads bypass user-space buffers, so SO_RCVLOWAT helps and scatter is free
  virtual void say_goodbye() {}       // before a polite close
  virtual uint64_t bytes_written() const = 0;  // to the socket, since it was opened; TLS records as they went out
  virtual const Error& error() const = 0;
};

std::unique_ptr<Transport> make_plain_transport(Fd fd);

}  // namespace s3dlio::net
