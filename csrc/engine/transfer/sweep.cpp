// Aborting what was begun and never completed: page after page of running uploads, the old ones aborted as they are
// found.
#include <mutex>
#include <utility>

#include "engine/base/log.h"
#include "engine/stats/stats.h"
#include "engine/transfer/call_group.h"
#include "engine/transfer/delete.h"
#include "engine/transfer/document_call.h"
#include "engine/transfer/objects.h"

namespace s3dlio::transfer {
namespace {

constexpr size_t kAbortsAtOnce = 16;

class Sweep : public std::enable_shared_from_this<Sweep> {
 public:
  Sweep(std::shared_ptr<Context> context, std::string prefix, std::chrono::seconds age)
      : inner_context_(std::move(context)),
        inner_prefix_(std::move(prefix)),
        inner_before_(std::chrono::duration<double>((inner_context_->service_now() - age).time_since_epoch()).count()) {
  }

  Future<uint64_t> launch() {
    auto future = inner_promise_.future();
    inner_promise_.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    });
    go_on(nullptr, [this] { inner_more_pages_ = true; });
    return future;
  }

 private:
  void cancel() {
    std::lock_guard lock(inner_mutex_);
    if (!inner_error_)
      inner_error_ =
          named(make_error(ErrorCode::kCancelled, "cancelled"), *inner_context_, "sweep_uploads", inner_prefix_);
    inner_calls_.cancel_all();
  }

  void go_on(const Call* ended, const std::function<void()>& note) {
    std::vector<std::shared_ptr<Call>> calls;
    bool over = false;
    {
      std::lock_guard lock(inner_mutex_);
      if (ended) inner_calls_.remove(ended);
      note();
      if (!inner_error_) {
        while (!inner_old_.empty() && inner_calls_.size() < kAbortsAtOnce) {
          calls.push_back(abort_call(std::move(inner_old_.back())));
          inner_old_.pop_back();
          inner_calls_.add(calls.back());
        }
        if (inner_old_.empty() && inner_calls_.empty() && std::exchange(inner_more_pages_, false)) {
          calls.push_back(page_call());
          inner_calls_.add(calls.back());
        }
      }
      over = inner_calls_.empty() && !std::exchange(inner_told_, inner_calls_.empty());
    }
    for (const auto& call : calls) call->launch();
    if (over) inner_promise_.set(inner_error_ ? Result<uint64_t>(*inner_error_) : Result<uint64_t>(inner_aborted_));
  }

  CallTraits traits(std::string key) const {
    CallTraits traits;
    traits.operation = "sweep_uploads";
    traits.key = std::move(key);
    return traits;
  }

  std::shared_ptr<Call> page_call() {
    const auto self = shared_from_this();
    return std::make_shared<DocumentCall<UploadPage>>(
        inner_context_, traits(inner_prefix_),
        [self] { return self->inner_context_->dialect->list_uploads(self->inner_prefix_, self->inner_page_); },
        [self](const http::ResponseHead&, std::string_view body) {
          return reading_of(self->inner_context_->dialect->read_uploads(body));
        },
        [self](Result<UploadPage> page, const Call& call) {
          self->go_on(&call, [&] { self->take_page(std::move(page)); });
        });
  }

  void take_page(Result<UploadPage> page) {
    if (!page) {
      if (!inner_error_) inner_error_ = std::move(page).error();
      return;
    }
    for (UploadInfo& upload : page->uploads) {
      if (upload.initiated < inner_before_) inner_old_.push_back(std::move(upload));
    }
    page->uploads.clear();
    const bool same =
        page->key_marker == inner_page_.key_marker && page->upload_id_marker == inner_page_.upload_id_marker;
    inner_more_pages_ = !page->key_marker.empty() && !same;
    inner_page_ = std::move(page).value();
  }

  std::shared_ptr<Call> abort_call(UploadInfo upload) {
    const auto self = shared_from_this();
    return std::make_shared<DocumentCall<Unit>>(
        inner_context_, traits(upload.key),
        [self, upload] { return self->inner_context_->dialect->abort_upload({upload.key, upload.upload_id}); },
        [](const http::ResponseHead&, std::string_view) -> Reading<Unit> { return Unit(); },
        [self](Result<Unit> result, const Call& call) {
          self->go_on(&call, [&] {
            if (result) {
              ++self->inner_aborted_;
              count(counters().uploads_aborted);
            } else if (result.error().code != ErrorCode::kNotFound && !self->inner_error_) {  // gone by itself: fine
              self->inner_error_ = result.error();
            }
          });
        });
  }

  const std::shared_ptr<Context> inner_context_;
  const std::string inner_prefix_;
  const double inner_before_;  // seconds since the epoch
  Promise<uint64_t> inner_promise_;
  std::mutex inner_mutex_;
  CallGroup inner_calls_;
  UploadPage inner_page_;
  std::vector<UploadInfo> inner_old_;
  bool inner_more_pages_ = false;
  bool inner_told_ = false;
  uint64_t inner_aborted_ = 0;
  std::optional<Error> inner_error_;
};

}  // namespace

Future<uint64_t> sweep_uploads(std::shared_ptr<Context> context, std::string prefix, std::chrono::seconds age) {
  return std::make_shared<Sweep>(std::move(context), std::move(prefix), age)->launch();
}

}  // namespace s3dlio::transfer
