// A write in one request. What the answer leaves open (was it stored? is it what was sent? is it ours?) is looked up;
// what cannot be found out is an error that says so.
#include <mutex>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/transfer/call/document_call.h"
#include "engine/transfer/dialect/etag.h"
#include "engine/transfer/list/objects.h"
#include "engine/transfer/write/put.h"
#include "engine/transfer/write/stored.h"
#include "engine/transfer/write/upload_call.h"

namespace s3dlio::transfer {
namespace {

// Up to here hashing what was sent is quicker than asking the service what it stored.
constexpr uint64_t kHashUpTo = 256 << 10;
// Up to here it is done at all, after a lost answer: it takes the loop's time.
constexpr uint64_t kHashAtMost = 64 << 20;

class WholePut : public std::enable_shared_from_this<WholePut> {
 public:
  WholePut(std::shared_ptr<Context> context, std::string key, std::span<const std::byte> data, Buffer owner,
           PutOptions options)
      : inner_context_(std::move(context)),
        inner_key_(std::move(key)),
        inner_data_(data),
        inner_owner_(std::move(owner)),
        inner_options_(std::move(options)) {
    if (is_conditional()) inner_options_.write_id = make_write_id();
  }

  Future<PutResult> launch();

 private:
  bool is_conditional() const { return inner_options_.if_none_match || !inner_options_.if_match.empty(); }
  Reading<PutResult> read(const http::ResponseHead& head, std::string_view body);
  void ended(Result<PutResult> result, const Call& call, const Checksum& checksum);
  void succeeded(PutResult result);
  void check(PutResult result, const std::string& suspicion, const Result<ObjectMeta>& seen);
  void stored(PutResult result);
  void remove(std::string version_id, Error error);
  void look_whether_it_is_ours(Error error);
  void look(std::function<void(Result<ObjectMeta>)> then);
  void cancel();
  void end(Result<PutResult> result);

  StoredExpectation expectation() const {
    StoredExpectation expected;
    expected.size = inner_data_.size();
    expected.checksum = inner_checksum_;
    if (inner_data_.size() <= kHashAtMost) expected.etag = inner_context_->dialect->etag_of(inner_data_);
    expected.write_id = inner_options_.write_id;
    expected.conditional = is_conditional();
    return expected;
  }
  Error doubt(ErrorCode code, std::string message) const {
    Error error = named(make_error(code, std::move(message)), *inner_context_, "put", inner_key_);
    error.may_have_taken_effect = true;
    return error;
  }

  const std::shared_ptr<Context> inner_context_;
  const std::string inner_key_;
  const std::span<const std::byte> inner_data_;
  Buffer inner_owner_;  // of the data, or empty when the caller keeps it
  PutOptions inner_options_;
  Checksum inner_checksum_;
  std::string inner_page_;  // what a 200 carried that no answer to a put carries
  Promise<PutResult> inner_promise_;
  std::mutex inner_mutex_;
  std::weak_ptr<Call> inner_call_;
  std::shared_ptr<Future<ObjectMeta>> inner_looking_;
  bool inner_taken_back_ = false;
};

Future<PutResult> WholePut::launch() {
  const auto self = shared_from_this();
  CallTraits traits;
  traits.operation = "put";
  traits.key = inner_key_;
  traits.bytes = inner_data_.size();
  auto call = std::make_shared<UploadCall<PutResult>>(
      inner_context_, std::move(traits), inner_data_, inner_owner_, inner_context_->tuning.upload_checksum,
      [self](const Checksum& checksum) {
        return self->inner_context_->dialect->put(self->inner_key_, self->inner_options_, checksum);
      },
      [self](const http::ResponseHead& head, std::string_view body) { return self->read(head, body); },
      [self](Result<PutResult> result, const Call& ended, const Checksum& checksum) {
        self->ended(std::move(result), ended, checksum);
      });
  inner_call_ = call;
  auto future = inner_promise_.future();
  inner_promise_.on_cancel([weak = weak_from_this()] {
    if (const auto running = weak.lock()) running->cancel();
  });
  call->launch();
  return future;
}

Reading<PutResult> WholePut::read(const http::ResponseHead& head, std::string_view body) {
  inner_page_.clear();
  if (!body.empty()) {
    ServiceError found = inner_context_->dialect->read_error_body(body);
    if (!found.error.service_code.empty()) return found;
    inner_page_ = std::to_string(body.size()) + " bytes";
  }
  return inner_context_->dialect->read_put(head);
}

void WholePut::ended(Result<PutResult> result, const Call& call, const Checksum& checksum) {
  inner_checksum_ = checksum;
  if (result) return succeeded(std::move(result).value());
  Error error = as_condition(std::move(result).error(), inner_options_);
  // Refused, after an attempt that may have been carried out: the refusal may be of the repeat alone.
  const bool refused = error.http_status >= 400 && error.http_status < 500 && error.code != ErrorCode::kThrottled;
  if (!refused || !call.was_ambiguous()) return end(std::move(error));
  look_whether_it_is_ours(std::move(error));
}

// ---- was it stored as it was sent? ----

// Most answers prove it: they repeat the checksum, or the ETag is the MD5. The others cost a look.
void WholePut::succeeded(PutResult result) {
  const auto& dialect = *inner_context_->dialect;
  std::string suspicion;  // what speaks against it
  bool proven = false;
  if (result.etag.empty()) {
    suspicion = "the answer 200 carries no ETag";
  } else if (!inner_page_.empty()) {
    suspicion = "the answer 200 carries a page where none belongs (" + inner_page_ + ")";
  } else if (inner_checksum_.kind != ChecksumKind::kNone && result.checksum_kind == inner_checksum_.kind) {
    proven = crc_from_base64(inner_checksum_.kind, result.checksum) == inner_checksum_.value;
    if (!proven) {
      suspicion = "what the service stored has " + std::string(crc_name(inner_checksum_.kind)) + " " + result.checksum +
                  ", what was sent has " + crc_to_base64(inner_checksum_.kind, inner_checksum_.value);
    }
  } else if (inner_data_.size() <= kHashUpTo) {
    proven = same_etag(result.etag, dialect.etag_of(inner_data_));
  }
  if (proven) return stored(std::move(result));
  look([self = shared_from_this(), result = std::move(result), suspicion](const Result<ObjectMeta>& seen) mutable {
    self->check(std::move(result), suspicion, seen);
  });
}

void WholePut::check(PutResult result, const std::string& suspicion, const Result<ObjectMeta>& seen) {
  if (!seen && seen.error().code == ErrorCode::kCancelled) return end(doubt(ErrorCode::kCancelled, "cancelled"));
  const bool ours = seen && (result.etag.empty() || same_etag(seen->etag, result.etag));
  if (ours) {
    if (const auto difference = difference_of(*seen, inner_data_.size(), inner_checksum_)) {
      Error error = doubt(ErrorCode::kIntegrity, "what the service stored is not what was sent: " + *difference);
      // Removed only where it is certainly the one this call wrote: a bad object must not be taken for a good one.
      if (!result.etag.empty()) return remove(seen->version_id, std::move(error));
      error.message += "; it was not removed, it may be another's";
      return end(std::move(error));
    }
  }
  // Not being allowed to look is no failure of a write that was answered as it should be, and what another has written
  // since tells nothing of it.
  if (suspicion.empty()) return stored(std::move(result));
  const bool only_lacks_etag = result.etag.empty() && inner_page_.empty();
  const bool cleared = ours && (only_lacks_etag || has_content(*seen, expectation()));
  if (!cleared) {
    std::string found = "; it was not removed: ";
    if (!seen) {
      found += "what is stored could not be looked at: " + seen.error().message;
    } else {
      found += ours ? "nothing else tells what is stored" : "something else is there by now";
    }
    const bool by_checksum = !result.etag.empty() && inner_page_.empty();
    return end(by_checksum ? doubt(ErrorCode::kIntegrity, suspicion + found)
                           : doubt(ErrorCode::kProtocol, suspicion + found +
                                                             "; a proxy or a login page may have "
                                                             "answered, check the endpoint"));
  }
  if (result.etag.empty()) result = result_of(*seen);
  stored(std::move(result));
}

void WholePut::stored(PutResult result) {
  result.size = inner_data_.size();
  if (inner_checksum_.kind != ChecksumKind::kNone) {
    result.checksum_kind = inner_checksum_.kind;
    result.checksum = crc_to_base64(inner_checksum_.kind, inner_checksum_.value);
  }
  end(std::move(result));
}

void WholePut::remove(std::string version_id, Error error) {
  CallTraits traits;
  traits.operation = "put";
  traits.key = inner_key_;
  auto call = std::make_shared<DocumentCall<Unit>>(
      inner_context_, std::move(traits),
      [self = shared_from_this(), version_id = std::move(version_id)] {
        return self->inner_context_->dialect->delete_one(self->inner_key_, version_id);
      },
      [](const http::ResponseHead&, std::string_view) -> Reading<Unit> { return Unit(); },
      [self = shared_from_this(), error = std::move(error)](Result<Unit> removed, const Call&) mutable {
        error.message += removed ? "; the bad object was removed" : "; the bad object could not be removed";
        if (removed) error.may_have_taken_effect = false;
        self->end(std::move(error));
      });
  call->launch();
}

// ---- is it there although the call failed? ----

void WholePut::look_whether_it_is_ours(Error error) {
  look([self = shared_from_this(), error = std::move(error)](Result<ObjectMeta> stored) mutable {
    const Match match = stored ? match_of(*stored, self->expectation()) : Match::kUnknown;
    if (match == Match::kOurs) {
      count(counters().completions_recovered);
      return self->end(result_of(*stored));
    }
    // The condition met another's object. Then it did not hold for the attempt without an answer either.
    const bool lost = match == Match::kNotOurs && self->is_conditional() && error.http_status == 412;
    if (lost) {
      error.may_have_taken_effect = false;
    } else {
      error.message += "; the answer to an earlier attempt was lost, and it may have been carried out";
    }
    self->end(std::move(error));
  });
}

void WholePut::look(std::function<void(Result<ObjectMeta>)> then) {
  auto future = std::make_shared<Future<ObjectMeta>>(head(inner_context_, inner_key_, "", "put"));
  bool taken_back = false;
  {
    std::lock_guard lock(inner_mutex_);
    inner_looking_ = future;
    taken_back = inner_taken_back_;
  }
  if (taken_back) future->cancel();
  future->on_ready([self = shared_from_this(), future, then = std::move(then)] {
    {
      std::lock_guard lock(self->inner_mutex_);
      self->inner_looking_.reset();
    }
    then(future->wait());
  });
}

void WholePut::cancel() {
  count(counters().cancelled);
  std::shared_ptr<Call> call;
  std::shared_ptr<Future<ObjectMeta>> looking;
  {
    std::lock_guard lock(inner_mutex_);
    inner_taken_back_ = true;
    call = inner_call_.lock();
    looking = inner_looking_;
  }
  if (call) call->cancel_soon();
  if (looking) looking->cancel();
}

void WholePut::end(Result<PutResult> result) {
  inner_owner_ = Buffer();
  inner_promise_.set(std::move(result));
}

}  // namespace

Future<PutResult> put_whole(std::shared_ptr<Context> context, std::string key, std::span<const std::byte> data,
                            Buffer owner, PutOptions options) {
  return std::make_shared<WholePut>(std::move(context), std::move(key), data, std::move(owner), std::move(options))
      ->launch();
}

}  // namespace s3dlio::transfer
