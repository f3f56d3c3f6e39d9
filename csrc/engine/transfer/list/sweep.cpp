// Aborting what was begun and never completed: page after page of running uploads, the old ones aborted as they are
// found. Old is what was begun long ago by the service's own clock, and has received no part since.
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

#include "engine/base/log.h"
#include "engine/stats/stats.h"
#include "engine/text/http_date.h"
#include "engine/transfer/call/call_group.h"
#include "engine/transfer/call/document_call.h"
#include "engine/transfer/list/delete.h"
#include "engine/transfer/list/objects.h"

namespace s3dlio::transfer {
namespace {

constexpr size_t kAbortsAtOnce = 16;
constexpr uint64_t kMostFailures = 100;   // then it is not one upload that cannot be aborted
constexpr uint32_t kMostIdlePages = 100;  // in a row, with nothing that was not listed before

// A page of running uploads, and when the service answered with it.
struct DatedPage {
  UploadPage page;
  std::optional<double> time;  // seconds since the epoch
};

class Sweep : public std::enable_shared_from_this<Sweep> {
 public:
  Sweep(std::shared_ptr<Context> context, std::string prefix, std::chrono::seconds age)
      : inner_context_(std::move(context)),
        inner_prefix_(std::move(prefix)),
        inner_age_(std::chrono::duration<double>(age).count()) {}

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
    std::optional<Result<uint64_t>> result;
    {
      std::lock_guard lock(inner_mutex_);
      if (ended) inner_calls_.remove(ended);
      note();
      if (!inner_error_) {
        for (UploadInfo& upload : inner_abandoned_) {
          calls.push_back(abort_call(std::move(upload)));
          inner_calls_.add(calls.back());
        }
        inner_abandoned_.clear();
        for (auto& [upload, marker] : inner_half_listed_) {
          calls.push_back(parts_call(std::move(upload), std::move(marker)));
          inner_calls_.add(calls.back());
        }
        inner_half_listed_.clear();
        while (!inner_old_.empty() && inner_calls_.size() < kAbortsAtOnce) {
          calls.push_back(parts_call(std::move(inner_old_.back()), ""));
          inner_old_.pop_back();
          inner_calls_.add(calls.back());
        }
        if (inner_old_.empty() && inner_calls_.empty() && std::exchange(inner_more_pages_, false)) {
          calls.push_back(page_call());
          inner_calls_.add(calls.back());
        }
      }
      // cancel() may set the error at any time: what is told is decided here.
      if (inner_calls_.empty() && !std::exchange(inner_told_, true)) result = outcome_locked();
    }
    for (const auto& call : calls) call->launch();
    if (result) inner_promise_.set(std::move(*result));
  }

  Result<uint64_t> outcome_locked() const {
    if (inner_error_) return *inner_error_;
    if (!inner_first_failure_) return inner_aborted_;
    Error error = *inner_first_failure_;
    error.message += "; " + std::to_string(inner_failures_) + " uploads could not be aborted, " +
                     std::to_string(inner_aborted_) + " were";
    return error;
  }

  CallTraits traits(std::string key) const {
    CallTraits traits;
    traits.operation = "sweep_uploads";
    traits.key = std::move(key);
    return traits;
  }

  std::shared_ptr<Call> page_call() {
    const auto self = shared_from_this();
    return std::make_shared<DocumentCall<DatedPage>>(
        inner_context_, traits(inner_prefix_),
        [self] { return self->inner_context_->dialect->list_uploads(self->inner_prefix_, self->inner_page_); },
        [self](const http::ResponseHead& head, std::string_view body) -> Reading<DatedPage> {
          auto page = self->inner_context_->dialect->read_uploads(body);
          if (!page) return reading_of<DatedPage>(std::move(page).error());
          DatedPage dated{std::move(page).value(), std::nullopt};
          if (const auto date = text::parse_http_date(head.headers.find("Date").value_or(""))) {
            // Whole seconds, cut: it may be almost one later.
            dated.time = std::chrono::duration<double>(date->time_since_epoch()).count() + 1;
          }
          return dated;
        },
        [self](Result<DatedPage> page, const Call& call) {
          self->go_on(&call, [&] { self->take_page(std::move(page)); });
        });
  }

  void fail(Error error) {
    if (!inner_error_) inner_error_ = std::move(error);
  }
  void fail(std::string message) {
    fail(named(make_error(ErrorCode::kProtocol, std::move(message)), *inner_context_, "sweep_uploads", inner_prefix_));
  }

  void take_page(Result<DatedPage> dated) {
    if (!dated) return fail(std::move(dated).error());
    if (!inner_before_) {
      // By this machine's clock a running upload may look days old.
      if (!dated->time) return fail("the answer has no Date, so nobody can say how old an upload is; none was aborted");
      inner_before_ = *dated->time - inner_age_;
    }
    UploadPage& page = dated->page;
    bool is_idle = true;
    for (UploadInfo& upload : page.uploads) {
      const size_t name = std::hash<std::string>()(upload.key + '\0' + upload.upload_id);
      if (inner_seen_.insert(name).second) is_idle = false;
      // Not every service keeps to the prefix, nor says when each was begun.
      const bool is_below = upload.key.starts_with(inner_prefix_);
      if (is_below && upload.initiated > 0 && upload.initiated < *inner_before_)
        inner_old_.push_back(std::move(upload));
    }
    page.uploads.clear();
    inner_more_pages_ = !page.key_marker.empty();
    inner_idle_pages_ = is_idle ? inner_idle_pages_ + 1 : 0;
    const bool same =
        page.key_marker == inner_page_.key_marker && page.upload_id_marker == inner_page_.upload_id_marker;
    if (inner_more_pages_ && (same || inner_idle_pages_ >= kMostIdlePages)) {
      fail("the list of running uploads never ends: page after page tells of nothing new");
    }
    inner_page_ = std::move(page);
  }

  // An upload begun long ago that still receives parts is somebody's.
  std::shared_ptr<Call> parts_call(UploadInfo upload, std::string marker) {
    const auto self = shared_from_this();
    return std::make_shared<DocumentCall<UploadedPage>>(
        inner_context_, traits(upload.key),
        [self, upload, marker = std::move(marker)] {
          return self->inner_context_->dialect->list_parts({upload.key, upload.upload_id}, marker);
        },
        [self](const http::ResponseHead&, std::string_view body) {
          return reading_of(self->inner_context_->dialect->read_parts(body));
        },
        [self, upload](Result<UploadedPage> parts, const Call& call) {
          self->go_on(&call, [&] { self->take_parts(upload, std::move(parts)); });
        });
  }

  void take_parts(const UploadInfo& upload, Result<UploadedPage> parts) {
    if (!parts) {
      const ErrorCode code = parts.error().code;
      // Who may abort need not be allowed to list parts, and not every service can: then the beginning alone counts.
      if (code == ErrorCode::kAccessDenied || code == ErrorCode::kUnsupported) {
        inner_abandoned_.push_back(upload);
      } else {
        note_failure(std::move(parts).error());
      }
    } else if (parts->newest >= *inner_before_) {
      return;
    } else if (parts->marker.empty()) {
      inner_abandoned_.push_back(upload);
    } else {
      inner_half_listed_.emplace_back(upload, std::move(parts->marker));
    }
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
            } else {
              self->note_failure(std::move(result).error());
            }
          });
        });
  }

  // One that cannot be aborted does not keep the others.
  void note_failure(Error error) {
    if (error.code == ErrorCode::kNotFound) return;  // gone by itself
    if (!inner_first_failure_) inner_first_failure_ = error;
    if (++inner_failures_ == kMostFailures) fail(std::move(error));
  }

  const std::shared_ptr<Context> inner_context_;
  const std::string inner_prefix_;
  const double inner_age_;              // seconds
  std::optional<double> inner_before_;  // seconds since the epoch, by the service's clock
  Promise<uint64_t> inner_promise_;
  std::mutex inner_mutex_;
  CallGroup inner_calls_;
  UploadPage inner_page_;
  std::vector<UploadInfo> inner_old_;        // by their beginning
  std::vector<UploadInfo> inner_abandoned_;  // and by their parts
  std::vector<std::pair<UploadInfo, std::string>> inner_half_listed_;
  std::unordered_set<size_t> inner_seen_;
  uint32_t inner_idle_pages_ = 0;
  uint64_t inner_failures_ = 0;
  std::optional<Error> inner_first_failure_;
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
