#include "engine/transfer/call/look.h"

#include <utility>

#include "engine/base/log.h"
#include "engine/transfer/call/document_call.h"
#include "engine/transfer/call/head_call.h"
#include "engine/transfer/call/running_call.h"

namespace s3dlio::transfer {
namespace {

class Look : public std::enable_shared_from_this<Look> {
 public:
  Look(std::shared_ptr<Context> context, std::string key, std::string version_id, std::string_view operation)
      : inner_context_(std::move(context)),
        inner_key_(std::move(key)),
        inner_version_id_(std::move(version_id)),
        inner_operation_(operation) {}

  Future<ObjectMeta> launch() {
    auto future = inner_promise_.future();
    inner_promise_.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    });
    const bool checksum = inner_context_->tuning.verify == Verify::kWhenSupported && !inner_context_->plain_heads;
    run(head_call(checksum, [self = shared_from_this(), checksum](Result<ObjectMeta> meta, const Call&) {
      self->take(std::move(meta), checksum);
    }));
    return future;
  }

 private:
  std::shared_ptr<Call> head_call(bool checksum, HeadCall::Done done) {
    const auto self = shared_from_this();
    return std::make_shared<HeadCall>(
        inner_context_, traits_of(inner_key_), inner_key_,
        [self, checksum] {
          return self->inner_context_->dialect->head(self->inner_key_, self->inner_version_id_, checksum);
        },
        std::move(done));
  }

  std::shared_ptr<Call> list_call(bool checksum) {
    const auto self = shared_from_this();
    auto request = std::make_shared<ListRequest>();
    request->prefix = inner_key_;
    request->max_keys = 1;
    return std::make_shared<DocumentCall<ListPage>>(
        inner_context_, traits_of(""), [self, request] { return self->inner_context_->dialect->list(*request); },
        [self, request](const http::ResponseHead&, std::string_view body) -> Reading<ListPage> {
          return reading_of(self->inner_context_->dialect->read_list(*request, body));
        },
        [self, checksum](Result<ListPage> page, const Call&) { self->take_reason(std::move(page), checksum); });
  }

  void take(Result<ObjectMeta> meta, bool checksum) {
    if (meta) {
      inner_context_->bucket_seen = true;
      return end(std::move(meta));
    }
    if (!leaves_open(meta.error())) return end(std::move(meta));
    inner_refusal_ = std::move(meta).error();
    run(list_call(checksum));
  }

  bool leaves_open(const Error& refusal) const {
    if (!refusal.service_code.empty()) return false;
    if (refusal.http_status == 404) return inner_operation_ == "head" && !inner_context_->bucket_seen;
    return refusal.http_status == 400 || refusal.http_status == 403;
  }

  void take_reason(Result<ListPage> page, bool checksum) {
    using enum ErrorCode;
    Error& refusal = *inner_refusal_;
    if (page || page.error().code == kAccessDenied) inner_context_->bucket_seen = true;
    const bool is_reason =
        !page &&
        (page.error().code == kBucketNotFound ||
         (refusal.http_status != 404 && (page.error().code == kCredentials || page.error().code == kRedirect)));
    if (is_reason) {
      Error reason = std::move(page).error();
      reason.operation = refusal.operation;
      reason.uri = refusal.uri;
      reason.attempts += refusal.attempts;
      return end(std::move(reason));
    }
    // What is left to try: the region or the credentials it has learnt, and no header that not all services take.
    const bool again = refusal.http_status == 400 || (refusal.http_status == 403 && page);
    if (!again) return end(std::move(refusal));
    run(head_call(false, [self = shared_from_this(), checksum](Result<ObjectMeta> meta, const Call&) {
      if (meta && checksum && self->inner_refusal_->http_status == 400) self->note_plain_heads();
      self->end(std::move(meta));
    }));
  }

  // It was the header, or a region that later requests know anyway: without it nothing is lost but a checksum.
  void note_plain_heads() {
    if (inner_context_->plain_heads.exchange(true)) return;
    log(LogLevel::kInfo,
        "a HEAD was refused with x-amz-checksum-mode and answered without it, which is left out from now");
  }

  CallTraits traits_of(std::string key) const {
    CallTraits traits;
    traits.operation = inner_operation_;
    traits.key = std::move(key);
    return traits;
  }

  void run(const std::shared_ptr<Call>& call) { inner_running_.run(call); }

  void end(Result<ObjectMeta> result) {
    inner_running_.release();
    inner_promise_.set(std::move(result));
  }

  void cancel() { inner_running_.take_back(); }

  const std::shared_ptr<Context> inner_context_;
  const std::string inner_key_, inner_version_id_;
  const std::string_view inner_operation_;
  Promise<ObjectMeta> inner_promise_;
  std::optional<Error> inner_refusal_;  // of the first HEAD
  RunningCall inner_running_;
};

}  // namespace

Future<ObjectMeta> look(std::shared_ptr<Context> context, std::string key, std::string version_id,
                        std::string_view operation) {
  return std::make_shared<Look>(std::move(context), std::move(key), std::move(version_id), operation)->launch();
}

}  // namespace s3dlio::transfer
