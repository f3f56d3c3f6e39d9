// Copies by the service. What is too large for one request is copied part by part, all of them of the same source.
#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/text/http_date.h"
#include "engine/transfer/call/document_call.h"
#include "engine/transfer/call/head_call.h"
#include "engine/transfer/call/patience.h"
#include "engine/transfer/call/running_call.h"
#include "engine/transfer/dialect/etag.h"
#include "engine/transfer/list/objects.h"
#include "engine/transfer/read/plan.h"
#include "engine/transfer/write/put.h"
#include "engine/transfer/write/stored.h"
#include "engine/transfer/write/upload.h"

namespace s3dlio::transfer {
namespace {

constexpr uint64_t kCopyPartSize = 256ull << 20;  // the service moves the bytes: larger parts cost us nothing
constexpr uint32_t kLookAttempts = 4;

// Others (of Outposts, Express, ...) are where an object lies, not what can be asked for anywhere.
bool can_be_asked_for(std::string_view storage_class) {
  constexpr std::array<std::string_view, 7> kClasses{"STANDARD_IA", "ONEZONE_IA",   "INTELLIGENT_TIERING", "GLACIER_IR",
                                                     "GLACIER",     "DEEP_ARCHIVE", "REDUCED_REDUNDANCY"};
  return std::find(kClasses.begin(), kClasses.end(), storage_class) != kClasses.end();
}

class Copy : public std::enable_shared_from_this<Copy> {
 public:
  Copy(std::shared_ptr<Context> context, CopyRequest request, PutOptions options)
      : inner_context_(std::move(context)), inner_request_(std::move(request)), inner_options_(std::move(options)) {}

  Future<PutResult> launch() {
    auto future = inner_promise_.future();
    inner_promise_.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    });
    CallTraits traits = traits_of_copy();
    traits.key = inner_request_.source_bucket.empty() ? inner_request_.source_key : inner_request_.key;
    run(std::make_shared<HeadCall>(
        inner_context_, std::move(traits), inner_request_.source_key,
        [self = shared_from_this()] { return self->inner_context_->dialect->head_source(self->inner_request_); },
        [self = shared_from_this()](Result<ObjectMeta> source, const HeadCall& call) {
          self->inner_asked_at_ = self->time_of(call.told());
          self->take_source(std::move(source));
        }));
    return future;
  }

 private:
  CallTraits traits_of_copy() const {
    CallTraits traits;
    traits.operation = "copy";
    traits.key = inner_request_.key;
    return traits;
  }

  double time_of(const http::ResponseHead& head) const {
    const auto date = text::parse_http_date(head.headers.find("Date").value_or(""));
    const auto now = std::chrono::floor<std::chrono::seconds>(inner_context_->service_now());
    return std::chrono::duration<double>(date.value_or(now).time_since_epoch()).count();
  }

  void run(const std::shared_ptr<Call>& call) { inner_running_.run(call); }

  void take_source(Result<ObjectMeta> source) {
    if (!source) return end(std::move(source).error());
    if (!inner_request_.source_if_match.empty() && !same_etag(inner_request_.source_if_match, source->etag)) {
      return end(
          named(make_error(ErrorCode::kPreconditionFailed,
                           "the source's etag is " + source->etag + ", expected was " + inner_request_.source_if_match),
                *inner_context_, "copy", inner_request_.source_key));
    }
    // What is copied is what was looked at.
    inner_request_.source_if_match = source->etag;
    inner_source_ = std::move(source).value();
    keep_what_the_service_would_not();
    if (inner_source_.size <= inner_context_->limits.max_copy_size) return copy_whole();
    take_over_properties();
  }

  void copy_whole() {
    CallTraits traits = traits_of_copy();
    traits.slow_answer = true;
    traits.one_at_a_time = true;
    inner_patience_.begin(now());
    const auto self = shared_from_this();
    run(std::make_shared<DocumentCall<PutResult>>(
        inner_context_, std::move(traits),
        [self] { return self->inner_context_->dialect->copy(self->inner_request_, self->inner_options_); },
        [self](const http::ResponseHead& head, std::string_view body) -> Reading<PutResult> {
          auto result = self->inner_context_->dialect->read_copy(head, body);
          if (result) return std::move(result).value();
          return self->inner_context_->dialect->read_error_body(body);  // 200 with an error in it
        },
        [self](Result<PutResult> result, const Call& call) { self->take_copy(std::move(result), call); }));
  }

  void take_copy(Result<PutResult> result, const Call& call) {
    if (result) {
      result->size = inner_source_.size;
      return end(std::move(result));
    }
    inner_doubt_ = as_condition(std::move(result).error(), inner_options_);
    inner_may_still_run_ = inner_may_still_run_ || call.may_still_run();
    if (inner_may_still_run_) inner_doubt_.may_have_taken_effect = true;
    if (!inner_may_still_run_ || inner_doubt_.code == ErrorCode::kCancelled) return end(inner_doubt_);
    inner_patience_.lost(inner_doubt_, now(), inner_context_->tuning);
    look();
  }

  // The answer was lost: what stands at the target now?
  void look() {
    CallTraits traits = traits_of_copy();
    traits.max_attempts = kLookAttempts;
    const auto self = shared_from_this();
    run(std::make_shared<HeadCall>(
        inner_context_, std::move(traits), inner_request_.key,
        [self] { return self->inner_context_->dialect->head(self->inner_request_.key, "", true); },
        [self](const Result<ObjectMeta>& target, const Call&) { self->take_target(target); }));
  }

  void take_target(const Result<ObjectMeta>& target) {
    const bool cancelled = !target && target.error().code == ErrorCode::kCancelled;
    const bool conditional = inner_options_.if_none_match || !inner_options_.if_match.empty();
    if (target && !conditional && is_the_copy(*target)) {
      count(counters().completions_recovered);
      return end(result_of(*target));
    }
    net::EventLoop& loop = inner_context_->environment.next_loop();
    if (const auto delay = cancelled ? std::nullopt : inner_patience_.next_look(now(), *inner_context_)) {
      return loop.post(
          [self = shared_from_this(), &loop, delay = *delay] { loop.call_after(delay, [self] { self->look(); }); });
    }
    if (!cancelled && inner_patience_.may_ask_again()) return copy_whole();
    end(inner_doubt_);
  }

  // The source's content, and not older than this copy: what stood there before may have had the same.
  bool is_the_copy(const ObjectMeta& target) const {
    constexpr double kSlack = 2;  // Last-Modified has whole seconds
    if (target.size != inner_source_.size || target.last_modified + kSlack < inner_asked_at_) return false;
    const bool same_checksum = !target.checksum.empty() && target.checksum_kind == inner_source_.checksum_kind &&
                               target.checksum == inner_source_.checksum;
    return same_checksum || same_etag(target.etag, inner_source_.etag);
  }

  net::Clock::time_point now() const { return inner_context_->environment.next_loop().now(); }

  // A copy gets the storage class and the key of its own bucket's default unless they are named.
  void keep_what_the_service_would_not() {
    if (inner_options_.storage_class.empty() && can_be_asked_for(inner_source_.storage_class)) {
      inner_options_.storage_class = inner_source_.storage_class;
    }
    if (inner_source_.server_side_encryption.starts_with("aws:kms")) {
      inner_options_.server_side_encryption = inner_source_.server_side_encryption;
      inner_options_.sse_kms_key_id = inner_source_.sse_kms_key_id;
    }
  }

  // An upload in parts begins blank: what a plain copy takes along has to be given.
  void take_over_properties() {
    const bool replaces = !inner_options_.content_type.empty() || !inner_options_.content_encoding.empty() ||
                          !inner_options_.cache_control.empty() || !inner_options_.content_disposition.empty() ||
                          !inner_options_.user_metadata.empty();
    if (!replaces) {
      inner_options_.content_type = inner_source_.content_type;
      inner_options_.content_encoding = inner_source_.content_encoding;
      inner_options_.cache_control = inner_source_.cache_control;
      inner_options_.content_disposition = inner_source_.content_disposition;
      inner_options_.content_language = inner_source_.content_language;
      inner_options_.expires = inner_source_.expires;
      inner_options_.user_metadata = inner_source_.user_metadata;
    }
    if (inner_source_.tags == 0) return copy_in_parts();
    const auto self = shared_from_this();
    run(std::make_shared<DocumentCall<std::string>>(
        inner_context_, traits_of_copy(),
        [self] { return self->inner_context_->dialect->source_tags(self->inner_request_); },
        [self](const http::ResponseHead&, std::string_view body) {
          return reading_of(self->inner_context_->dialect->read_tags(body));
        },
        [self](Result<std::string> tags, const Call&) {
          if (!tags) {
            Error error = std::move(tags).error();
            error.message = "the source has " + std::to_string(self->inner_source_.tags) +
                            " tags, which a copy in parts has to read: " + error.message;
            return self->end(std::move(error));
          }
          self->inner_options_.tagging = std::move(tags).value();
          self->copy_in_parts();
        }));
  }

  void copy_in_parts() {
    const ObjectMeta& source = inner_source_;
    if (source.etag.empty() && inner_request_.source_version_id.empty()) {
      return end(named(make_error(ErrorCode::kUnsupported,
                                  "the source has no ETag: its parts could be copied from different generations of it"),
                       *inner_context_, "copy", inner_request_.source_key));
    }
    const Limits& limits = inner_context_->limits;
    const uint64_t wanted = std::min(inner_options_.part_size.value_or(kCopyPartSize), limits.max_copy_size);
    const uint64_t part_size = upload_part_size(source.size, wanted, limits);
    if (part_size == 0) {
      return end(named(
          make_error(ErrorCode::kInvalidArgument, std::to_string(source.size) + " bytes are more than the store takes"),
          *inner_context_, "copy", inner_request_.key));
    }
    const auto self = shared_from_this();
    auto upload = std::make_shared<Upload>(
        inner_context_, "copy", inner_request_.key, inner_options_,
        [self](Result<PutResult> result) { self->end(std::move(result)); }, [](bool) {}, inner_request_);
    {
      std::lock_guard lock(inner_mutex_);
      inner_upload_ = upload;
    }
    const bool taken_back = inner_running_.release();  // asked only now: who takes it back later finds the upload
    upload->begin();
    for (uint64_t start = 0; start < source.size; start += part_size) {
      upload->feed_copy(ByteRange::make(start, std::min(source.size, start + part_size)).value());
    }
    upload->complete();
    if (taken_back) upload->fail(cancelled());
  }

  Error cancelled() const {
    return named(make_error(ErrorCode::kCancelled, "cancelled"), *inner_context_, "copy", inner_request_.key);
  }

  void cancel() {
    count(counters().cancelled);
    inner_running_.take_back();
    std::shared_ptr<Upload> upload;
    {
      std::lock_guard lock(inner_mutex_);
      upload = inner_upload_;
    }
    if (upload) upload->fail(cancelled());
  }

  void end(Result<PutResult> result) {
    inner_running_.release();
    {
      std::lock_guard lock(inner_mutex_);
      inner_upload_.reset();  // it holds us
    }
    inner_promise_.set(std::move(result));
  }

  const std::shared_ptr<Context> inner_context_;
  ObjectMeta inner_source_;
  double inner_asked_at_ = 0;  // by the service's clock, seconds since the epoch
  Patience inner_patience_;
  Error inner_doubt_;  // the copy failed, but may have been carried out
  bool inner_may_still_run_ = false;
  CopyRequest inner_request_;
  PutOptions inner_options_;
  Promise<PutResult> inner_promise_;
  RunningCall inner_running_;
  std::mutex inner_mutex_;                // guards what follows
  std::shared_ptr<Upload> inner_upload_;  // of a copy in parts
};

}  // namespace

Future<PutResult> copy(std::shared_ptr<Context> context, CopyRequest request, PutOptions options) {
  return std::make_shared<Copy>(std::move(context), std::move(request), std::move(options))->launch();
}

}  // namespace s3dlio::transfer
