#include "engine/net/connector.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "engine/stats/stats.h"

namespace s3dlio::net {
namespace {

std::string seconds_text(Clock::duration time) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return milliseconds % 1000 == 0 ? std::to_string(milliseconds / 1000) + " s" : std::to_string(milliseconds) + " ms";
}

}  // namespace

class Connector::Attempt final : public FdHandler {
 public:
  Attempt(Connector& owner, const Address& address) : owner_(owner), address_(address) {}
  ~Attempt() override {
    owner_.loop_.cancel_timer(timer_);
    if (fd_.valid()) owner_.loop_.unwatch(fd_.get());
  }

  // Every outcome, also an immediate one, is reported by a later turn of the loop.
  void start() {
    fd_ = Fd(::socket(address_.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd_.valid()) return fail_later(errno);
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd_.get(), address_.raw(), address_.raw_size()) != 0 && errno != EINPROGRESS)
      return fail_later(errno);
    if (!owner_.loop_.watch(fd_.get(), EPOLLOUT, this)) return fail_later(errno);
    timer_ = owner_.loop_.call_after(owner_.timeout_, [this] {
      owner_.on_failed(*this, "no answer within " + seconds_text(owner_.timeout_), true);
    });
  }

  void on_fd_ready(uint32_t) override {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) {
      owner_.on_failed(*this, std::generic_category().message(error), error == ETIMEDOUT);
    } else {
      owner_.on_connected(*this);
    }
  }

  const Address& address() const { return address_; }
  Fd take_fd() {
    owner_.loop_.unwatch(fd_.get());
    return std::move(fd_);
  }

 private:
  void fail_later(int error) {
    fd_.reset();
    timer_ = owner_.loop_.call_after(Clock::duration::zero(), [this, error] {
      owner_.on_failed(*this, std::generic_category().message(error), false);
    });
  }

  Connector& owner_;
  const Address address_;
  Fd fd_;
  TimerId timer_ = 0;
};

Connector::Connector(EventLoop& loop, std::shared_ptr<Resolver> resolver, std::vector<Address> addresses,
                     Clock::duration timeout, Done done)
    : loop_(loop),
      resolver_(std::move(resolver)),
      addresses_(std::move(addresses)),
      timeout_(timeout),
      done_(std::move(done)) {
  start_next();
}

Connector::~Connector() { loop_.cancel_timer(head_start_); }

void Connector::start_next() {
  loop_.cancel_timer(std::exchange(head_start_, 0));
  attempts_.push_back(std::make_unique<Attempt>(*this, addresses_[next_++]));
  attempts_.back()->start();
  if (next_ < addresses_.size()) head_start_ = loop_.call_after(kHeadStart, [this] { start_next(); });
}

void Connector::on_connected(Attempt& attempt) {
  // Whoever started earlier and is still silent is taken for dead: others should not wait for it.
  for (const auto& other : attempts_) {
    if (other.get() == &attempt) break;
    resolver_->mark_bad(other->address());
  }
  resolver_->mark_good(attempt.address());
  count(counters().connections_opened);
  finish(Connected{attempt.take_fd(), attempt.address()});
}

void Connector::on_failed(Attempt& attempt, std::string reason, bool timed_out) {
  count(counters().connect_failures);
  resolver_->mark_bad(attempt.address());
  reasons_ += (reasons_.empty() ? "" : "; ") + attempt.address().to_string() + ": " + reason;
  all_timed_out_ = all_timed_out_ && timed_out;
  remove(attempt);
  if (next_ < addresses_.size()) return start_next();
  if (!attempts_.empty()) return;
  finish(make_error(all_timed_out_ ? ErrorCode::kTimeout : ErrorCode::kConnection, "cannot connect: " + reasons_));
}

void Connector::remove(const Attempt& attempt) {
  const auto found =
      std::find_if(attempts_.begin(), attempts_.end(), [&](const auto& item) { return item.get() == &attempt; });
  attempts_.erase(found);
}

void Connector::finish(Result<Connected> result) {
  loop_.cancel_timer(std::exchange(head_start_, 0));
  const Done done = std::move(done_);
  attempts_.clear();
  done(std::move(result));  // may destroy this
}

}  // namespace s3dlio::net
