// Receiving: the head by itself, then the body straight into its destination.
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/http/exchange.h"
#include "engine/stats/stats.h"

namespace s3dlio::http {
namespace {

constexpr size_t kHeadRead = 4 * 1024;  // what of the body comes with the head must be copied
constexpr size_t kBodyRead = 1024 * 1024;
constexpr size_t kTlsRead = 256 * 1024;
constexpr size_t kReport = 256 * 1024;       // what on_body sees at once is still in the second-level cache
constexpr size_t kBudget = 4 * 1024 * 1024;  // bytes a wake-up, so that one connection does not starve the others
constexpr size_t kMostPieces = 64;
constexpr size_t kLowWater = 256 * 1024;
constexpr uint64_t kLowWaterWorth = 512 * 1024;  // smaller bodies come in too few wake-ups to save any

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void ActiveExchange::receive_some() {
  size_t budget = kBudget;
  while (!over_ && budget > 0) {
    const bool more = stage_ == Stage::kBody ? receive_body(budget) : receive_head(budget);
    if (!more) return;
  }
  if (!over_) receive_later();
}

void ActiveExchange::receive_later() {
  loop_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->over_) return;
    self->connection_->transport().on_ready(self->peer_closing_);
    self->on_connection_ready(*self->connection_, EPOLLIN);
  });
}

// Once the peer's FIN is in, no further event will come for it: read up to it.
bool ActiveExchange::has_more(const net::IoResult& result) const { return !result.drained || peer_closing_; }

// ---- the head ----

bool ActiveExchange::receive_head(size_t& budget) {
  const auto scratch = pool_.scratch().first(kHeadRead);
  const iovec into{scratch.data(), scratch.size()};
  const net::IoResult result = connection_->transport().read({&into, 1});
  if (result.status == net::Io::kWait) return false;
  if (result.status != net::Io::kOk) {
    on_input_ended();
    return false;
  }
  budget -= std::min(budget, result.bytes);
  if (!answered_) {
    answered_ = true;
    if (stage_ == Stage::kFirstByte) stage_ = Stage::kHead;
    if (stage_ == Stage::kHead) start_window();
  }
  window_bytes_ += result.bytes;
  const std::string_view bytes = as_text(scratch.first(result.bytes));
  size_t used = 0;
  switch (parser_.feed(bytes, used)) {
    case HeadParser::Progress::kNeedMore:
      return has_more(result);
    case HeadParser::Progress::kFailed:
      fail(parser_.take_error());
      return false;
    case HeadParser::Progress::kDone:
      on_head_complete(bytes.substr(used));
      if (!over_ && result.drained) adjust_low_water();
      return !over_ && has_more(result);
  }
  return false;
}

void ActiveExchange::on_head_complete(std::string_view leftover) {
  const ResponseHead head = parser_.take_head();
  if (stage_ == Stage::kSend) cut_short_ = true;
  stage_ = Stage::kHead;
  if (cut_short_ && head.status < 300) {
    return fail(make_error(ErrorCode::kProtocol,
                           "answer " + std::to_string(head.status) + " before the request was sent whole"));
  }
  choose_framing(head);
  BodyTarget target = handler_->on_head(head);
  if (over_) return;  // cancelled from there
  if (!accept_target(std::move(target), head)) return;
  stage_ = Stage::kBody;
  start_window();
  surplus_ = framing_ == Framing::kLength && leftover.size() > body_left_;
  if (end_if_complete()) return;
  if (!leftover.empty()) take(leftover);
}

void ActiveExchange::choose_framing(const ResponseHead& head) {
  keep_alive_ = head.keep_alive;
  if (is_bodyless(request_.method, head.status)) {
    framing_ = Framing::kLength;
    body_left_ = 0;
  } else if (head.chunked) {
    framing_ = Framing::kChunked;
  } else if (head.content_length) {
    framing_ = Framing::kLength;
    body_left_ = *head.content_length;
  } else {
    framing_ = Framing::kUntilClose;
    keep_alive_ = false;
  }
}

// False when the exchange is over.
bool ActiveExchange::accept_target(BodyTarget target, const ResponseHead& head) {
  if (auto* refusal = std::get_if<Refuse>(&target)) {
    refuse(std::move(refusal->error));
    return false;
  }
  if (auto* memory = std::get_if<IntoMemory>(&target)) {
    // A cut connection looks like the end of such a body: nobody could tell a short one from a whole one.
    if (framing_ == Framing::kUntilClose) {
      fail(make_error(ErrorCode::kProtocol, "answer " + std::to_string(head.status) + " has no length"));
      return false;
    }
    into_memory_ = true;
    segments_ = SegmentCursor(std::move(memory->segments));
    return true;
  }
  text_limits_ = std::get<IntoString>(target);
  if (framing_ == Framing::kLength && body_left_ > text_limits_.max_bytes && !text_limits_.truncate) {
    fail(make_error(ErrorCode::kProtocol, "body of " + std::to_string(body_left_) + " bytes, at most " +
                                              std::to_string(text_limits_.max_bytes) + " expected"));
    return false;
  }
  if (framing_ == Framing::kLength) text_.reserve(static_cast<size_t>(std::min(body_left_, text_limits_.max_bytes)));
  return true;
}

// ---- the body ----

bool ActiveExchange::receive_body(size_t& budget) {
  return into_memory_ && framing_ == Framing::kLength ? receive_into_memory(budget) : receive_into_scratch(budget);
}

bool ActiveExchange::receive_into_memory(size_t& budget) {
  const bool plain = connection_->transport().is_plain();
  const uint64_t most = std::min<uint64_t>({body_left_, segments_.room(), budget, plain ? kBodyRead : kTlsRead});
  std::array<iovec, kMostPieces + 1> pieces;
  size_t used = segments_.describe({pieces.data(), kMostPieces}, most, pool_.scratch());
  uint64_t described = 0;
  for (size_t i = 0; i < used; ++i) described += pieces[i].iov_len;
  // One byte more than the body: a server that sends too much is found out at no cost.
  std::byte beyond;
  if (plain && described == body_left_) pieces[used++] = {&beyond, 1};
  const net::IoResult result = connection_->transport().read({pieces.data(), used});
  if (result.status == net::Io::kWait) {
    adjust_low_water();
    return false;
  }
  if (result.status != net::Io::kOk) {
    on_input_ended();
    return false;
  }
  surplus_ = result.bytes > described;
  const uint64_t received = std::min<uint64_t>(result.bytes, described);
  budget -= static_cast<size_t>(received);
  if (!report(received) || end_if_complete()) return false;
  if (result.drained) adjust_low_water();
  return has_more(result);
}

bool ActiveExchange::receive_into_scratch(size_t& budget) {
  auto scratch = pool_.scratch();
  // Again one byte beyond a known length.
  if (framing_ == Framing::kLength && body_left_ < scratch.size())
    scratch = scratch.first(static_cast<size_t>(body_left_) + 1);
  const iovec into{scratch.data(), scratch.size()};
  const net::IoResult result = connection_->transport().read({&into, 1});
  if (result.status == net::Io::kWait) return false;
  if (result.status == net::Io::kEnd && framing_ == Framing::kUntilClose) {
    succeed();
    return false;
  }
  if (result.status != net::Io::kOk) {
    on_input_ended();
    return false;
  }
  budget -= std::min(budget, result.bytes);
  window_bytes_ += result.bytes;
  return take(as_text(scratch.first(result.bytes))) && has_more(result);
}

bool ActiveExchange::take(std::string_view bytes) {
  if (framing_ == Framing::kChunked) return take_chunked(bytes);
  if (framing_ == Framing::kLength && bytes.size() > body_left_) {
    surplus_ = true;
    bytes = bytes.substr(0, static_cast<size_t>(body_left_));
  }
  return deliver(bytes) && !end_if_complete();
}

bool ActiveExchange::take_chunked(std::string_view bytes) {
  for (;;) {
    const ChunkedDecoder::Step step = chunked_.next(bytes);
    bytes.remove_prefix(step.used);
    switch (step.event) {
      case ChunkedDecoder::Event::kNeedMore:
        return true;
      case ChunkedDecoder::Event::kData:
        if (!deliver(step.data)) return false;
        break;
      case ChunkedDecoder::Event::kEnd:
        surplus_ = !bytes.empty();
        succeed();
        return false;
      case ChunkedDecoder::Event::kFailed:
        fail(make_error(ErrorCode::kProtocol, std::string("broken answer: ") + chunked_.reason()));
        return false;
    }
  }
}

bool ActiveExchange::deliver(std::string_view bytes) {
  return into_memory_ ? deliver_to_memory(bytes) : deliver_to_string(bytes);
}

bool ActiveExchange::deliver_to_memory(std::string_view bytes) {
  const auto copied = segments_.copy_from(std::as_bytes(std::span(bytes)));
  count(counters().bytes_copied, copied.kept);
  if (!report(copied.taken)) return false;
  if (copied.taken == bytes.size()) return true;
  surplus_ = true;  // more body than there is room for: all that was wanted is here
  succeed();
  return false;
}

bool ActiveExchange::deliver_to_string(std::string_view bytes) {
  const uint64_t room = text_limits_.max_bytes - text_.size();
  body_bytes_ += std::min<uint64_t>(bytes.size(), room);
  if (framing_ == Framing::kLength) body_left_ -= bytes.size();
  text_.append(bytes.substr(0, static_cast<size_t>(std::min<uint64_t>(bytes.size(), room))));
  if (bytes.size() <= room) return true;
  if (text_limits_.truncate) {
    keep_alive_ = false;
    succeed();
  } else {
    fail(make_error(ErrorCode::kProtocol, "body is longer than " + std::to_string(text_limits_.max_bytes) + " bytes"));
  }
  return false;
}

// `bytes` lie in the segments; tells the handler. False when it has taken the exchange back.
bool ActiveExchange::report(uint64_t bytes) {
  window_bytes_ += bytes;
  body_bytes_ += bytes;
  if (framing_ == Framing::kLength) body_left_ -= bytes;
  uint64_t kept = 0;
  const bool alive = segments_.advance(bytes, kReport, [&](std::span<const std::byte> piece) {
    kept += piece.size();
    handler_->on_body(piece);
    return !over_;
  });
  count(counters().bytes_received, kept);
  return alive;
}

// True when it was complete, and the exchange is over.
bool ActiveExchange::end_if_complete() {
  if (framing_ != Framing::kLength) return false;
  if (body_left_ > 0 && !(into_memory_ && segments_.room() == 0)) return false;
  surplus_ = surplus_ || body_left_ > 0;
  succeed();
  return true;
}

// Large bodies: wake up for a few hundred KiB, not for each packet. Off again in time for the last bytes.
void ActiveExchange::adjust_low_water() {
  if (stage_ != Stage::kBody || !into_memory_ || framing_ != Framing::kLength || !connection_->transport().is_plain())
    return;
  const uint64_t wanted = std::min(body_left_, segments_.room());
  if (connection_->has_low_water()) {
    if (wanted < kLowWater) connection_->set_low_water(1);
  } else if (wanted >= kLowWaterWorth) {
    connection_->set_low_water(kLowWater);
  }
}

}  // namespace s3dlio::http
