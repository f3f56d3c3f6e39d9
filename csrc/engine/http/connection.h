// One open connection to an endpoint, plain or TLS, watched by its loop. Owned by the exchange that uses it, or by the
// pool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/http/client.h"
#include "engine/net/address.h"
#include "engine/net/event_loop.h"
#include "engine/net/transport.h"

namespace s3dlio::http {

class Connection;

// Who hears of readiness; may destroy the connection from inside.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual void on_connection_ready(Connection& connection, uint32_t epoll_events) = 0;
};

class Connection final : public net::FdHandler {
 public:
  // Null when the loop cannot watch it (too many descriptors watched).
  static std::unique_ptr<Connection> make(net::EventLoop& loop, Endpoint endpoint, net::Address address,
                                          std::unique_ptr<net::Transport> transport, ConnectionOwner* owner);
  ~Connection() override;  // closes at once
  void close_politely() { transport_->say_goodbye(); }

  net::Transport& transport() { return *transport_; }
  const Endpoint& endpoint() const { return endpoint_; }
  const net::Address& address() const { return address_; }
  const std::string& peer() const { return peer_; }
  void set_owner(ConnectionOwner* owner) { owner_ = owner; }
  void on_fd_ready(uint32_t epoll_events) override;

  // The loop hears of input only when this many bytes wait; 1 is the normal state. False where it cannot be had.
  bool set_low_water(size_t bytes);
  bool has_low_water() const { return low_water_ > 1; }

  uint64_t bytes_acknowledged() const;  // by the peer's kernel, of transport().bytes_written()
  uint64_t bytes_in_send_queue() const;

  bool reused = false;
  net::Clock::time_point idle_since;

 private:
  Connection(net::EventLoop& loop, Endpoint endpoint, net::Address address, std::unique_ptr<net::Transport> transport,
             ConnectionOwner* owner);

  net::EventLoop& loop_;
  const Endpoint endpoint_;
  const net::Address address_;
  const std::string peer_;
  std::unique_ptr<net::Transport> transport_;
  ConnectionOwner* owner_;
  size_t low_water_ = 1;
};

}  // namespace s3dlio::http
