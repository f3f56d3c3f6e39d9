// Sending: straight from the caller's memory, the head and the first of the body in one call.
#include <algorithm>
#include <array>
#include <utility>

#include "engine/http/exchange.h"
#include "engine/stats/stats.h"

namespace s3dlio::http {
namespace {

constexpr size_t kMostPieces = 64;            // a call
constexpr size_t kBudget = 4 * 1024 * 1024;   // bytes a wake-up, so that one connection does not starve the others
constexpr uint64_t kWorthAsking = 64 * 1024;  // a body that may still lie in the kernel's queue when all is handed over

}  // namespace

void ActiveExchange::start_sending() {
  stage_ = Stage::kSend;
  peer_ = connection_->peer();
  written_before_ = connection_->transport().bytes_written();
  start_window();
  send_some();
}

void ActiveExchange::send_some() {
  std::array<iovec, kMostPieces> pieces;
  for (size_t budget = kBudget; stage_ == Stage::kSend;) {
    const size_t used = gather(pieces);
    const net::IoResult result = connection_->transport().write({pieces.data(), used}, false);
    if (result.status == net::Io::kWait) return;
    if (result.status != net::Io::kOk) return on_send_failed();
    on_sent(result.bytes);
    if (stage_ != Stage::kSend || result.drained) return;
    if (result.bytes >= budget) break;
    budget -= result.bytes;
  }
  loop_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->over_ && self->stage_ == Stage::kSend) self->send_some();
  });
}

size_t ActiveExchange::gather(std::span<iovec> pieces) const {
  size_t used = 0;
  const auto add = [&](const void* data, size_t size) {
    if (size > 0 && used < pieces.size()) pieces[used++] = {const_cast<void*>(data), size};
  };
  add(head_.data() + head_sent_, head_.size() - head_sent_);
  if (!request_.document.empty()) return used;
  for (size_t i = piece_; i < request_.payload.size() && used < pieces.size(); ++i) {
    const size_t skipped = i == piece_ ? piece_sent_ : 0;
    add(request_.payload[i].data() + skipped, request_.payload[i].size() - skipped);
  }
  return used;
}

void ActiveExchange::on_sent(size_t bytes) {
  sent_any_ = true;
  window_bytes_ += bytes;
  const size_t of_head = std::min(bytes, head_.size() - head_sent_);
  const size_t of_document = std::min(of_head, head_sent_ + of_head - std::min(head_size_, head_sent_ + of_head));
  head_sent_ += of_head;
  count(counters().bytes_sent, of_document + bytes - of_head);
  bytes -= of_head;
  const auto& payload = request_.payload;
  const bool has_payload = request_.document.empty();
  while (has_payload && piece_ < payload.size()) {
    const size_t taken = std::min(bytes, payload[piece_].size() - piece_sent_);
    piece_sent_ += taken;
    bytes -= taken;
    if (piece_sent_ < payload[piece_].size()) break;
    ++piece_;
    piece_sent_ = 0;
  }
  if (head_sent_ == head_.size() && (!has_payload || piece_ == payload.size())) on_all_sent();
}

void ActiveExchange::on_all_sent() {
  if (answered_) {  // part of the head is here already
    stage_ = Stage::kHead;
    return start_window();
  }
  stage_ = Stage::kFirstByte;
  unsent_ = request_.body_size() >= kWorthAsking ? connection_->bytes_in_send_queue() : 0;
  const bool forever = limits_.first_byte_timeout <= std::chrono::nanoseconds::zero();
  stage_due_ = forever ? net::Clock::time_point::max() : net::Clock::now() + limits_.first_byte_timeout;
  pool_.note_due(stage_due_);
}

// The server may have answered (say 403 or 503) and closed without reading all: that answer is worth more than the
// reset.
void ActiveExchange::on_send_failed() {
  send_error_ = connection_->transport().error();
  cut_short_ = true;
  stage_ = answered_ ? Stage::kHead : Stage::kFirstByte;
  start_window();
  receive_later();
}

}  // namespace s3dlio::http
