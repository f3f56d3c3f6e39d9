// Copies by the service. What is too large for one request is copied part by part, all of them of the same source.
#include <algorithm>
#include <mutex>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/transfer/document_call.h"
#include "engine/transfer/etag.h"
#include "engine/transfer/objects.h"
#include "engine/transfer/plan.h"
#include "engine/transfer/put.h"
#include "engine/transfer/stored.h"
#include "engine/transfer/upload.h"

namespace s3dlio::transfer {
namespace {

constexpr uint64_t kCopyPartSize = 256ull << 20;  // the service moves the bytes: larger parts cost us nothing

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
    run(std::make_shared<DocumentCall<ObjectMeta>>(
        inner_context_, std::move(traits),
        [self = shared_from_this()] { return self->inner_context_->dialect->head_source(self->inner_request_); },
        [self = shared_from_this()](const http::ResponseHead& head, std::string_view) -> Reading<ObjectMeta> {
          return self->inner_context_->dialect->read_meta(self->inner_request_.source_key, head);
        },
        [self = shared_from_this()](Result<ObjectMeta> source, const Call&) { self->take_source(std::move(source)); }));
    return future;
  }

 private:
  CallTraits traits_of_copy() const {
    CallTraits traits;
    traits.operation = "copy";
    traits.key = inner_request_.key;
    return traits;
  }

  void run(std::shared_ptr<Call> call) {
    bool taken_back = false;
    {
      std::lock_guard lock(inner_mutex_);
      inner_running_ = call;
      taken_back = inner_taken_back_;
    }
    call->launch();
    if (taken_back) call->cancel_soon();
  }

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
    if (source->size > inner_context_->limits.max_copy_size) return copy_in_parts(std::move(source).value());
    copy_whole(source->size);
  }

  void copy_whole(uint64_t size) {
    CallTraits traits = traits_of_copy();
    traits.slow_answer = true;
    const auto self = shared_from_this();
    run(std::make_shared<DocumentCall<PutResult>>(
        inner_context_, std::move(traits),
        [self] { return self->inner_context_->dialect->copy(self->inner_request_, self->inner_options_); },
        [self](const http::ResponseHead& head, std::string_view body) -> Reading<PutResult> {
          auto result = self->inner_context_->dialect->read_copy(head, body);
          if (result) return std::move(result).value();
          return self->inner_context_->dialect->read_error_body(body);  // 200 with an error in it
        },
        [self, size](Result<PutResult> result, const Call&) {
          if (!result) return self->end(as_condition(std::move(result).error(), self->inner_options_));
          result->size = size;
          self->end(std::move(result));
        }));
  }

  void copy_in_parts(ObjectMeta source) {
    // An upload in parts begins blank: what a plain copy takes along has to be given.
    const bool replaces = !inner_options_.content_type.empty() || !inner_options_.content_encoding.empty() ||
                          !inner_options_.user_metadata.empty();
    if (!replaces) {
      inner_options_.content_type = source.content_type;
      inner_options_.content_encoding = source.content_encoding;
      inner_options_.user_metadata = source.user_metadata;
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
    bool taken_back = false;
    {
      std::lock_guard lock(inner_mutex_);
      inner_upload_ = upload;
      inner_running_.reset();
      taken_back = inner_taken_back_;
    }
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
    std::shared_ptr<Call> running;
    std::shared_ptr<Upload> upload;
    {
      std::lock_guard lock(inner_mutex_);
      inner_taken_back_ = true;
      running = inner_running_;
      upload = inner_upload_;
    }
    if (running) running->cancel_soon();
    if (upload) upload->fail(cancelled());
  }

  void end(Result<PutResult> result) {
    {
      std::lock_guard lock(inner_mutex_);
      inner_running_.reset();  // they hold us
      inner_upload_.reset();
    }
    inner_promise_.set(std::move(result));
  }

  const std::shared_ptr<Context> inner_context_;
  CopyRequest inner_request_;
  PutOptions inner_options_;
  Promise<PutResult> inner_promise_;
  std::mutex inner_mutex_;
  std::shared_ptr<Call> inner_running_;
  std::shared_ptr<Upload> inner_upload_;
  bool inner_taken_back_ = false;
};

}  // namespace

Future<PutResult> copy(std::shared_ptr<Context> context, CopyRequest request, PutOptions options) {
  return std::make_shared<Copy>(std::move(context), std::move(request), std::move(options))->launch();
}

}  // namespace s3dlio::transfer
