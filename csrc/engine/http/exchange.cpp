#include "engine/http/exchange.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "engine/http/request_writer.h"
#include "engine/stats/stats.h"

namespace s3dlio::http {
namespace {

// A name server that says nothing; getaddrinfo itself may go on for long.
constexpr std::chrono::nanoseconds kResolveTimeout = std::chrono::seconds(5);
// How soon after the first byte of a request a close still counts as the server's idle close crossing it on the way.
constexpr std::chrono::nanoseconds kIdleCloseWithin = std::chrono::seconds(2);
constexpr uint32_t kReadable = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

}  // namespace

ActiveExchange::ActiveExchange(std::shared_ptr<Shared> shared, LoopPool& pool, Endpoint endpoint, Request request,
                               const ExchangeLimits& limits, std::shared_ptr<ResponseHandler> handler)
    : shared_(std::move(shared)),
      pool_(pool),
      loop_(pool.loop()),
      endpoint_(std::move(endpoint)),
      request_(std::move(request)),
      limits_(limits),
      handler_(std::move(handler)) {}

// ---- to a connection ----

void ActiveExchange::begin() {
  beginning_ = true;
  began_ = loop_.now();
  auto head = write_head(request_, endpoint_);
  if (!head.ok()) {
    fail(std::move(head).error());
  } else {
    head_ = std::move(*head);
    head_size_ = head_.size();
    head_ += request_.document;
    if (!limits_.fresh_connection) connection_ = pool_.take_idle(endpoint_);
    if (connection_ != nullptr) {
      connection_->set_owner(this);
      start_sending();
    } else {
      resolve();
    }
  }
  beginning_ = false;
}

void ActiveExchange::resolve() {
  stage_ = Stage::kResolve;
  stage_due_ = net::Clock::now() + std::max(kResolveTimeout, shared_->options.connect_timeout);
  pool_.make_room();
  shared_->resolver->resolve(loop_, endpoint_.host, endpoint_.port, limits_.fresh_connection,
                             [weak = weak_from_this()](Result<std::vector<net::Address>> addresses) {
                               if (const auto self = weak.lock()) self->on_resolved(std::move(addresses));
                             });
}

void ActiveExchange::on_resolved(Result<std::vector<net::Address>> addresses) {
  if (over_ || stage_ != Stage::kResolve) return;
  if (!addresses.ok()) return fail(std::move(addresses).error());
  stage_ = Stage::kConnect;
  stage_due_ = net::Clock::time_point::max();  // the connector has its own time-outs
  connector_ = std::make_unique<net::Connector>(
      loop_, shared_->resolver, std::move(*addresses), shared_->options.connect_timeout,
      [this](Result<net::Connected> connected) { on_connected(std::move(connected)); });
}

void ActiveExchange::on_connected(Result<net::Connected> connected) {
  const auto self = shared_from_this();
  connector_ = nullptr;
  if (!connected.ok()) {
    Error error = std::move(connected).error();
    error.message += "; host '" + endpoint_.host + "'";
    return fail(std::move(error));
  }
  auto transport = endpoint_.tls ? shared_->tls->start(std::move(connected->fd), endpoint_.host, endpoint_.port)
                                 : net::make_plain_transport(std::move(connected->fd));
  connection_ = Connection::make(loop_, endpoint_, connected->address, std::move(transport), this);
  if (connection_ == nullptr)
    return fail(make_error(ErrorCode::kConnection, "the event loop cannot watch one more socket"));
  stage_ = Stage::kTls;
  stage_due_ = net::Clock::now() + shared_->options.connect_timeout;
  pool_.note_due(stage_due_);
  on_handshake();
}

void ActiveExchange::on_handshake() {
  switch (connection_->transport().handshake()) {
    case net::Io::kOk:
      return start_sending();
    case net::Io::kWait:
      return;
    case net::Io::kEnd:
    case net::Io::kFailed:
      return fail(connection_->transport().error());
  }
}

// ---- readiness ----

void ActiveExchange::on_connection_ready(Connection&, uint32_t epoll_events) {
  const auto self = shared_from_this();
  if (over_) return;
  if (stage_ == Stage::kTls) return on_handshake();
  if ((epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) peer_closing_ = true;
  // An answer while we still send is looked at first: it may say that there is no point in going on.
  if ((epoll_events & kReadable) != 0) receive_some();
  if (!over_ && stage_ == Stage::kSend) send_some();
}

// A connection that broke or ended before the answer was whole.
void ActiveExchange::on_input_ended() {
  net::Transport& transport = connection_->transport();
  Error error = send_error_.value_or(transport.error());
  error.code = ErrorCode::kConnection;
  if (error.message.empty()) error.message = "closed by the server";
  const bool idle_close = connection_->reused && !answered_ && net::Clock::now() - began_ < kIdleCloseWithin;
  return idle_close ? fail_stale(std::move(error)) : fail(std::move(error));
}

// ---- the end ----

void ActiveExchange::succeed() {
  Outcome outcome;
  outcome.request_may_have_arrived = true;
  if (!surplus_ && keep_alive_ && connection_->transport().has_buffered_input()) {
    surplus_ = connection_->transport().idle_state() == net::Idle::kInput;
  }
  if (surplus_) count(counters().surplus_bodies);
  const bool reusable = keep_alive_ && !surplus_ && !cut_short_ && !peer_closing_ && connection_->set_low_water(1);
  if (reusable) {
    pool_.keep_idle(std::move(connection_));
  } else {
    drop_connection();
  }
  stage_ = Stage::kDone;
  finish(std::move(outcome));
}

void ActiveExchange::fail(Error error) {
  if (error.code != ErrorCode::kInvalidArgument) error.message = doing() + ": " + error.message;
  count_failure(error);
  if (connection_ != nullptr && (error.code == ErrorCode::kConnection || error.code == ErrorCode::kTimeout)) {
    shared_->resolver->note_failure(endpoint_.host, endpoint_.port, connection_->address());
    if (stage_ == Stage::kTls) shared_->resolver->mark_bad(connection_->address());
  }
  Outcome outcome;
  outcome.request_may_have_arrived = sent_any_;
  end_with(std::move(error), std::move(outcome));
}

void ActiveExchange::fail_stale(Error error) {
  error.message = doing() + ": " + error.message;
  pool_.drop_idle(endpoint_);  // what has been idle as long is as stale
  Outcome outcome;
  outcome.stale_connection = true;
  // The peer's kernel counts the SYN as well, hence "more than one".
  outcome.request_may_have_arrived = connection_->bytes_acknowledged() > written_before_ + 1;
  end_with(std::move(error), std::move(outcome));
}

void ActiveExchange::refuse(Error error) {
  Outcome outcome;
  outcome.request_may_have_arrived = true;
  end_with(std::move(error), std::move(outcome));
}

void ActiveExchange::end_with(Error error, Outcome outcome) {
  connector_ = nullptr;
  drop_connection();
  outcome.error = std::move(error);
  finish(std::move(outcome));
}

void ActiveExchange::count_failure(const Error& error) const {
  if (error.code == ErrorCode::kTimeout) {
    count(counters().timeouts);
  } else if (stage_ >= Stage::kTls && (error.code == ErrorCode::kConnection || error.code == ErrorCode::kProtocol)) {
    count(counters().transport_errors);
  }
}

void ActiveExchange::finish(Outcome outcome) {
  over_ = true;
  outcome.stage = stage_;
  outcome.body_bytes = body_bytes_;
  outcome.text = std::move(text_);
  outcome.peer = std::move(peer_);
  if (!beginning_) return deliver_outcome(std::move(outcome));
  // Callers are promised that nothing is told from inside start().
  loop_.post([self = shared_from_this(), outcome = std::move(outcome)]() mutable {
    if (!self->has_left) self->deliver_outcome(std::move(outcome));
  });
}

void ActiveExchange::deliver_outcome(Outcome outcome) {
  const auto self = shared_from_this();
  pool_.leave(*this);
  const auto handler = std::move(handler_);
  handler->on_done(std::move(outcome));
  if (has_slot) pool_.hand_on_slot();  // after on_done: what starts there queues behind those who wait
}

void ActiveExchange::cancel() {
  if (has_left) return;
  const auto self = shared_from_this();
  over_ = true;
  connector_ = nullptr;
  drop_connection();
  pool_.leave(*this);
  // Later, not here: the handler may be what called us, and whose turn it is must not begin inside the caller's call.
  loop_.post([self, handler = std::move(handler_)] {
    if (self->has_slot) self->pool_.hand_on_slot();
  });
}

}  // namespace s3dlio::http
