// One client's connections and exchanges on one loop: idle connections, whose turn it is, and the watch over time-outs.
// Everything on the loop's thread, except where stated; between loops only slots travel.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/http/client.h"
#include "engine/http/connection.h"
#include "engine/http/slots.h"
#include "engine/net/event_loop.h"
#include "engine/net/resolver.h"
#include "engine/net/tls.h"

namespace s3dlio::http {

// An exchange, as the pool sees it.
class Guest {
 public:
  virtual ~Guest() = default;
  virtual void begin() = 0;                            // its turn has come; must not call back
  virtual net::Clock::time_point due() const = 0;      // when check() should be called next
  virtual void check(net::Clock::time_point now) = 0;  // something may have taken too long
  size_t place = 0;                                    // in the pool's list
  bool has_slot = false;
  bool has_left = false;
  net::Clock::time_point arrived;
};

class LoopPool;

// What the loops of one client share. Any thread.
struct Shared : std::enable_shared_from_this<Shared> {
  Shared(ClientOptions given, std::shared_ptr<net::TlsContext> trust, std::shared_ptr<net::Resolver> names)
      : options(std::move(given)), tls(std::move(trust)), resolver(std::move(names)), slots(options.max_connections) {}
  ~Shared();

  LoopPool& pool_of(net::EventLoop& loop);  // on the loop's thread
  size_t pools_in_use() const { return pool_count.load(std::memory_order_acquire); }
  LoopPool& pool_at(size_t index) const { return *pools[index].load(std::memory_order_acquire); }

  static constexpr size_t kMostLoops = 512;

  const ClientOptions options;
  const std::shared_ptr<net::TlsContext> tls;
  const std::shared_ptr<net::Resolver> resolver;
  Slots slots;
  std::atomic<size_t> idle_connections{0};
  std::atomic<bool> closed{false};  // the client is gone: keep no connection
  // The loops' pools, in order of first use; entries are never taken out.
  std::array<std::atomic<LoopPool*>, kMostLoops> pools{};
  std::atomic<size_t> pool_count{0};
  std::mutex mutex;
  std::vector<std::unique_ptr<LoopPool>> owned;
};

// Lives as long as its Shared, which every exchange and every task under way keeps alive.
class LoopPool final : public ConnectionOwner {
 public:
  LoopPool(Shared& shared, net::EventLoop& loop) : shared_(shared), loop_(loop) {}

  net::EventLoop& loop() { return loop_; }
  Shared& shared() { return shared_; }
  std::span<std::byte> scratch() { return scratch_; }  // for bytes on their way to somewhere else

  // ---- turns ----
  void admit(std::shared_ptr<Guest> guest);  // begins now or when a slot comes free, first come first served
  void leave(Guest& guest);                  // gives up its slot, but not to anybody yet
  void hand_on_slot();                       // after leave() of a guest that had one: the next in turn begins
  void take_slot();                          // one slot, handed over by another loop
  void wake_waiting();                       // the limit was raised

  // ---- connections ----
  std::unique_ptr<Connection> take_idle(const Endpoint& endpoint);  // the one used last that is still good
  void keep_idle(std::unique_ptr<Connection> connection);
  void drop_idle(const Endpoint& endpoint);
  void drop_all_idle();
  void make_room();  // a connection is about to be opened: idle ones beyond the limit go, here or on another loop

  // ---- time ----
  void note_due(net::Clock::time_point when);

  void on_connection_ready(Connection& connection, uint32_t epoll_events) override;

 private:
  struct Idle {
    Endpoint endpoint;
    std::vector<std::unique_ptr<Connection>> connections;  // used last, last
  };

  static constexpr int64_t kNobody = std::numeric_limits<int64_t>::max();

  void serve(const std::shared_ptr<Guest>& guest);
  std::shared_ptr<Guest> next_waiting();
  void publish_waiting();
  LoopPool* longest_waiting_elsewhere() const;
  bool drop_oldest_idle();
  std::unique_ptr<Connection> take_last(Idle& idle);
  Idle* idle_of(const Endpoint& endpoint);
  void sweep();
  void close_expired(net::Clock::time_point now);
  std::optional<net::Clock::time_point> next_due(net::Clock::time_point now) const;

  Shared& shared_;
  net::EventLoop& loop_;
  std::vector<std::shared_ptr<Guest>> guests_;
  std::deque<std::shared_ptr<Guest>> waiting_;
  std::atomic<int64_t> waiting_since_{kNobody};  // when the first in turn came; read by other loops
  std::atomic<size_t> idle_count_{0};            // read by other loops
  std::vector<Idle> idle_;
  net::TimerId sweep_timer_ = 0;
  net::Clock::time_point sweep_at_;
  std::array<std::byte, 64 * 1024> scratch_;
};

}  // namespace s3dlio::http
