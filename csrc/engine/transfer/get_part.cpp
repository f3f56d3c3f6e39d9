#include "engine/transfer/get_part.h"

#include <algorithm>
#include <utility>

#include "engine/stats/stats.h"

namespace s3dlio::transfer {
namespace {

constexpr uint64_t kProgressWorth = 64 << 10;  // bytes that make a failed attempt count as moving
constexpr int kMostHedges = 2;

}  // namespace

GetPart::GetPart(std::shared_ptr<Context> context, CallTraits traits, std::shared_ptr<Read> read, PartPlan plan,
                 bool plainly, bool fresh)
    : Call(std::move(context), std::move(traits)),
      inner_read_(std::move(read)),
      inner_plan_(std::move(plan)),
      inner_plainly_(plainly),
      inner_wanted_(wanted_bytes(inner_plan_)) {
  if (fresh) ask_fresh_connection();
}

// ---- asking ----

http::Request GetPart::build() {
  GetTarget target;
  target.key = inner_read_->key();
  target.version_id = inner_read_->options().version_id;
  inner_match_ = inner_read_->etag_to_match();
  target.if_match = inner_match_;
  // Without an etag nobody can promise that the tail belongs to the same object.
  if (written() > 0 && inner_match_.empty()) start_over();
  if (inner_plainly_ && written() == 0) {
    inner_asked_.reset();
  } else {
    const uint64_t start = written() == 0 ? inner_plan_.start : rest_of(inner_plan_, written()).start;
    inner_asked_ = ByteRange::make(start, inner_plan_.end).value();
  }
  if (written() > 0) count(counters().resumes);
  target.range = inner_asked_;
  target.want_checksum = inner_read_->verifies();
  inner_written_at_begin_.store(written(), std::memory_order_relaxed);
  inner_began_.store(loop().now().time_since_epoch().count(), std::memory_order_relaxed);
  return context().dialect->get(target);
}

void GetPart::start_over() {
  inner_written_.store(0, std::memory_order_relaxed);
  inner_written_before_ = 0;
  inner_crc_ = 0;
}

// ---- the answer ----

Call::Accepted GetPart::accept(const http::ResponseHead& head) {
  auto shape = shape_of_answer(head, inner_asked_);
  if (!shape) return Rejection{std::move(shape).error(), true};
  auto admitted = inner_read_->admit(head, *shape, inner_plan_);
  if (!admitted) {
    const bool once_elsewhere = admitted.error().code == ErrorCode::kProtocol;
    return Rejection{std::move(admitted).error(), once_elsewhere};
  }
  inner_plan_ = std::move(admitted->plan);
  inner_wanted_.store(wanted_bytes(inner_plan_), std::memory_order_relaxed);
  if (!std::exchange(inner_placed_, true)) inner_crc_kind_ = admitted->crc_kind;
  // Starting requests from inside a connection's callback would tangle two lives.
  if (admitted->more) loop().post([read = inner_read_] { read->launch_more(); });
  http::IntoMemory memory;
  if (shape->skip > 0) {
    count(counters().bytes_discarded, shape->skip);
    memory.segments.emplace_back(static_cast<std::byte*>(nullptr), shape->skip);
  }
  const PartPlan rest = rest_of(inner_plan_, written());
  for (const Segment& segment : rest.segments) {
    if (segment.data == nullptr) count(counters().bytes_discarded, segment.size);
    memory.segments.emplace_back(segment.data, segment.size);
  }
  return memory;
}

void GetPart::received(std::span<const std::byte> bytes) {
  if (inner_crc_kind_ != ChecksumKind::kNone) inner_crc_ = crc_update(inner_crc_kind_, inner_crc_, bytes);
  inner_written_.store(written() + bytes.size(), std::memory_order_relaxed);
}

std::optional<ServiceError> GetPart::conclude(http::Outcome&) {
  const Progress all = progress(loop().now());
  inner_began_.store(0, std::memory_order_relaxed);
  if (all.bytes > 0 && all.elapsed.count() > 0) inner_mean_rate_ = all.rate();
  const uint64_t wanted = inner_wanted_.load(std::memory_order_relaxed);
  if (written() == wanted) return std::nullopt;
  Error error = make_error(ErrorCode::kConnection, "the body ended after " + std::to_string(written()) + " of " +
                                                       std::to_string(wanted) + " bytes");
  return ServiceError{std::move(error), Verdict::kRetry};
}

bool GetPart::has_all() const { return inner_placed_ && written() == inner_wanted_.load(std::memory_order_relaxed); }

bool GetPart::moved() {
  inner_began_.store(0, std::memory_order_relaxed);
  const bool enough = written() >= inner_written_before_ + kProgressWorth;
  inner_written_before_ = written();
  return enough;
}

void GetPart::ended(std::optional<Error> error) {
  inner_began_.store(0, std::memory_order_relaxed);
  if (error && error->code == ErrorCode::kPreconditionFailed && error->http_status == 412) {
    error->message = inner_read_->options().if_match == inner_match_
                         ? "the object's etag is not " + inner_match_ + ": " + error->message
                         : "the object changed while being read: " + error->message;
  }
  const auto read = std::move(inner_read_);
  read->part_ended(*this, std::move(error));
}

// ---- stragglers ----

Progress GetPart::progress(net::Clock::time_point now) const {
  Progress progress;
  const int64_t began = inner_began_.load(std::memory_order_relaxed);
  if (began == 0) return progress;
  progress.under_way = true;
  progress.elapsed = now.time_since_epoch() - std::chrono::nanoseconds(began);
  progress.bytes = written() - std::min(written(), inner_written_at_begin_.load(std::memory_order_relaxed));
  const uint64_t wanted = inner_wanted_.load(std::memory_order_relaxed);
  progress.left = wanted - std::min(wanted, written());
  return progress;
}

void GetPart::hedge_soon() {
  loop().post([self = std::static_pointer_cast<GetPart>(shared_from_this())] {
    if (self->inner_hedges_ >= kMostHedges || !self->context().budget.take(kServerCost)) return;
    if (!self->reissue()) return;
    self->inner_began_.store(0, std::memory_order_relaxed);
    ++self->inner_hedges_;
    count(counters().hedges);
  });
}

}  // namespace s3dlio::transfer
