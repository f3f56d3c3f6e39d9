#include "engine/transfer/read/read.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/transfer/call/document_call.h"
#include "engine/transfer/call/head_call.h"
#include "engine/transfer/dialect/etag.h"
#include "engine/transfer/read/get_part.h"

namespace s3dlio::transfer {
namespace {

constexpr std::chrono::milliseconds kWatchEvery(50);
constexpr size_t kFewestWatched = 5;  // parts of one read worth comparing
constexpr int kMostRefetches = 2;
constexpr uint64_t kMostBetween = 64ull << 20;  // bytes between ranges, thrown away where one answer must hold all

// S3 puts CRC64NVME on what came without a checksum; a better guess than none while the answer is on its way.
constexpr ChecksumKind kLikelyKind = ChecksumKind::kCrc64Nvme;

Error changed_error(std::string what) {
  return make_error(ErrorCode::kPreconditionFailed, "the object changed while being read: " + std::move(what));
}

// Up to this size an object is one request: half a part more is no reason for a second.
uint64_t single_request_size(const Tuning& tuning) { return tuning.part_size + tuning.part_size / 2; }

}  // namespace

Read::Read(std::shared_ptr<Context> context, std::string_view operation, std::string key, GetOptions options,
           uint64_t start, uint64_t end)
    : inner_context_(std::move(context)),
      inner_operation_(operation),
      inner_key_(std::move(key)),
      inner_options_(std::move(options)),
      inner_verify_(inner_options_.verify.value_or(inner_context_->tuning.verify) == Verify::kWhenSupported),
      inner_start_(start),
      inner_end_(end) {}

// ---- the first request, and those that follow ----

// A request without a range brings the stored checksum along, and any small object is done with it. A large object of
// known size is better asked for in ranges from the start, as the connection is lost when the rest of a body is left
// unread.
bool Read::asks_plainly() const {
  if (scattered() || inner_start_ != 0) return false;
  const uint64_t small = single_request_size(inner_context_->tuning);
  if (inner_options_.size_hint) return *inner_options_.size_hint <= small && inner_end_ >= *inner_options_.size_hint;
  return inner_end_ == UINT64_MAX;
}

PartPlan Read::first_plan(bool plainly) {
  if (scattered()) return first_scattered();
  if (plainly) return {0, UINT64_MAX, {}};
  const Tuning& tuning = inner_context_->tuning;
  const uint64_t size = inner_end_ - inner_start_;
  return {inner_start_, inner_start_ + (size <= single_request_size(tuning) ? size : tuning.part_size), {}};
}

void Read::start() {
  std::shared_ptr<GetPart> first;
  {
    std::lock_guard lock(inner_mutex_);
    if (!inner_error_) {
      inner_asked_plainly_ = asks_plainly();
      first = add_part_locked(first_plan(inner_asked_plainly_), inner_asked_plainly_, false);
    }
  }
  if (!first) return finish();
  first->launch();
}

std::shared_ptr<GetPart> Read::add_part_locked(PartPlan plan, bool plainly, bool fresh) {
  CallTraits traits;
  traits.operation = inner_operation_;
  traits.key = inner_key_;
  traits.bytes = plainly ? std::min(inner_options_.size_hint.value_or(inner_context_->tuning.part_size),
                                    single_request_size(inner_context_->tuning))
                         : plan.end - plan.start;
  auto part =
      std::make_shared<GetPart>(inner_context_, std::move(traits), shared_from_this(), std::move(plan), plainly, fresh);
  inner_calls_.add(part);
  inner_parts_.push_back(part.get());
  return part;
}

Read::Calls Read::next_calls_locked() {
  Calls calls;
  if (inner_error_) return calls;
  // A few more than the window lets through, so that it is seen to be the limit; not all, so that other reads get their
  // turn.
  const size_t most = inner_context_->window.request_limit() + 2;
  while (!inner_pending_.empty() && inner_parts_.size() < most) {
    PartPlan plan = std::move(inner_pending_.back());
    inner_pending_.pop_back();
    calls.push_back(add_part_locked(std::move(plan), false, inner_fresh_));
  }
  return calls;
}

void Read::launch_more() {
  Calls calls;
  bool watch = false;
  {
    std::lock_guard lock(inner_mutex_);
    if (inner_calls_.empty()) return;  // it ended in the meantime
    calls = side_calls_locked();
    watch = inner_context_->tuning.hedge && !inner_watching_ &&
            inner_parts_.size() + inner_pending_.size() >= kFewestWatched;
    inner_watching_ |= watch;
    for (auto& call : next_calls_locked()) calls.push_back(std::move(call));
  }
  for (const auto& call : calls) call->launch();
  if (watch) watch_for_stragglers();
}

// What else is asked about the object, next to its parts; once.
Read::Calls Read::side_calls_locked() {
  Calls calls;
  const bool checksum = std::exchange(inner_checksum_wanted_, false);
  const bool size = std::exchange(inner_size_doubted_, false);
  if (inner_error_) return calls;
  if (checksum) calls.push_back(checksum_call());
  if (size) calls.push_back(size_call());
  for (const auto& call : calls) inner_calls_.add(call);
  return calls;
}

// ---- admitting an answer ----

std::string Read::etag_to_match() const {
  std::lock_guard lock(inner_mutex_);
  return inner_facts_ && !inner_facts_->etag.empty() ? inner_facts_->etag : inner_options_.if_match;
}

bool Read::tells_generations_apart() const {
  if (!inner_options_.version_id.empty()) return true;
  std::lock_guard lock(inner_mutex_);
  return inner_facts_ && !inner_facts_->etag.empty();
}

bool Read::needs_one_answer() const {
  std::lock_guard lock(inner_mutex_);
  return inner_one_answer_ == OneAnswer::kNeeded;
}

Result<Read::Admitted> Read::admit(const http::ResponseHead& head, const BodyShape& shape, PartPlan planned,
                                   bool all_here) {
  std::lock_guard lock(inner_mutex_);
  if (inner_error_) return *inner_error_;
  Admitted admitted;
  if (!inner_facts_) {
    auto placed = admit_first_locked(head, shape, std::move(planned), all_here);
    if (!placed) return std::move(placed).error();
    admitted.plan = std::move(placed).value();
    admitted.more = inner_checksum_wanted_ || inner_size_doubted_ || !inner_pending_.empty();
  } else {
    if (auto error = check_facts(head, shape)) return std::move(*error);
    trim(planned, inner_facts_->total);
    admitted.plan = std::move(planned);
  }
  admitted.crc_kind = inner_crc_kind_;
  return admitted;
}

std::optional<Error> Read::check_facts(const http::ResponseHead& head, const BodyShape& shape) const {
  const std::string_view etag = head.headers.find("ETag").value_or("");
  if (etag != inner_facts_->etag && !same_etag(etag, inner_facts_->etag)) {
    return changed_error("its etag was " + inner_facts_->etag + " and is now " + std::string(etag));
  }
  const std::string_view modified = head.headers.find("Last-Modified").value_or("");
  if (etag.empty() && modified != inner_facts_->modified) {
    return changed_error("it was last modified " + inner_facts_->modified + " and is now of " + std::string(modified));
  }
  if (shape.total != inner_facts_->total) {
    return make_error(ErrorCode::kProtocol, "the same object has " + std::to_string(shape.total) +
                                                " bytes in this answer and " + std::to_string(inner_facts_->total) +
                                                " in an earlier one");
  }
  return std::nullopt;
}

Result<PartPlan> Read::admit_first_locked(const http::ResponseHead& head, const BodyShape& shape, PartPlan planned,
                                          bool all_here) {
  std::string etag(head.headers.find("ETag").value_or(""));
  if (!inner_options_.if_match.empty() && inner_options_.if_match != "*" && !same_etag(etag, inner_options_.if_match)) {
    return make_error(ErrorCode::kPreconditionFailed,
                      "the object's etag is " + etag + ", expected was " + inner_options_.if_match);
  }
  const uint64_t end = std::min(inner_end_, shape.total);
  const bool may_be_several = !etag.empty() || !inner_options_.version_id.empty();
  if (scattered()) {
    auto rest = rest_scattered(shape.total);
    if (!rest) return std::move(rest).error();
    if (!rest->empty() && !may_be_several) return needs_one_answer_locked(shape.total);
    inner_pending_ = std::move(rest).value();
    trim(planned, shape.total);
  } else {
    const Tuning& tuning = inner_context_->tuning;
    uint64_t first_end = std::min(planned.end, end);
    const bool cuts = planned.end == UINT64_MAX && !all_here && may_be_several;
    if (cuts && end > single_request_size(tuning)) first_end = tuning.part_size;
    if (first_end < end && !may_be_several) return needs_one_answer_locked(shape.total);
    auto memory = prepare(end - inner_start_);
    if (!memory) return std::move(memory).error();
    planned.end = first_end;
    planned.segments.clear();
    if (first_end > planned.start) planned.segments.push_back({*memory, first_end - planned.start});
    if (first_end < end) {
      inner_pending_ = cut_parts(first_end, end, *memory + (first_end - inner_start_), tuning.part_size,
                                 stored_part_size(etag, shape.total));
      std::reverse(inner_pending_.begin(), inner_pending_.end());
    }
  }
  inner_end_ = end;
  inner_facts_ = Facts{shape.total, std::move(etag), {}};
  if (inner_facts_->etag.empty()) inner_facts_->modified = head.headers.find("Last-Modified").value_or("");
  if (wants_meta()) {
    inner_meta_ = inner_context_->dialect->read_meta(inner_key_, head, shape.total);
  }
  choose_checksum_locked(head);
  // Bytes that were compressed when they were stored, or just now by something in between? Where neither a checksum nor
  // a listing will tell, the object's size does.
  inner_size_doubted_ = head.status == 200 && is_compressed(head) && inner_expected_.kind == ChecksumKind::kNone &&
                        inner_options_.size_hint != shape.total;
  return planned;
}

// Asked for a piece of an object whose pieces nobody could put together again: ask for all of it at once.
Error Read::needs_one_answer_locked(uint64_t total) {
  const bool again = inner_one_answer_ != OneAnswer::kNo;
  if (again) return changed_error("it has " + std::to_string(total) + " bytes now");
  inner_one_answer_ = OneAnswer::kNeeded;
  inner_one_end_ = std::min(inner_end_, total);
  return make_error(ErrorCode::kProtocol, "the service gives no ETag");
}

Result<PartPlan> Read::plan_of_one_answer_locked() {
  inner_one_answer_ = OneAnswer::kAsked;
  if (!scattered()) return PartPlan{inner_start_, inner_one_end_, {}};
  PartPlan plan = all_scattered();
  const uint64_t between = plan.end - plan.start - wanted_bytes(plan);
  if (between <= kMostBetween) return plan;
  Error error = make_error(
      ErrorCode::kUnsupported,
      "the service gives no ETag, so that answers to several requests may come from different generations of the "
      "object, and " +
          std::to_string(between) + " bytes lie between the ranges, more than one request may throw away (" +
          std::to_string(kMostBetween) + "); ask for fewer ranges at once, or name a version");
  error.operation = inner_operation_;
  error.uri = inner_context_->dialect->uri_of(inner_key_);
  return error;
}

void Read::choose_checksum_locked(const http::ResponseHead& head) {
  if (!inner_verify_ || !covers_whole()) return;
  inner_expected_ = inner_context_->dialect->read_checksum(head);
  inner_crc_kind_ = inner_expected_.kind;
  // The answer to a range carries none, or that of a part. One more request is little for an object of several parts.
  if (inner_expected_.kind == ChecksumKind::kNone && !inner_asked_plainly_ && !inner_pending_.empty()) {
    inner_checksum_wanted_ = true;
    inner_crc_kind_ = kLikelyKind;
  }
}

std::shared_ptr<Call> Read::checksum_call() {
  CallTraits traits;
  traits.operation = inner_operation_;
  traits.key = inner_key_;
  traits.max_attempts = 3;
  const auto self = shared_from_this();
  return std::make_shared<DocumentCall<Checksum>>(
      inner_context_, std::move(traits),
      [self] { return self->inner_context_->dialect->head(self->inner_key_, self->inner_options_.version_id, true); },
      [self](const http::ResponseHead& head, std::string_view) -> Reading<Checksum> {
        // The checksum of another generation is none of ours; the parts will notice the change themselves.
        const std::string_view etag = head.headers.find("ETag").value_or("");
        if (etag != self->etag_to_match() && !same_etag(etag, self->etag_to_match())) return Checksum();
        return self->inner_context_->dialect->read_checksum(head);
      },
      [self](Result<Checksum> result, const Call& call) {
        Calls calls;
        bool last = false;
        {
          std::lock_guard lock(self->inner_mutex_);
          self->inner_calls_.remove(&call);
          // It only serves verification: without it the read is as good as the server's word.
          if (result) self->inner_expected_ = *result;
          self->inner_crc_kind_ = self->inner_expected_.kind;
          last = self->inner_calls_.empty();
        }
        if (last) self->finish();
      });
}

std::shared_ptr<Call> Read::size_call() {
  CallTraits traits;
  traits.operation = inner_operation_;
  traits.key = inner_key_;
  traits.max_attempts = 3;
  const auto self = shared_from_this();
  return std::make_shared<HeadCall>(
      inner_context_, std::move(traits), inner_key_,
      [self] { return self->inner_context_->dialect->head(self->inner_key_, self->inner_options_.version_id, false); },
      [self](Result<ObjectMeta> result, const Call& call) {
        bool last = false;
        {
          std::lock_guard lock(self->inner_mutex_);
          self->inner_calls_.remove(&call);
          // Not being allowed to look is no failure; and another generation's size says nothing about ours.
          if (result &&
              (result->etag == self->inner_facts_->etag || same_etag(result->etag, self->inner_facts_->etag)) &&
              result->size != self->inner_facts_->total) {
            Error error = compressed_error(std::to_string(self->inner_facts_->total) + " bytes for an object of " +
                                           std::to_string(result->size));
            error.operation = self->inner_operation_;
            error.uri = self->inner_context_->dialect->uri_of(self->inner_key_);
            self->fail_locked(std::move(error));
          }
          last = self->inner_calls_.empty();
        }
        if (last) self->finish();
      });
}

// ---- the end of a part, and of the read ----

void Read::part_ended(GetPart& part, std::optional<Error> error) {
  Calls calls;
  bool last = false;
  {
    std::lock_guard lock(inner_mutex_);
    inner_calls_.remove(&part);
    std::erase(inner_parts_, &part);
    if (!error) {
      const PartPlan& plan = part.plan();
      const std::byte* data = plan.segments.empty() ? nullptr : plan.segments.front().data;
      inner_received_[plan.start] = {wanted_bytes(plan), data, part.crc_kind(), part.crc()};
      if (inner_watching_ && part.mean_rate() > 0) inner_rates_.push_back(part.mean_rate());
      calls = next_calls_locked();
    } else if (error->code == ErrorCode::kRangeNotSatisfiable && error->http_status == 416 && !inner_facts_ &&
               !inner_error_ && !part.asked_plainly() && part.plan().start == 0) {
      // Nothing can be asked of an empty object by range: ask for all of it, to be sure.
      inner_asked_plainly_ = true;
      PartPlan plan = part.plan();
      if (!scattered()) plan.end = UINT64_MAX;
      calls.push_back(add_part_locked(std::move(plan), true, false));
    } else if (inner_one_answer_ == OneAnswer::kNeeded && !inner_error_) {
      auto plan = plan_of_one_answer_locked();
      if (plan) {
        calls.push_back(add_part_locked(std::move(plan).value(), false, false));
      } else {
        fail_locked(std::move(plan).error());
      }
    } else {
      fail_locked(std::move(*error));
    }
    // The parts may all be through before their first one's loop came to launch what goes next to them.
    if (inner_calls_.empty()) calls = side_calls_locked();
    last = inner_calls_.empty();
  }
  for (const auto& call : calls) call->launch();
  if (last) finish();
}

void Read::fail_locked(Error error) {
  if (!inner_error_) inner_error_ = std::move(error);
  inner_pending_.clear();
  inner_calls_.cancel_all();
}

void Read::cancel() {
  std::lock_guard lock(inner_mutex_);
  if (inner_ended_) return;
  count(counters().cancelled);
  Error error = make_error(ErrorCode::kCancelled, "cancelled");
  error.operation = inner_operation_;
  error.uri = inner_context_->dialect->uri_of(inner_key_);
  fail_locked(std::move(error));
}

// No call runs any more; only cancel() may still come.
void Read::finish() {
  if (inner_verify_ && covers_whole() && !verify_or_refetch()) return;
  std::optional<Error> error;
  {
    std::lock_guard lock(inner_mutex_);
    inner_ended_ = true;
    error = std::move(inner_error_);
  }
  deliver(std::move(error));
}

uint64_t Read::bytes_received() const {
  uint64_t bytes = 0;
  for (const auto& [start, part] : inner_received_) bytes += part.size;
  return bytes;
}

uint64_t Read::checksum_of_all() const {
  const ChecksumKind kind = inner_expected_.kind;
  uint64_t all = 0;
  for (const auto& [start, part] : inner_received_) {
    // A part that was received before the kind was known is read once more, from memory.
    const uint64_t crc = part.kind == kind ? part.crc : crc_update(kind, 0, {part.data, part.size});
    all = start == 0 ? crc : crc_combine(kind, all, crc, part.size);
  }
  return all;
}

// False: it goes on, all parts were asked for again.
bool Read::verify_or_refetch() {
  {
    std::lock_guard lock(inner_mutex_);
    if (inner_error_) return true;
  }
  if (inner_expected_.kind == ChecksumKind::kNone) {
    count(counters().checksums_absent);
    return true;
  }
  const uint64_t seen = checksum_of_all();
  if (seen == inner_expected_.value) {
    count(counters().checksums_verified);
    return true;
  }
  count(counters().checksum_mismatches);
  if (inner_refetches_++ == kMostRefetches || inner_end_ == 0) {
    Error error = make_error(ErrorCode::kChecksumMismatch,
                             std::string(crc_name(inner_expected_.kind)) + " of the bytes received is " +
                                 crc_to_base64(inner_expected_.kind, seen) + ", the service stores " +
                                 crc_to_base64(inner_expected_.kind, inner_expected_.value) + ", also after " +
                                 std::to_string(kMostRefetches) +
                                 " more fetches; the destination's content is invalid. Likely a fault on the way or in "
                                 "the server's memory or disk");
    error.operation = inner_operation_;
    error.uri = inner_context_->dialect->uri_of(inner_key_);
    error.attempts = inner_refetches_;
    std::lock_guard lock(inner_mutex_);
    if (!inner_error_) inner_error_ = std::move(error);
    return true;
  }
  Calls calls;
  {
    std::lock_guard lock(inner_mutex_);
    inner_fresh_ = true;
    inner_crc_kind_ = inner_expected_.kind;
    for (auto part = inner_received_.rbegin(); part != inner_received_.rend(); ++part) {
      // The memory is ours or the caller's, and writable: it is where the part was written before.
      auto* data = const_cast<std::byte*>(part->second.data);
      inner_pending_.push_back({part->first, part->first + part->second.size, {{data, part->second.size}}});
    }
    inner_received_.clear();
    calls = next_calls_locked();
  }
  for (const auto& call : calls) call->launch();
  return calls.empty();
}

// ---- stragglers ----

void Read::watch_for_stragglers() {
  net::EventLoop& loop = inner_context_->environment.next_loop();
  loop.post([weak = weak_from_this(), &loop] {
    if (const auto self = weak.lock()) self->look_for_stragglers(loop);
  });
}

void Read::look_for_stragglers(net::EventLoop& loop) {
  {
    std::lock_guard lock(inner_mutex_);
    if (inner_calls_.empty()) return;
    std::vector<Progress> running;
    for (const GetPart* part : inner_parts_) running.push_back(part->progress(loop.now()));
    for (const size_t index : find_stragglers(running, inner_rates_)) inner_parts_[index]->hedge_soon();
  }
  loop.call_after(kWatchEvery, [weak = weak_from_this(), &loop] {
    if (const auto self = weak.lock()) self->look_for_stragglers(loop);
  });
}

}  // namespace s3dlio::transfer
