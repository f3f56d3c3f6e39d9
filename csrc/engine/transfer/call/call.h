// One logical request and its attempts: build, sign, send, judge the answer, and send again for as long as that makes
// sense. Lives on one loop from start to end; what it asks and what it does with the answer is its subclass's.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "engine/transfer/call/context.h"

namespace s3dlio::transfer {

struct CallTraits {
  std::string_view operation;      // "get", "put", ...; a literal
  std::string key;                 // "" for the bucket as a whole
  uint64_t bytes = 0;              // in the window, and for the deadline
  bool idempotent = true;          // false: not sent again once it may have arrived
  bool slow_answer = false;        // the service may work for minutes before it says more than white space
  bool one_at_a_time = false;      // not sent again while an earlier attempt, whose answer was lost, may still run
  bool conflict_is_final = false;  // a lost race with another writer is not won by repeating this request
  bool urgent = false;             // does not wait for a place in the window (clean-up)
  bool invisible = false;          // changes nothing that a reader could see (an upload's parts, its start, its abort)
  uint32_t max_attempts = 0;       // 0: the store's
  std::optional<std::chrono::nanoseconds> time_limit;  // over all attempts; none: the store's, grown with `bytes`
};

class Call : public http::ResponseHandler, public Window::Waiter, public std::enable_shared_from_this<Call> {
 public:
  Call(std::shared_ptr<Context> context, CallTraits traits);

  // Any thread. The call starts on its loop; ended() comes once, on that loop, after which nothing touches memory of
  // others.
  void launch();
  void cancel_soon();

  // An attempt may have taken effect without our hearing of it. Every error of a call that changes something says so.
  bool was_ambiguous() const { return inner_ambiguous_; }
  // An attempt went out and nobody who knows answered: the service may be at it still.
  bool may_still_run() const { return inner_may_still_run_; }
  int attempts() const { return inner_attempts_; }

 protected:
  // A head that must not be followed by a byte into the destination.
  struct Rejection {
    Error error;
    bool once_elsewhere = false;  // try once more over another connection before it is final
  };
  using Accepted = std::variant<http::IntoMemory, http::IntoString, Rejection>;

  virtual http::Request build() = 0;                            // of the next attempt
  virtual Accepted accept(const http::ResponseHead& head) = 0;  // of a 2xx answer
  virtual void received(std::span<const std::byte>) {}          // as http::ResponseHandler::on_body
  // The 2xx answer is complete. Nothing: the call succeeded. Else what the answer turned out to be.
  virtual std::optional<ServiceError> conclude(http::Outcome& outcome) = 0;
  // An answer outside 2xx that says all the same what was asked: the call succeeded.
  virtual bool settles(const http::ResponseHead&) { return false; }
  // The exchange failed, but only after the last byte that was wanted.
  virtual bool has_all() const { return false; }
  // After a failed attempt: enough bytes arrived since the one before, and only the rest will be asked for.
  virtual bool moved() { return false; }
  virtual void ended(std::optional<Error> error) = 0;

  Context& context() { return *inner_context_; }
  const std::shared_ptr<Context>& shared_context() const { return inner_context_; }
  net::EventLoop& loop() { return inner_loop_; }
  const CallTraits& traits() const { return inner_traits_; }
  // Stops the running exchange and asks again over a fresh connection, at no waiting. On the loop. False: nothing is
  // running, or too few tokens are left; what it costs is given back when the call succeeds.
  bool reissue();
  void ask_fresh_connection() { inner_fresh_connection_ = true; }  // for the next attempt
  Error described(Error error) const;                              // with operation, uri, attempts

 private:
  enum class State : uint8_t { kIdle, kWindow, kCredentials, kSending, kBackoff, kEnded };

  // http::ResponseHandler, Window::Waiter
  http::BodyTarget on_head(const http::ResponseHead& head) final;
  void on_body(std::span<const std::byte> bytes) final;
  void on_done(http::Outcome outcome) final;
  void granted() final;

  void attempt();
  void with_place();
  void send(const SharedCredentials& credentials);
  std::chrono::nanoseconds first_byte_limit() const;
  void cancel();
  void leave_window(Window::Ended how);
  void judge(ServiceError found, const http::ResponseHead* head, std::string_view peer);
  void judge_transport(http::Outcome& outcome);
  bool correct_clock(const http::ResponseHead* head);
  enum class Failure : uint8_t { kServer, kThrottled, kTransport };
  void retry_or_end(Error error, Failure failure, std::optional<std::chrono::nanoseconds> server_wait);
  void again_now();
  void succeed();
  void end(std::optional<Error> error);
  uint32_t max_attempts() const;

  const std::shared_ptr<Context> inner_context_;
  net::EventLoop& inner_loop_;
  CallTraits inner_traits_;
  State inner_state_ = State::kIdle;
  std::shared_ptr<http::Exchange> inner_exchange_;
  SharedCredentials inner_credentials_;
  net::TimerId inner_timer_ = 0;
  bool inner_in_window_ = false;

  std::optional<http::ResponseHead> inner_error_head_;
  std::optional<Rejection> inner_rejection_;
  uint64_t inner_body_bytes_ = 0;         // of this attempt
  net::Clock::time_point inner_began_{};  // first attempt
  net::Clock::time_point inner_sent_{};   // this attempt
  net::Clock::time_point inner_deadline_{};
  int inner_attempts_ = 0;
  uint32_t inner_failures_ = 0;   // in a row, without progress
  uint32_t inner_throttles_ = 0;  // told to slow down, in all
  uint32_t inner_late_ = 0;       // attempts whose first byte did not come in time
  uint32_t inner_last_cost_ = 0;  // taken from the budget by the last retry, and by hedges since
  uint32_t inner_stale_ = 0;
  bool inner_fresh_connection_ = false;
  bool inner_sampled_ = false;  // the time to this attempt's first byte teaches the time-out
  bool inner_ambiguous_ = false;
  bool inner_may_still_run_ = false;
  bool inner_changes_ = false;  // what was sent is not only read
  bool inner_refreshed_ = false, inner_clock_fixed_ = false, inner_redirected_ = false, inner_rejected_once_ = false;
};

}  // namespace s3dlio::transfer
