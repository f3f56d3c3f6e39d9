#include "engine/http/connection.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <utility>

namespace s3dlio::http {
namespace {

constexpr uint32_t kClosing = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

}  // namespace

std::unique_ptr<Connection> Connection::make(net::EventLoop& loop, Endpoint endpoint, net::Address address,
                                             std::unique_ptr<net::Transport> transport, ConnectionOwner* owner) {
  std::unique_ptr<Connection> made(
      new Connection(loop, std::move(endpoint), std::move(address), std::move(transport), owner));
  // Both directions once and for all, edge-triggered: no epoll_ctl call while requests come and go.
  const uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  if (!loop.watch(made->transport_->fd(), events, made.get())) return nullptr;
  return made;
}

Connection::Connection(net::EventLoop& loop, Endpoint endpoint, net::Address address,
                       std::unique_ptr<net::Transport> transport, ConnectionOwner* owner)
    : loop_(loop),
      endpoint_(std::move(endpoint)),
      address_(std::move(address)),
      peer_(address_.to_string()),
      transport_(std::move(transport)),
      owner_(owner) {}

Connection::~Connection() { loop_.unwatch(transport_->fd()); }

void Connection::on_fd_ready(uint32_t epoll_events) {
  transport_->on_ready((epoll_events & kClosing) != 0);
  owner_->on_connection_ready(*this, epoll_events);
}

bool Connection::set_low_water(size_t bytes) {
  if (bytes == low_water_) return true;
  const int value = static_cast<int>(bytes);
  if (::setsockopt(transport_->fd(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value) != 0) return false;
  low_water_ = bytes;
  return true;
}

uint64_t Connection::bytes_acknowledged() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(transport_->fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_acked;
}

uint64_t Connection::bytes_in_send_queue() const {
  int bytes = 0;
  return ::ioctl(transport_->fd(), SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
}

}  // namespace s3dlio::http
