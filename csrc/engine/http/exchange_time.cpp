// What may take too long: called by the pool's sweep, not by a timer for each read.
#include <algorithm>
#include <utility>

#include "engine/http/exchange.h"

namespace s3dlio::http {
namespace {

std::string seconds_text(std::chrono::nanoseconds time) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return milliseconds % 1000 == 0 ? std::to_string(milliseconds / 1000) + " s" : std::to_string(milliseconds) + " ms";
}

Error too_late(std::string message) { return make_error(ErrorCode::kTimeout, std::move(message)); }

}  // namespace

net::Clock::time_point ActiveExchange::due() const {
  return limits_.deadline ? std::min(*limits_.deadline, stage_due_) : stage_due_;
}

void ActiveExchange::check(net::Clock::time_point now) {
  const auto self = shared_from_this();
  if (over_) return;
  if (limits_.deadline && now >= *limits_.deadline) return fail(too_late("the deadline has passed"));
  if (now < stage_due_) return;
  switch (stage_) {
    case Stage::kResolve:
      return fail(too_late("the name server gave no answer for '" + endpoint_.host + "'"));
    case Stage::kTls:
      return fail(too_late("no end within " + seconds_text(shared_->options.connect_timeout)));
    case Stage::kFirstByte:
      return cut_short_ ? check_window() : check_first_byte(now);
    case Stage::kSend:
    case Stage::kHead:
    case Stage::kBody:
      return check_window();
    case Stage::kWaiting:
    case Stage::kConnect:
    case Stage::kDone:
      return;
  }
}

void ActiveExchange::start_window() {
  window_bytes_ = 0;
  unsent_ = 0;
  const bool forever = limits_.floor_bytes == 0 || limits_.floor_window <= std::chrono::nanoseconds::zero();
  stage_due_ = forever ? net::Clock::time_point::max() : net::Clock::now() + limits_.floor_window;
  pool_.note_due(stage_due_);
}

// While sending, what left the kernel's queue counts, not what was put there: the queue may take megabytes at once and
// then wake us only when a third of it is free again.
void ActiveExchange::check_window() {
  uint64_t left_in_queue = 0;
  if (stage_ == Stage::kSend) {
    left_in_queue = connection_->bytes_in_send_queue();
    window_bytes_ += unsent_;
    window_bytes_ -= std::min(window_bytes_, left_in_queue);
  }
  // Bytes may lie in the socket, too few to wake us (see adjust_low_water); they count.
  if (stage_ == Stage::kBody && connection_->has_low_water()) {
    connection_->set_low_water(1);
    connection_->transport().on_ready(peer_closing_);
    receive_some();
    if (over_) return;
  }
  if (window_bytes_ >= limits_.floor_bytes) {
    start_window();
    unsent_ = left_in_queue;
    return;
  }
  fail(too_late("stalled, " + std::to_string(window_bytes_) + " bytes in " + seconds_text(limits_.floor_window) +
                ", at least " + std::to_string(limits_.floor_bytes) + " expected"));
}

// All is handed to the kernel, but a large body may take long to leave it: while that goes on, the server owes no
// answer.
void ActiveExchange::check_first_byte(net::Clock::time_point now) {
  const uint64_t before = std::exchange(unsent_, unsent_ > 0 ? connection_->bytes_in_send_queue() : 0);
  const uint64_t left_since = before - std::min(before, unsent_);
  if (before > 0 && left_since >= std::min(before, limits_.floor_bytes)) {
    stage_due_ = now + limits_.first_byte_timeout;
    return;
  }
  fail(too_late("no answer within " + seconds_text(limits_.first_byte_timeout)));
}

std::string ActiveExchange::doing() const {
  switch (stage_) {
    case Stage::kWaiting:
      return "waiting for a free connection";
    case Stage::kResolve:
      return "resolving the host name";
    case Stage::kConnect:
      return "connecting";
    case Stage::kTls:
      return "TLS handshake with " + endpoint_.host;
    case Stage::kSend:
      return "sending to " + peer_;
    case Stage::kFirstByte:
      return "waiting for an answer from " + peer_;
    case Stage::kHead:
      return "answer from " + peer_;
    case Stage::kBody:
      return "body from " + peer_ + " after " + std::to_string(body_bytes_) + " bytes";
    case Stage::kDone:
      break;
  }
  return "done";
}

}  // namespace s3dlio::http
