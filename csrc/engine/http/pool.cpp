#include "engine/http/pool.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "engine/stats/stats.h"

namespace s3dlio::http {
namespace {

constexpr std::chrono::nanoseconds kSweepEvery = std::chrono::milliseconds(250);
constexpr std::chrono::nanoseconds kSweepNotBefore = std::chrono::milliseconds(1);

}  // namespace

Shared::~Shared() = default;

LoopPool& Shared::pool_of(net::EventLoop& loop) {
  for (size_t i = 0; i < pools_in_use(); ++i) {
    if (&pool_at(i).loop() == &loop) return pool_at(i);
  }
  std::lock_guard lock(mutex);
  const size_t index = pool_count.load(std::memory_order_relaxed);
  if (index == kMostLoops) throw std::length_error("a client was used from too many event loops");
  owned.push_back(std::make_unique<LoopPool>(*this, loop));
  pools[index].store(owned.back().get(), std::memory_order_release);
  pool_count.store(index + 1, std::memory_order_release);
  return *owned.back();
}

// ---- connections ----

LoopPool::Idle* LoopPool::idle_of(const Endpoint& endpoint) {
  const auto found =
      std::find_if(idle_.begin(), idle_.end(), [&](const Idle& item) { return item.endpoint == endpoint; });
  return found != idle_.end() ? &*found : nullptr;
}

std::unique_ptr<Connection> LoopPool::take_last(Idle& idle) {
  std::unique_ptr<Connection> last = std::move(idle.connections.back());
  idle.connections.pop_back();
  idle_count_.fetch_sub(1, std::memory_order_relaxed);
  shared_.idle_connections.fetch_sub(1, std::memory_order_relaxed);
  return last;
}

std::unique_ptr<Connection> LoopPool::take_idle(const Endpoint& endpoint) {
  Idle* idle = idle_of(endpoint);
  while (idle != nullptr && !idle->connections.empty()) {
    std::unique_ptr<Connection> connection = take_last(*idle);
    // One small system call against taking what came unasked for the answer to the next request.
    const auto state = connection->transport().idle_state();
    if (state == net::Idle::kQuiet) {
      connection->reused = true;
      count(counters().connections_reused);
      return connection;
    }
    if (state == net::Idle::kInput) count(counters().surplus_bodies);
  }
  return nullptr;
}

void LoopPool::keep_idle(std::unique_ptr<Connection> connection) {
  if (shared_.closed.load(std::memory_order_acquire)) return connection->close_politely();
  connection->idle_since = loop_.now();
  connection->set_owner(this);
  Idle* idle = idle_of(connection->endpoint());
  if (idle == nullptr) idle = &idle_.emplace_back(Idle{connection->endpoint(), {}});
  idle->connections.push_back(std::move(connection));
  idle_count_.fetch_add(1, std::memory_order_relaxed);
  shared_.idle_connections.fetch_add(1, std::memory_order_relaxed);
  note_due(loop_.now() + shared_.options.idle_timeout);
}

void LoopPool::drop_idle(const Endpoint& endpoint) {
  Idle* idle = idle_of(endpoint);
  while (idle != nullptr && !idle->connections.empty()) take_last(*idle);
}

void LoopPool::drop_all_idle() {
  for (Idle& idle : idle_) {
    while (!idle.connections.empty()) take_last(idle)->close_politely();
  }
  idle_.clear();
}

bool LoopPool::drop_oldest_idle() {
  Idle* oldest = nullptr;
  for (Idle& idle : idle_) {
    if (idle.connections.empty()) continue;
    if (oldest == nullptr || idle.connections.front()->idle_since < oldest->connections.front()->idle_since)
      oldest = &idle;
  }
  if (oldest == nullptr) return false;
  auto& all = oldest->connections;
  std::rotate(all.begin(), all.begin() + 1, all.end());
  take_last(*oldest)->close_politely();
  return true;
}

void LoopPool::make_room() {
  const size_t open = shared_.slots.taken() + shared_.idle_connections.load(std::memory_order_relaxed);
  if (open <= shared_.slots.limit() || drop_oldest_idle()) return;
  for (size_t i = 0; i < shared_.pools_in_use(); ++i) {
    LoopPool& other = shared_.pool_at(i);
    if (&other == this || other.idle_count_.load(std::memory_order_relaxed) == 0) continue;
    other.loop_.post([keep = shared_.shared_from_this(), &other] { other.drop_oldest_idle(); });
    return;
  }
}

// The server closed an idle connection, or said something nobody asked for.
void LoopPool::on_connection_ready(Connection& connection, uint32_t) {
  const auto state = connection.transport().idle_state();
  if (state == net::Idle::kQuiet) return;
  if (state == net::Idle::kInput) count(counters().surplus_bodies);
  Idle* idle = idle_of(connection.endpoint());
  const auto found = std::find_if(idle->connections.begin(), idle->connections.end(),
                                  [&](const auto& item) { return item.get() == &connection; });
  std::rotate(found, found + 1, idle->connections.end());
  take_last(*idle);
}

// ---- time ----

void LoopPool::note_due(net::Clock::time_point when) {
  if (sweep_timer_ != 0) {
    if (when >= sweep_at_) return;
    loop_.cancel_timer(sweep_timer_);
  }
  const auto now = net::Clock::now();
  sweep_at_ = std::clamp(when, now + kSweepNotBefore, now + kSweepEvery);
  sweep_timer_ = loop_.call_after(sweep_at_ - now, [weak = shared_.weak_from_this(), this] {
    if (const auto keep = weak.lock()) sweep();
  });
}

// One look at everything now and then is cheaper than a timer for each read.
void LoopPool::sweep() {
  sweep_timer_ = 0;
  const auto now = net::Clock::now();
  std::vector<std::shared_ptr<Guest>> late;
  for (const auto& guest : guests_) {
    if (guest->due() <= now) late.push_back(guest);
  }
  for (const auto& guest : late) {
    if (!guest->has_left) guest->check(now);
  }
  close_expired(now);
  if (const auto next = next_due(now)) note_due(*next);
}

void LoopPool::close_expired(net::Clock::time_point now) {
  for (Idle& idle : idle_) {
    auto& all = idle.connections;
    const auto fresh = std::find_if(all.begin(), all.end(), [&](const auto& item) {
      return now - item->idle_since < shared_.options.idle_timeout;
    });
    const auto expired = static_cast<size_t>(fresh - all.begin());
    std::rotate(all.begin(), fresh, all.end());  // the order of the rest stays
    for (size_t i = 0; i < expired; ++i) take_last(idle)->close_politely();
  }
}

std::optional<net::Clock::time_point> LoopPool::next_due(net::Clock::time_point now) const {
  std::optional<net::Clock::time_point> next;
  const auto consider = [&](net::Clock::time_point when) { next = next ? std::min(*next, when) : when; };
  if (!guests_.empty()) consider(now + kSweepEvery);
  for (const auto& guest : guests_) consider(guest->due());
  for (const Idle& idle : idle_) {
    if (!idle.connections.empty()) consider(idle.connections.front()->idle_since + shared_.options.idle_timeout);
  }
  return next;
}

}  // namespace s3dlio::http
