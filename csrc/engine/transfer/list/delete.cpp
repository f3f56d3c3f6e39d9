#include "engine/transfer/list/delete.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/transfer/call/call_group.h"
#include "engine/transfer/call/document_call.h"
#include "engine/transfer/list/objects.h"

namespace s3dlio::transfer {
namespace {

constexpr size_t kBatchesAtOnce = 4;
constexpr size_t kSinglesAtOnce = 32;
constexpr int kMostRounds = 3;  // a key the service could not delete just now is asked for again

// Whether deleting one by one may succeed all the same: services and policies that have no deletion in batches say so
// with many codes. Each key then gets an answer of its own. Not for what would meet every request: credentials, the
// bucket.
bool refuses_batches(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUnsupported:       // 405, 501
    case ErrorCode::kInvalidArgument:   // 400, 413
    case ErrorCode::kAccessDenied:      // 403, to the request as a whole
    case ErrorCode::kChecksumMismatch:  // 400, of a document that others take
      return true;
    default:
      return error.http_status == 411;
  }
}

class DeleteMany : public std::enable_shared_from_this<DeleteMany> {
 public:
  DeleteMany(std::shared_ptr<Context> context, std::vector<std::string> keys) : inner_context_(std::move(context)) {
    for (std::string& key : keys) inner_outcomes_.push_back({std::move(key), std::nullopt});
  }

  Future<std::vector<DeleteOutcome>> launch() {
    auto future = inner_promise_.future();
    inner_promise_.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    });
    std::vector<size_t> valid;
    for (size_t index = 0; index < inner_outcomes_.size(); ++index) {
      if (auto checked = inner_context_->dialect->check_key(inner_outcomes_[index].key); !checked) {
        inner_outcomes_[index].error =
            named(std::move(checked).error(), *inner_context_, "delete", inner_outcomes_[index].key);
      } else {
        valid.push_back(index);
      }
    }
    queue(valid);
    go_on(nullptr, nullptr);
    return future;
  }

 private:
  using Batch = std::vector<size_t>;  // indices into the outcomes

  void queue(const Batch& indices) {
    const size_t most = std::max<size_t>(1, inner_context_->limits.max_delete_keys);
    Batch batch;
    for (const size_t index : indices) {
      if (inner_singly_ || !inner_context_->dialect->can_delete_in_batch(inner_outcomes_[index].key)) {
        inner_queue_.push_back({index});
        continue;
      }
      batch.push_back(index);
      if (batch.size() == most) inner_queue_.push_back(std::exchange(batch, {}));
    }
    if (!batch.empty()) inner_queue_.push_back(std::move(batch));
  }

  void cancel() {
    std::lock_guard lock(inner_mutex_);
    count(counters().cancelled);
    inner_cancelled_ = true;
    inner_calls_.cancel_all();
  }

  void go_on(const Call* ended, const std::function<void()>& note) {
    std::vector<std::shared_ptr<Call>> calls;
    bool over = false, cancelled = false;
    {
      std::lock_guard lock(inner_mutex_);
      if (ended) inner_calls_.remove(ended);
      if (note) note();
      if (inner_cancelled_) inner_queue_.clear();
      if (inner_queue_.empty() && inner_calls_.empty() && !inner_again_.empty() && !inner_cancelled_) {
        queue(std::exchange(inner_again_, {}));
        ++inner_round_;
      }
      while (!inner_queue_.empty()) {
        const size_t at_once = inner_queue_.front().size() == 1 ? kSinglesAtOnce : kBatchesAtOnce;
        if (inner_calls_.size() >= at_once) break;
        calls.push_back(call_for(std::move(inner_queue_.front())));
        inner_queue_.pop_front();
        inner_calls_.add(calls.back());
      }
      over = inner_calls_.empty() && !std::exchange(inner_told_, inner_calls_.empty());
      cancelled = inner_cancelled_;
    }
    for (const auto& call : calls) call->launch();
    if (!over) return;
    if (cancelled) {
      return inner_promise_.set(named(make_error(ErrorCode::kCancelled, "cancelled"), *inner_context_, "delete", ""));
    }
    inner_promise_.set(std::move(inner_outcomes_));
  }

  std::shared_ptr<Call> call_for(Batch batch) {
    CallTraits traits;
    traits.operation = "delete";
    const auto self = shared_from_this();
    if (batch.size() == 1) {
      traits.key = inner_outcomes_[batch.front()].key;
      return std::make_shared<DocumentCall<Unit>>(
          inner_context_, std::move(traits),
          [self, index = batch.front()] {
            return self->inner_context_->dialect->delete_one(self->inner_outcomes_[index].key);
          },
          [](const http::ResponseHead&, std::string_view) -> Reading<Unit> { return Unit(); },
          [self, index = batch.front()](Result<Unit> result, const Call& call) {
            self->go_on(&call, [&] {
              const bool gone = result || result.error().code == ErrorCode::kNotFound;  // what is not there is deleted
              self->inner_outcomes_[index].error = gone ? std::nullopt : std::optional(result.error());
              if (!gone && self->inner_in_doubt_) self->inner_outcomes_[index].error->may_have_taken_effect = true;
            });
          });
    }
    auto keys = std::make_shared<std::vector<std::string>>();
    for (const size_t index : batch) keys->push_back(inner_outcomes_[index].key);
    return std::make_shared<DocumentCall<std::vector<DeleteOutcome>>>(
        inner_context_, std::move(traits), [self, keys] { return self->inner_context_->dialect->delete_many(*keys); },
        [self, keys](const http::ResponseHead&, std::string_view body) -> Reading<std::vector<DeleteOutcome>> {
          return reading_of(self->inner_context_->dialect->read_delete_many(*keys, body));
        },
        [self, batch](Result<std::vector<DeleteOutcome>> result, const Call& call) {
          self->go_on(&call, [&] {
            if (call.was_ambiguous()) self->inner_in_doubt_ = true;
            self->note_batch(batch, std::move(result));
          });
        });
  }

  void note_batch(const Batch& batch, Result<std::vector<DeleteOutcome>> result) {
    if (!result && refuses_batches(result.error())) {
      inner_singly_ = true;
      auto waiting = std::exchange(inner_queue_, {});
      queue(batch);
      for (const Batch& other : waiting) queue(other);
      return;
    }
    for (size_t position = 0; position < batch.size(); ++position) {
      DeleteOutcome& outcome = inner_outcomes_[batch[position]];
      std::optional<Error> error;
      if (!result) {
        error = result.error();
        error->uri = inner_context_->dialect->uri_of(outcome.key);
      } else if (position >= result->size() || (*result)[position].key != outcome.key) {
        error = make_error(ErrorCode::kProtocol, "the answer does not say what became of this key");
      } else {
        error = std::move((*result)[position].error);
        if (error && error->code == ErrorCode::kNotFound) error.reset();
      }
      if (error) error = with_name(std::move(*error), outcome.key);
      const bool passing =
          result && error && (error->code == ErrorCode::kServer || error->code == ErrorCode::kThrottled);
      if (passing && inner_round_ < kMostRounds) inner_again_.push_back(batch[position]);
      if (error && error->code == ErrorCode::kServer) inner_in_doubt_ = true;
      if (error && inner_in_doubt_) error->may_have_taken_effect = true;
      outcome.error = std::move(error);
    }
  }

  Error with_name(Error error, const std::string& key) const {
    if (!error.uri.empty() && !error.operation.empty()) return error;
    return named(std::move(error), *inner_context_, "delete", key);
  }

  const std::shared_ptr<Context> inner_context_;
  Promise<std::vector<DeleteOutcome>> inner_promise_;
  std::mutex inner_mutex_;
  CallGroup inner_calls_;
  std::deque<Batch> inner_queue_;
  Batch inner_again_;
  int inner_round_ = 1;
  bool inner_singly_ = false;
  bool inner_cancelled_ = false;
  bool inner_in_doubt_ = false;  // a deletion that was not confirmed may have been carried out
  bool inner_told_ = false;
  std::vector<DeleteOutcome> inner_outcomes_;  // each touched by the call that has it
};

}  // namespace

Future<std::vector<DeleteOutcome>> delete_many(std::shared_ptr<Context> context, std::vector<std::string> keys) {
  return std::make_shared<DeleteMany>(std::move(context), std::move(keys))->launch();
}

}  // namespace s3dlio::transfer
