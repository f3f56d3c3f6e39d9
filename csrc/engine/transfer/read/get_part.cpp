#include "engine/transfer/read/get_part.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/stats/stats.h"

namespace s3dlio::transfer {
namespace {

constexpr uint64_t kProgressWorth = 64 << 10;  // bytes that make a failed attempt count as moving
constexpr int kMostHedges = 2;
constexpr uint64_t kMostUnsized = 64ull << 20;  // bytes of an answer that does not say how long it is

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
  // Nobody could promise that the tail belongs to the same object.
  if (written() > 0 && !inner_read_->tells_generations_apart()) start_over();
  // An answer without a length that broke, or was longer than one may be: the answer to a range says how long it is.
  if (inner_unsized_ && std::exchange(inner_plainly_, false)) inner_plan_.end = context().tuning.part_size;
  inner_unsized_.reset();
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
  if (auto error = compressed_on_the_way(head)) return Rejection{std::move(*error), true};
  if (is_unsized(head)) {
    inner_unsized_ = head;
    http::IntoString text;
    text.max_bytes = kMostUnsized;
    return text;
  }
  auto memory = admit(head, false);
  if (memory) return std::move(memory).value();
  const bool once_elsewhere = memory.error().code == ErrorCode::kProtocol && !inner_read_->needs_one_answer();
  return Rejection{std::move(memory).error(), once_elsewhere};
}

// The object is the one being read: where the rest of the part goes.
Result<http::IntoMemory> GetPart::admit(const http::ResponseHead& head, bool all_here) {
  auto shape = shape_of_answer(head, inner_asked_);
  if (!shape) return std::move(shape).error();
  auto admitted = inner_read_->admit(head, *shape, inner_plan_, all_here);
  if (!admitted) return std::move(admitted).error();
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

// The whole object came in chunks, and only now it is known how large it is.
std::optional<ServiceError> GetPart::take_unsized(std::string_view body) {
  http::ResponseHead head = std::move(*inner_unsized_);
  inner_unsized_.reset();
  head.content_length = body.size();
  auto memory = admit(head, true);
  if (!memory) return ServiceError{std::move(memory).error(), Verdict::kFinal};
  for (const auto& segment : memory->segments) {
    if (segment.data() != nullptr && !segment.empty()) {
      std::memcpy(segment.data(), body.data(), segment.size());
      count(counters().bytes_copied, segment.size());
      count(counters().bytes_received, segment.size());
      received(segment);
    }
    body.remove_prefix(segment.size());
  }
  return std::nullopt;
}

std::optional<ServiceError> GetPart::conclude(http::Outcome& outcome) {
  if (inner_unsized_) {
    if (auto error = take_unsized(outcome.text)) return error;
  }
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
  const uint64_t wanted = inner_wanted_.load(std::memory_order_relaxed);
  const uint64_t gained = written() - inner_written_before_;
  // Of a little rest half is enough.
  const bool enough = gained > 0 && gained >= std::min(kProgressWorth, (wanted - inner_written_before_) / 2);
  inner_written_before_ = written();
  return enough && inner_read_->tells_generations_apart();  // else it begins again
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
    if (self->inner_hedges_ >= kMostHedges || !self->reissue()) return;
    self->inner_began_.store(0, std::memory_order_relaxed);
    ++self->inner_hedges_;
    count(counters().hedges);
  });
}

}  // namespace s3dlio::transfer
