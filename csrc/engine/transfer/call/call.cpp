#include "engine/transfer/call/call.h"

#include <algorithm>
#include <utility>

#include "engine/base/log.h"
#include "engine/stats/stats.h"
#include "engine/text/http_date.h"
#include "engine/transfer/call/failure_text.h"

namespace s3dlio::transfer {
namespace {

// Less than this is the network, not the clock.
constexpr std::chrono::seconds kClockTolerance(2);
// More than this is a nonsensical date, not a clock without a battery.
constexpr std::chrono::years kClockBelief(100);
constexpr uint32_t kFreeResends = 3;  // after that many closed idle connections the server is closing on purpose
constexpr uint32_t kMostDoublings = 8;
// Of a throttled call that keeps its place, perhaps the only one: the others are not to wait for long. In backoff_base.
constexpr int kLongestPause = 16;
constexpr uint32_t kThrottlesPerTurn = 8;  // then another has that place, and this one waits for its turn again

// Whether an answer other than success leaves open what became of the request. A refusal that the service itself
// words (an error document with a code) is one; what a proxy says of a service that it could not reach is not.
bool leaves_open(const ServiceError& found, bool in_success) {
  const Error& error = found.error;
  if (in_success) return found.verdict != Verdict::kFinal;  // 200 with an error in it, or with what cannot be read
  if (error.http_status < 500 || error.http_status == 501) return false;
  return error.service_code.empty() || found.verdict == Verdict::kRetry;
}

// What answered is in front of the service, and gave up on it.
bool is_a_gateways(const Error& error) {
  return error.http_status == 502 || error.http_status == 504 ||
         (error.http_status == 503 && error.service_code.empty());
}

}  // namespace

Call::Call(std::shared_ptr<Context> context, CallTraits traits)
    : inner_context_(std::move(context)),
      inner_loop_(inner_context_->environment.next_loop()),
      inner_traits_(std::move(traits)) {}

void Call::launch() {
  if (inner_loop_.on_loop_thread()) return attempt();
  inner_loop_.post([self = shared_from_this()] { self->attempt(); });
}

void Call::cancel_soon() {
  inner_loop_.post([self = shared_from_this()] { self->cancel(); });
}

// ---- one attempt: a place in the window, credentials, the exchange ----

void Call::attempt() {
  if (inner_state_ == State::kEnded) return;
  inner_timer_ = 0;
  inner_state_ = State::kWindow;
  if (!inner_traits_.urgent && !inner_in_window_) {
    // The place is ours from the moment it is granted, also when that happens before acquire() returns.
    if (!inner_context_->window.acquire(inner_traits_.bytes, shared_from_this())) return;
    inner_in_window_ = true;
  }
  with_place();
}

void Call::granted() {
  inner_loop_.post([self = shared_from_this()] {
    self->inner_in_window_ = true;
    if (self->inner_state_ == State::kEnded) return self->leave_window(Window::Ended::kFailed);
    self->with_place();
  });
}

void Call::with_place() {
  inner_state_ = State::kCredentials;
  if (auto credentials = inner_context_->credentials->current(inner_context_->service_now())) return send(credentials);
  inner_context_->credentials->get([self = shared_from_this()](Result<SharedCredentials> result) {
    self->inner_loop_.post([self, result = std::move(result)]() mutable {
      if (self->inner_state_ == State::kEnded) return;
      if (result) return self->send(result.value());
      self->leave_window(Window::Ended::kFailed);
      self->end(std::move(result).error());
    });
  });
}

void Call::send(const SharedCredentials& credentials) {
  inner_state_ = State::kSending;
  inner_credentials_ = credentials;
  inner_error_head_.reset();
  inner_rejection_.reset();
  inner_body_bytes_ = 0;
  inner_sent_ = inner_loop_.now();
  const Tuning& tuning = inner_context_->tuning;
  if (inner_attempts_ == 0) {
    inner_began_ = inner_sent_;
    const uint64_t parts = std::max<uint64_t>(1, inner_traits_.bytes / std::max<uint64_t>(1, tuning.part_size));
    inner_deadline_ =
        inner_began_ + (inner_traits_.time_limit
                            ? *inner_traits_.time_limit
                            : tuning.operation_timeout * static_cast<int64_t>(std::min<uint64_t>(parts, 10'000)));
  }
  ++inner_attempts_;
  count(counters().requests);

  http::Request request = build();
  inner_changes_ = !inner_traits_.invisible && request.method != "GET" && request.method != "HEAD";
  inner_context_->dialect->sign(request, *credentials, inner_context_->service_now());
  inner_sampled_ = request.method == "GET" && !inner_traits_.slow_answer;
  http::ExchangeLimits limits;
  limits.first_byte_timeout = inner_traits_.slow_answer ? tuning.operation_timeout
                              : inner_sampled_          ? first_byte_limit()
                                                        : tuning.first_byte_timeout;
  // A service that works for minutes keeps the connection alive with a little white space now and then.
  limits.floor_bytes = inner_traits_.slow_answer ? 0 : tuning.stall_floor_bytes;
  limits.floor_window = tuning.stall_window;
  limits.deadline = inner_deadline_;
  limits.fresh_connection = std::exchange(inner_fresh_connection_, false);
  inner_exchange_ = inner_context_->client->start(inner_loop_, inner_context_->dialect->endpoint(), std::move(request),
                                                  limits, shared_from_this());
}

// Some objects answer late (cold tiers, large ones put together first): who did not answer in the usual time is given
// twice that at the next attempt, up to the bound that is set.
std::chrono::nanoseconds Call::first_byte_limit() const {
  const auto usual = inner_context_->first_byte.limit();
  return std::min(inner_context_->tuning.first_byte_timeout, usual * (1 << std::min(inner_late_, kMostDoublings)));
}

http::BodyTarget Call::on_head(const http::ResponseHead& head) {
  inner_context_->answered.store(true, std::memory_order_relaxed);
  if (head.status / 100 != 2) {
    inner_error_head_ = head;
    http::IntoString text;
    text.truncate = true;
    return text;
  }
  if (inner_sampled_) inner_context_->first_byte.sample(inner_loop_.now() - inner_sent_);
  if (log_enabled(LogLevel::kDebug)) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(inner_loop_.now() - inner_sent_);
    log(LogLevel::kDebug, std::string(inner_traits_.operation) + " " +
                              inner_context_->dialect->uri_of(inner_traits_.key) + ": " + std::to_string(head.status) +
                              " after " + std::to_string(took.count()) + " ms, attempt " +
                              std::to_string(inner_attempts_));
  }
  Accepted accepted = accept(head);
  if (auto* memory = std::get_if<http::IntoMemory>(&accepted)) {
    inner_context_->throttle.answered();  // long before its last byte, where that is far away
    return std::move(*memory);
  }
  if (auto* text = std::get_if<http::IntoString>(&accepted)) return std::move(*text);
  inner_rejection_ = std::move(std::get<Rejection>(accepted));
  return http::Refuse{inner_rejection_->error};
}

void Call::on_body(std::span<const std::byte> bytes) {
  inner_body_bytes_ += bytes.size();
  received(bytes);
}

void Call::on_done(http::Outcome outcome) {
  const auto self = shared_from_this();
  inner_exchange_.reset();
  if (inner_state_ == State::kEnded) return;
  if (outcome.error) return judge_transport(outcome);
  if (inner_error_head_) {
    const http::ResponseHead head = std::move(*inner_error_head_);
    if (settles(head)) return succeed();
    return judge(inner_context_->dialect->read_error(head, outcome.text), &head, outcome.peer);
  }
  if (auto found = conclude(outcome)) return judge(std::move(*found), nullptr, outcome.peer);
  succeed();
}

// ---- what an answer means ----

void Call::judge(ServiceError found, const http::ResponseHead* head, std::string_view peer) {
  Error& error = found.error;
  if (head && error.http_status == 0) error.http_status = head->status;
  if (head && head->status == 416) {
    const auto range = http::parse_content_range(head->headers.find("Content-Range").value_or(""));
    if (range && range->total) error.message += "; the object has " + std::to_string(*range->total) + " bytes";
  }
  const bool throttled = found.verdict == Verdict::kThrottled;
  if (throttled) {
    count(counters().throttled);
    if (inner_in_window_) inner_context_->window.throttled(inner_loop_.now());
  } else {
    leave_window(Window::Ended::kFailed);
    if (error.http_status >= 500) {
      count(counters().server_errors);
    } else {
      inner_context_->throttle.answered();
    }
  }
  if (leaves_open(found, head == nullptr)) {
    inner_ambiguous_ = true;
    if (is_a_gateways(error)) inner_may_still_run_ = true;
  }
  if (log_enabled(LogLevel::kDebug)) {
    log(LogLevel::kDebug,
        std::string(inner_traits_.operation) + " " + inner_context_->dialect->uri_of(inner_traits_.key) + ": " +
            std::to_string(error.http_status) + " " + error.service_code + " from " + std::string(peer));
  }

  switch (found.verdict) {
    case Verdict::kFinal:
      return end(std::move(error));
    case Verdict::kRefreshCredentials:
      if (inner_refreshed_ || !inner_context_->credentials->can_refresh()) return end(std::move(error));
      inner_refreshed_ = true;
      inner_context_->credentials->invalidate(inner_credentials_);
      return again_now();
    case Verdict::kFixClock:
      if (inner_clock_fixed_ || !correct_clock(head)) return end(std::move(error));
      return again_now();
    case Verdict::kRedirect:
      if (inner_redirected_) return end(std::move(error));
      inner_redirected_ = true;
      count(counters().redirects_followed);
      return again_now();
    case Verdict::kAskOtherwise:
      return again_now();
    case Verdict::kRetry:
      if (error.code == ErrorCode::kProtocol && std::exchange(inner_rejected_once_, true)) return end(std::move(error));
      if (error.code == ErrorCode::kPreconditionFailed && inner_traits_.conflict_is_final) return end(std::move(error));
      break;
    case Verdict::kThrottled:
      break;
  }
  std::optional<std::chrono::nanoseconds> server_wait;
  if (head) {
    if (const auto text = head->headers.find("Retry-After")) {
      server_wait = parse_retry_after(*text, inner_context_->service_now());
    }
  }
  retry_or_end(std::move(error), throttled ? Failure::kThrottled : Failure::kServer, server_wait);
}

bool Call::correct_clock(const http::ResponseHead* head) {
  inner_clock_fixed_ = true;
  const auto text = head ? head->headers.find("Date") : std::nullopt;
  const auto theirs = text ? text::parse_http_date(*text) : std::nullopt;
  if (!theirs) return false;
  const auto offset = *theirs - std::chrono::round<std::chrono::seconds>(inner_context_->environment.wall_now());
  if (std::chrono::abs(offset) > kClockBelief) return false;
  const auto known = std::chrono::seconds(inner_context_->clock_offset_seconds.load(std::memory_order_relaxed));
  // Another call may have corrected it between our signing and this answer; then sending again is enough.
  if (std::chrono::abs(offset - known) > kClockTolerance) {
    inner_context_->clock_offset_seconds.store(offset.count(), std::memory_order_relaxed);
    count(counters().clock_corrections);
    log(LogLevel::kWarning, "the clock of this machine differs from the service's by " +
                                std::to_string(offset.count()) + " s; requests are signed with the service's time");
  }
  return true;
}

void Call::judge_transport(http::Outcome& outcome) {
  Error error = std::move(*outcome.error);
  if (inner_rejection_) {
    leave_window(Window::Ended::kFailed);
    count(counters().rejected_responses);
    if (!inner_rejection_->once_elsewhere || inner_rejected_once_) return end(std::move(inner_rejection_->error));
    inner_rejected_once_ = true;
    inner_fresh_connection_ = true;
    return retry_or_end(std::move(inner_rejection_->error), Failure::kTransport, std::nullopt);
  }
  // Half-read error bodies still tell the status; the transport's own story is less useful than that.
  if (inner_error_head_) {
    const http::ResponseHead head = std::move(*inner_error_head_);
    return judge(inner_context_->dialect->read_error(head, outcome.text), &head, outcome.peer);
  }
  if (has_all()) return succeed();
  if (error.code == ErrorCode::kTimeout && outcome.stage == http::Stage::kFirstByte) ++inner_late_;
  leave_window(Window::Ended::kFailed);
  inner_fresh_connection_ = true;
  // A server that carried the request out and reset before a byte of answer looks like one that closed an idle
  // connection: acknowledgements come late, so their absence proves nothing.
  if (outcome.request_may_have_arrived || outcome.stale_connection) inner_ambiguous_ = true;
  if (outcome.request_may_have_arrived) inner_may_still_run_ = true;
  const bool may_repeat =
      (inner_traits_.idempotent && !inner_traits_.one_at_a_time) || !outcome.request_may_have_arrived;
  if (outcome.stale_connection && may_repeat && inner_stale_++ < kFreeResends) {
    count(counters().stale_connections);
    return again_now();
  }
  if (error.code != ErrorCode::kTimeout && error.code != ErrorCode::kConnection && error.code != ErrorCode::kProtocol) {
    return end(std::move(error));  // certificates, our own mistakes: sending again changes nothing
  }
  // One answer that breaks the protocol may be a proxy's hiccup, two are the server's nature.
  if (error.code == ErrorCode::kProtocol && std::exchange(inner_rejected_once_, true)) return end(std::move(error));
  const bool unreachable = outcome.stage == http::Stage::kResolve || outcome.stage == http::Stage::kConnect;
  if (unreachable && !inner_context_->answered.load(std::memory_order_relaxed)) {
    // Nobody ever answered here: more likely a wrong address than a hiccup. Say so within the connect time-out.
    const auto elapsed = inner_loop_.now() - inner_began_;
    if (error.service_code == "NXDOMAIN" || elapsed >= inner_context_->tuning.connect_timeout) {
      describe_failure(error, inner_attempts_, elapsed, GaveUp::kUnreachable);
      return end(std::move(error));
    }
  }
  retry_or_end(std::move(error), Failure::kTransport, std::nullopt);
}

void Call::retry_or_end(Error error, Failure failure, std::optional<std::chrono::nanoseconds> server_wait) {
  const auto now = inner_loop_.now();
  // Only standing still is counted, and only standing still costs: else a link that cuts every body would use up the
  // budget of all the others while the bytes come in.
  const bool progressed = moved();
  if (progressed) inner_failures_ = 0;
  // Being told to slow down while others are served is no failure either.
  const bool borne = failure == Failure::kThrottled && inner_context_->throttle.bears(now, inner_throttles_ > 0);
  if (failure == Failure::kThrottled) {
    if (!borne) inner_failures_ = std::max(inner_failures_, inner_throttles_);
    ++inner_throttles_;
    // Nothing goes through, or nothing does for this one: let the others find out.
    if (!borne || inner_throttles_ % kThrottlesPerTurn == 0) leave_window(Window::Ended::kFailed);
  }
  const auto give_up = [&](GaveUp why) {
    describe_failure(error, inner_attempts_, now - inner_began_, why);
    const bool never_answered = !inner_context_->answered.load(std::memory_order_relaxed);
    if (error.code == ErrorCode::kConnection && never_answered && !inner_context_->dialect->endpoint().tls) {
      error.message += ", or it speaks TLS on this port: https://";
    }
    end(std::move(error));
  };
  if (!inner_traits_.idempotent && inner_ambiguous_) return give_up(GaveUp::kMayHaveArrived);
  if (inner_traits_.one_at_a_time && inner_may_still_run_) return give_up(GaveUp::kMayHaveArrived);
  if (!borne && inner_failures_ + 1 >= max_attempts()) return give_up(GaveUp::kAttempts);
  const Tuning& tuning = inner_context_->tuning;
  const double random = inner_context_->environment.random();
  auto delay =
      borne ? throttle_delay(tuning.backoff_base, std::min(tuning.backoff_cap, kLongestPause * tuning.backoff_base),
                             inner_throttles_ - 1, random)
            : backoff_delay(tuning.backoff_base, tuning.backoff_cap, inner_failures_, random);
  if (server_wait) delay = std::max(delay, *server_wait);
  if (now + delay >= inner_deadline_) return give_up(GaveUp::kDeadline);
  uint32_t cost = failure == Failure::kTransport ? kTransportCost : kServerCost;
  if (borne || progressed) cost = 0;
  if (!inner_context_->budget.take(cost)) {
    count(counters().retry_budget_exhausted);
    return give_up(GaveUp::kBudget);
  }
  inner_last_cost_ = cost;
  if (!borne) ++inner_failures_;
  count(counters().retries);
  inner_state_ = State::kBackoff;
  inner_timer_ = inner_loop_.call_after(delay, [self = shared_from_this()] { self->attempt(); });
}

void Call::again_now() {
  // Not from inside the exchange's last call: its connection may want to settle first.
  inner_state_ = State::kBackoff;
  inner_timer_ = inner_loop_.call_after(std::chrono::nanoseconds(0), [self = shared_from_this()] { self->attempt(); });
}

bool Call::reissue() {
  if (inner_state_ != State::kSending || !inner_exchange_) return false;
  if (!inner_context_->budget.take(kServerCost)) return false;
  inner_last_cost_ += kServerCost;
  inner_exchange_->cancel();
  inner_exchange_.reset();
  leave_window(Window::Ended::kFailed);
  inner_fresh_connection_ = true;
  again_now();
  return true;
}

void Call::leave_window(Window::Ended how) {
  if (!std::exchange(inner_in_window_, false)) return;
  const uint64_t moved = inner_body_bytes_ > 0 ? inner_body_bytes_ : inner_traits_.bytes;
  inner_context_->window.release(inner_traits_.bytes, how, moved, inner_loop_.now());
}

// ---- the end ----

void Call::succeed() {
  inner_context_->throttle.answered();
  inner_context_->budget.repay(inner_last_cost_ > 0 ? inner_last_cost_ : 1);
  leave_window(Window::Ended::kDone);
  end(std::nullopt);
}

void Call::cancel() {
  if (inner_state_ == State::kEnded) return;
  if (inner_exchange_) {
    inner_ambiguous_ = inner_may_still_run_ = true;
    inner_exchange_->cancel();
  }
  inner_exchange_.reset();
  inner_loop_.cancel_timer(inner_timer_);
  if (inner_state_ == State::kWindow && !inner_in_window_) inner_context_->window.forget(this);
  leave_window(Window::Ended::kFailed);
  end(make_error(ErrorCode::kCancelled, "cancelled"));
}

void Call::end(std::optional<Error> error) {
  inner_state_ = State::kEnded;
  leave_window(Window::Ended::kFailed);  // a throttled call still has its place
  if (error) error = described(std::move(*error));
  ended(std::move(error));
}

Error Call::described(Error error) const {
  error.operation = inner_traits_.operation;
  error.uri = inner_context_->dialect->uri_of(inner_traits_.key);
  error.attempts = inner_attempts_;
  error.may_have_taken_effect = inner_changes_ && inner_ambiguous_;
  error.message = redact(error.message);
  return error;
}

uint32_t Call::max_attempts() const {
  return std::max(1u,
                  inner_traits_.max_attempts > 0 ? inner_traits_.max_attempts : inner_context_->tuning.max_attempts);
}

}  // namespace s3dlio::transfer
