#include "engine/transfer/write/upload.h"

#include <algorithm>
#include <utility>

#include "engine/base/log.h"
#include "engine/stats/stats.h"
#include "engine/transfer/call/head_call.h"
#include "engine/transfer/dialect/etag.h"
#include "engine/transfer/list/objects.h"
#include "engine/transfer/write/upload_call.h"

namespace s3dlio::transfer {
namespace {

constexpr std::chrono::seconds kAbortLimit(10);
constexpr uint32_t kAbortAttempts = 3;

bool is_conditional(const PutOptions& options) { return options.if_none_match || !options.if_match.empty(); }

// Where no checksum can prove whose object is there, and where the same content may be another's.
PutOptions with_write_id(PutOptions options, ChecksumKind kind) {
  if (kind == ChecksumKind::kNone || is_conditional(options)) options.write_id = make_write_id();
  return options;
}

}  // namespace

Upload::Upload(std::shared_ptr<Context> context, std::string_view operation, std::string key, PutOptions options,
               Ended ended, PartSent part_sent, std::optional<CopyRequest> copy_from)
    : inner_context_(std::move(context)),
      inner_operation_(operation),
      inner_key_(std::move(key)),
      inner_copy_from_(std::move(copy_from)),
      inner_kind_(inner_copy_from_ ? ChecksumKind::kNone : inner_context_->tuning.upload_checksum),
      inner_options_(with_write_id(std::move(options), inner_kind_)),
      inner_tell_ended_(std::move(ended)),
      inner_tell_sent_(std::move(part_sent)) {
  inner_whole_.kind = inner_kind_;
}

// ---- what the feeder does ----

void Upload::begin() {
  CallPtr call;
  {
    std::lock_guard lock(inner_mutex_);
    if (inner_error_) return;
    call = start_call();
    inner_calls_.add(call);
  }
  call->launch();
}

void Upload::feed(std::span<const std::byte> data, Buffer owner) {
  step(nullptr, [&] { feed_locked({0, data, std::move(owner), std::nullopt}, data.size()); });
}

void Upload::feed_copy(ByteRange source) {
  step(nullptr, [&] { feed_locked({0, {}, Buffer(), source}, source.size()); });
}

void Upload::feed_locked(Waiting waiting, uint64_t size) {
  if (inner_last_number_ == inner_context_->limits.max_parts) {
    fail_locked(named(make_error(ErrorCode::kInvalidArgument,
                                 "the object needs more than " + std::to_string(inner_context_->limits.max_parts) +
                                     " parts of " + std::to_string(inner_size_ / inner_last_number_) +
                                     " bytes; give its size beforehand (expected_size) or a larger part_size" +
                                     (keeps_parts_equal(*inner_context_)
                                          ? ", for parts of equal size do not grow (equal_parts, or the service's rule)"
                                          : "")),
                      *inner_context_, inner_operation_, inner_key_));
  }
  waiting.number = ++inner_last_number_;
  inner_waiting_.push_back(std::move(waiting));
  inner_size_ += size;
}

void Upload::complete() {
  step(nullptr, [this] { inner_all_fed_ = true; });
}

void Upload::fail(Error reason) {
  step(nullptr, [&] {
    if (inner_state_ >= State::kCompleting && inner_state_ <= State::kChecking) reason.may_have_taken_effect = true;
    fail_locked(std::move(reason));
  });
}

std::optional<Error> Upload::failure() const {
  std::lock_guard lock(inner_mutex_);
  return inner_error_;
}

void Upload::fail_locked(Error reason) {
  if (inner_error_ || inner_state_ >= State::kAborting) return;
  inner_error_ = std::move(reason);
  if (inner_state_ == State::kCompleting) return;  // its answer is waited for: nothing is aborted while in doubt
  // A start that is under way is waited for: only its answer names the upload that must be aborted.
  if (inner_state_ != State::kStarting) inner_calls_.cancel_all();
}

// ---- one step at a time ----

void Upload::step(const Call* call, const std::function<void()>& note) {
  std::vector<CallPtr> calls;
  std::deque<Waiting> dropped;  // freed outside the lock
  std::vector<bool> to_tell;
  Ended tell_ended;
  std::optional<Result<PutResult>> result;
  {
    std::lock_guard lock(inner_mutex_);
    if (call) inner_calls_.remove(call);
    note();
    if (inner_error_ && !inner_waiting_.empty()) {
      dropped.swap(inner_waiting_);
      for (const Waiting& waiting : dropped) inner_to_tell_.push_back(waiting.owner.size() == 0);
    }
    calls = next_locked();
    to_tell.swap(inner_to_tell_);
    // A caller who took the call back does not wait for the clean-up; nothing reads the payload any more.
    const bool cleaning = inner_state_ >= State::kCompleting || inner_state_ == State::kStarting;
    const bool taken_back = inner_error_ && inner_error_->code == ErrorCode::kCancelled && cleaning;
    if (inner_state_ == State::kEnded) inner_clean_up_.reset();
    if ((inner_state_ == State::kEnded || taken_back) && !std::exchange(inner_told_, true)) {
      if (inner_state_ != State::kEnded) inner_clean_up_.emplace();
      tell_ended = std::move(inner_tell_ended_);
      result = inner_error_ ? Result<PutResult>(*inner_error_) : Result<PutResult>(std::move(inner_result_));
    }
  }
  for (const CallPtr& each : calls) each->launch();
  for (const bool lent : to_tell) inner_tell_sent_(lent);
  if (tell_ended) tell_ended(std::move(*result));
}

std::vector<Upload::CallPtr> Upload::next_locked() {
  std::vector<CallPtr> calls;
  const auto asked_for = std::exchange(inner_enter_, std::nullopt);
  if (asked_for && (!inner_error_ || *asked_for == State::kDeleting)) {
    enter_locked(*asked_for, calls);
  } else if (inner_error_) {
    const bool over = inner_state_ >= State::kDeleting;
    // What runs has been told to stop; the clean-up comes after the last of it.
    const bool nothing_to_abort = inner_id_.empty() || inner_leave_;
    if (!over && inner_calls_.empty()) enter_locked(nothing_to_abort ? State::kEnded : State::kAborting, calls);
  } else if (inner_state_ == State::kFeeding) {
    calls = next_parts_locked();
    if (calls.empty() && inner_calls_.empty() && inner_all_fed_) enter_locked(State::kCompleting, calls);
  }
  return calls;
}

std::vector<Upload::CallPtr> Upload::next_parts_locked() {
  std::vector<CallPtr> calls;
  const size_t most = inner_context_->window.request_limit() + 2;
  while (!inner_waiting_.empty() && inner_calls_.size() < most) {
    Waiting next = std::move(inner_waiting_.front());
    inner_waiting_.pop_front();
    calls.push_back(next.source ? copy_call(next.number, *next.source) : part_call(std::move(next)));
    inner_calls_.add(calls.back());
  }
  return calls;
}

void Upload::enter_locked(State state, std::vector<CallPtr>& calls) {
  inner_state_ = state;
  CallPtr call;
  switch (state) {
    case State::kCompleting:
      call = completion_call();
      break;
    case State::kRecovering:
      call = head_call("", &Upload::take_recovery);
      break;
    case State::kChecking:
      call = head_call(inner_result_.version_id, &Upload::take_check);
      break;
    case State::kDeleting:
      call = delete_call();
      break;
    case State::kAborting:
      call = abort_call();
      break;
    default:
      return;
  }
  inner_calls_.add(call);
  calls.push_back(std::move(call));
}

// ---- what the answers say ----

void Upload::take_id(Result<std::string> id) {
  if (!id) return fail_locked(std::move(id).error());
  inner_id_ = std::move(id).value();
  inner_state_ = State::kFeeding;
}

void Upload::take_part(Result<UploadedPart> part, bool lent) {
  inner_to_tell_.push_back(lent);
  if (!part) return fail_locked(std::move(part).error());
  inner_parts_.push_back(std::move(part).value());
}

void Upload::take_completion(Result<PutResult> result, const Call& call) {
  if (result) {
    inner_error_.reset();  // it is done: too late to take it back
    inner_result_ = std::move(result).value();
    inner_result_.size = inner_size_;
    if (inner_result_.checksum.empty() && inner_whole_.kind != ChecksumKind::kNone) {
      inner_result_.checksum_kind = inner_whole_.kind;
      inner_result_.checksum = crc_to_base64(inner_whole_.kind, inner_whole_.value);
    }
    inner_enter_ = State::kChecking;
    return;
  }
  inner_may_still_run_ = inner_may_still_run_ || call.may_still_run();
  inner_leave_ = inner_may_still_run_;
  Error error = as_condition(std::move(result).error(), inner_options_);
  const bool in_doubt = call.was_ambiguous() || inner_may_still_run_;
  // Refused by the service before it did anything. Or nobody waits for the answer any more.
  if (!in_doubt || inner_error_) return fail_locked(std::move(error));
  inner_doubt_ = std::move(error);
  inner_doubt_->may_have_taken_effect = true;
  inner_patience_.lost(*inner_doubt_, inner_context_->environment.next_loop().now(), inner_context_->tuning);
  inner_enter_ = State::kRecovering;
}

Match Upload::match(const ObjectMeta& stored) const {
  StoredExpectation expected;
  expected.size = inner_size_;
  expected.checksum = inner_whole_;
  expected.etag = inner_context_->dialect->etag_of_parts(inner_parts_);
  expected.write_id = inner_options_.write_id;
  expected.conditional = is_conditional(inner_options_);
  return match_of(stored, expected);
}

void Upload::take_recovery(const Result<ObjectMeta>& stored) {
  if (inner_error_) return;
  const Match found = stored ? match(*stored) : Match::kUnknown;
  if (found == Match::kOurs) {
    count(counters().completions_recovered);
    inner_result_ = result_of(*stored);
    inner_state_ = State::kEnded;
    return;
  }
  // The condition met another's object: it did not hold for an attempt without an answer either.
  const bool lost_race = found == Match::kNotOurs && is_conditional(inner_options_) && inner_doubt_->http_status == 412;
  if (lost_race) return end_in_doubt(false);
  const bool absent = found == Match::kNotOurs || (!stored && stored.error().code == ErrorCode::kNotFound);
  if (!inner_may_still_run_) return end_in_doubt(!absent);
  if (look_again_locked()) return;
  if (absent && inner_patience_.may_ask_again()) {
    inner_enter_ = State::kCompleting;
    return;
  }
  end_in_doubt(true);
}

// The service may still be putting it together. False: it was waited for long enough.
bool Upload::look_again_locked() {
  net::EventLoop& loop = inner_context_->environment.next_loop();
  const auto delay = inner_patience_.next_look(loop.now(), *inner_context_);
  if (!delay) return false;
  loop.post([self = shared_from_this(), &loop, delay = *delay] {
    loop.call_after(delay, [self] {
      self->step(nullptr, [&] {
        if (self->inner_state_ == State::kRecovering && !self->inner_error_) self->inner_enter_ = State::kRecovering;
      });
    });
  });
  return true;
}

// `stands`: the completion may have been carried out, or still be.
void Upload::end_in_doubt(bool stands) {
  Error error = std::move(*inner_doubt_);
  error.may_have_taken_effect = stands;
  inner_leave_ = stands && inner_may_still_run_;
  if (inner_leave_) {
    error.message +=
        "; its upload was not aborted, because it may still be completed: sweep_uploads removes it once it is old";
  }
  inner_error_ = std::move(error);
}

void Upload::take_check(const Result<ObjectMeta>& stored) {
  inner_state_ = State::kEnded;
  // Not being allowed to look is no failure of the upload; and what another has written since is none of ours.
  const bool ours = stored && same_etag(stored->etag, inner_result_.etag);
  if (!stored || (!ours && !stored->etag.empty() && !inner_result_.etag.empty())) return;
  const auto difference = difference_of(*stored, inner_size_, inner_whole_);
  if (!difference) return;
  Error error = make_error(ErrorCode::kIntegrity,
                           "what the service stored is not what was sent: " + *difference +
                               (ours ? "; the bad object is removed" : "; it was not removed, it may be another's"));
  inner_result_.version_id = stored->version_id;
  error.may_have_taken_effect = true;
  inner_error_ = named(std::move(error), *inner_context_, inner_operation_, inner_key_);
  if (ours) inner_enter_ = State::kDeleting;
}

// ---- the requests ----

CallTraits Upload::traits() const {
  CallTraits traits;
  traits.operation = inner_operation_;
  traits.key = inner_key_;
  traits.invisible = true;
  return traits;
}

Upload::CallPtr Upload::start_call() {
  const auto self = shared_from_this();
  return std::make_shared<DocumentCall<std::string>>(
      inner_context_, traits(),
      [self] {
        return self->inner_context_->dialect->start_upload(self->inner_key_, self->inner_options_, self->inner_kind_);
      },
      [self](const http::ResponseHead&, std::string_view body) {
        return reading_of(self->inner_context_->dialect->read_upload_id(body));
      },
      [self](Result<std::string> id, const Call& call) { self->step(&call, [&] { self->take_id(std::move(id)); }); });
}

Upload::CallPtr Upload::part_call(Waiting waiting) {
  const auto self = shared_from_this();
  auto the_traits = traits();
  the_traits.bytes = waiting.data.size();
  const UploadTarget target{inner_key_, inner_id_};
  const uint32_t number = waiting.number;
  const uint64_t size = waiting.data.size();
  const bool lent = waiting.owner.size() == 0;
  return std::make_shared<UploadCall<UploadedPart>>(
      inner_context_, std::move(the_traits), waiting.data, std::move(waiting.owner), inner_kind_,
      [self, target, number, sent = false](const Checksum& checksum) mutable {
        if (std::exchange(sent, true)) count(counters().upload_parts_resent);
        return self->inner_context_->dialect->upload_part(target, number, checksum);
      },
      [self](const http::ResponseHead& head, std::string_view body) -> Reading<UploadedPart> {
        auto part = self->inner_context_->dialect->read_part(head, body);
        if (part) return std::move(part).value();
        return ServiceError{std::move(part).error(), Verdict::kFinal};  // without an etag it can never be completed
      },
      [self, number, size, lent](Result<UploadedPart> part, const Call& call, const Checksum& checksum) {
        if (part) {
          part->number = number;
          part->size = size;
          part->checksum = checksum;
        }
        self->step(&call, [&] { self->take_part(std::move(part), lent); });
      });
}

Upload::CallPtr Upload::copy_call(uint32_t number, ByteRange source) {
  const auto self = shared_from_this();
  auto the_traits = traits();
  the_traits.slow_answer = true;
  return std::make_shared<DocumentCall<UploadedPart>>(
      inner_context_, std::move(the_traits),
      [self, number, source] {
        return self->inner_context_->dialect->copy_part({self->inner_key_, self->inner_id_}, number,
                                                        *self->inner_copy_from_, source);
      },
      [self](const http::ResponseHead& head, std::string_view body) -> Reading<UploadedPart> {
        auto part = self->inner_context_->dialect->read_part(head, body);
        if (part) return std::move(part).value();
        return self->inner_context_->dialect->read_error_body(body);
      },
      [self, number, source](Result<UploadedPart> part, const Call& call) {
        if (part) {
          part->number = number;
          part->size = source.size();
        }
        self->step(&call, [&] { self->take_part(std::move(part), false); });
      });
}

Checksum Upload::checksum_of_whole() {
  Checksum whole{inner_kind_, 0};
  if (inner_kind_ == ChecksumKind::kNone) return whole;
  for (const UploadedPart& part : inner_parts_)
    whole.value = crc_combine(inner_kind_, whole.value, part.checksum.value, part.size);
  return whole;
}

Upload::CallPtr Upload::completion_call() {
  std::sort(inner_parts_.begin(), inner_parts_.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  inner_whole_ = checksum_of_whole();
  inner_patience_.begin(inner_context_->environment.next_loop().now());
  const auto self = shared_from_this();
  auto the_traits = traits();
  the_traits.slow_answer = true;        // the service may put gigabytes together first
  the_traits.conflict_is_final = true;  // the parts are void then; only a new upload helps
  the_traits.one_at_a_time = true;
  the_traits.invisible = false;
  return std::make_shared<DocumentCall<PutResult>>(
      inner_context_, std::move(the_traits),
      // The parts do not change any more: nothing else runs.
      [self] {
        return self->inner_context_->dialect->complete_upload({self->inner_key_, self->inner_id_}, self->inner_parts_,
                                                              self->inner_options_, self->inner_whole_);
      },
      [self](const http::ResponseHead& head, std::string_view body) -> Reading<PutResult> {
        auto result = self->inner_context_->dialect->read_complete(head, body);
        if (result) return std::move(result).value();
        return self->inner_context_->dialect->read_error_body(body);  // 200 with an error in it
      },
      [self](Result<PutResult> result, const Call& call) {
        self->step(&call, [&] { self->take_completion(std::move(result), call); });
      });
}

Upload::CallPtr Upload::head_call(std::string version_id, void (Upload::*take)(const Result<ObjectMeta>&)) {
  const auto self = shared_from_this();
  auto the_traits = traits();
  the_traits.max_attempts = 4;
  return std::make_shared<HeadCall>(
      inner_context_, std::move(the_traits), inner_key_,
      [self, version_id = std::move(version_id)] {
        return self->inner_context_->dialect->head(self->inner_key_, version_id,
                                                   self->inner_kind_ != ChecksumKind::kNone);
      },
      [self, take](Result<ObjectMeta> stored, const Call& call) {
        self->step(&call, [&] { ((*self).*take)(stored); });
      });
}

Upload::CallPtr Upload::delete_call() {
  const auto self = shared_from_this();
  auto the_traits = traits();
  the_traits.urgent = true;
  the_traits.max_attempts = kAbortAttempts;
  return std::make_shared<DocumentCall<Unit>>(
      inner_context_, std::move(the_traits),
      [self] { return self->inner_context_->dialect->delete_one(self->inner_key_, self->inner_result_.version_id); },
      [](const http::ResponseHead&, std::string_view) -> Reading<Unit> { return Unit(); },
      [self](Result<Unit> result, const Call& call) {
        self->step(&call, [&] {
          self->inner_state_ = State::kEnded;
          if (!result) self->inner_error_->message += " (which failed: " + result.error().message + ")";
          if (result) self->inner_error_->may_have_taken_effect = false;
        });
      });
}

Upload::CallPtr Upload::abort_call() {
  const auto self = shared_from_this();
  auto the_traits = traits();
  the_traits.urgent = true;
  the_traits.max_attempts = kAbortAttempts;
  the_traits.time_limit = kAbortLimit;
  return std::make_shared<DocumentCall<Unit>>(
      inner_context_, std::move(the_traits),
      [self] { return self->inner_context_->dialect->abort_upload({self->inner_key_, self->inner_id_}); },
      [](const http::ResponseHead&, std::string_view) -> Reading<Unit> { return Unit(); },
      [self](Result<Unit> result, const Call& call) {
        if (result) {
          count(counters().uploads_aborted);
        } else if (result.error().code != ErrorCode::kNotFound) {
          log(LogLevel::kWarning, "an upload to " + result.error().uri +
                                      " could not be aborted, sweep_uploads will find it: " + result.error().message);
        }
        self->step(&call, [&] { self->inner_state_ = State::kEnded; });
      });
}

}  // namespace s3dlio::transfer
