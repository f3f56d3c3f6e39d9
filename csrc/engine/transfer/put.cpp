#include "engine/transfer/put.h"

#include <mutex>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/transfer/delete.h"
#include "engine/transfer/objects.h"
#include "engine/transfer/plan.h"
#include "engine/transfer/stored.h"
#include "engine/transfer/upload.h"
#include "engine/transfer/upload_call.h"

namespace s3dlio::transfer {
namespace {

Error cancelled_error() { return make_error(ErrorCode::kCancelled, "cancelled"); }

// ---- in one piece ----

struct WholePut : std::enable_shared_from_this<WholePut> {
  std::shared_ptr<Context> context;
  std::string key;
  PutOptions options;
  uint64_t size = 0;
  std::chrono::system_clock::time_point began{};
  Promise<PutResult> promise;

  Reading<PutResult> read(const http::ResponseHead& head) const { return context->dialect->read_put(head); }

  void ended(Result<PutResult> result, const Call& call, const Checksum& checksum) {
    if (result) return succeeded(std::move(result).value(), checksum);
    Error error = as_condition(std::move(result).error(), options);
    const bool refused_by_condition =
        error.code == ErrorCode::kAlreadyExists || error.code == ErrorCode::kPreconditionFailed;
    if (!refused_by_condition || !call.was_ambiguous()) return promise.set(std::move(error));
    look_whether_it_is_ours(std::move(error), checksum);
  }

  void succeeded(PutResult result, const Checksum& checksum) {
    result.size = size;
    if (checksum.kind != ChecksumKind::kNone) {
      const auto echoed =
          result.checksum_kind == checksum.kind ? crc_from_base64(checksum.kind, result.checksum) : std::nullopt;
      if (echoed && *echoed != checksum.value) {
        Error error =
            make_error(ErrorCode::kIntegrity, "what the service stored has " + std::string(crc_name(checksum.kind)) +
                                                  " " + result.checksum + ", what was sent has " +
                                                  crc_to_base64(checksum.kind, checksum.value));
        error.may_have_taken_effect = true;
        return remove_if_ours(named(std::move(error), *context, "put", key), std::move(result.etag));
      }
      result.checksum_kind = checksum.kind;
      result.checksum = crc_to_base64(checksum.kind, checksum.value);
    }
    promise.set(std::move(result));
  }

  // A bad object must not be taken for a good one; but what another has written since is none of ours to remove.
  void remove_if_ours(Error error, std::string etag) {
    auto future = std::make_shared<Future<ObjectMeta>>(head(context, key, "", "put"));
    future->on_ready([self = shared_from_this(), future, error = std::move(error), etag = std::move(etag)]() mutable {
      const auto stored = future->wait();
      if (!stored || etag.empty() || stored->etag != etag) {
        error.message += "; it was not removed, something else may be there by now";
        return self->promise.set(std::move(error));
      }
      self->remove(std::move(error));
    });
  }

  void remove(Error error) {
    auto future = std::make_shared<Future<std::vector<DeleteOutcome>>>(delete_many(context, {key}));
    future->on_ready([self = shared_from_this(), future, error = std::move(error)]() mutable {
      const auto outcome = future->wait();
      const bool removed = outcome && !outcome->empty() && !outcome->front().error;
      error.message += removed ? "; the bad object was removed" : "; the bad object could not be removed";
      self->promise.set(std::move(error));
    });
  }

  // The condition failed on a repeat: perhaps because of our own first attempt, whose answer was lost.
  void look_whether_it_is_ours(Error error, const Checksum& checksum) {
    auto future = std::make_shared<Future<ObjectMeta>>(head(context, key, "", "put"));
    future->on_ready([self = shared_from_this(), future, error = std::move(error), checksum]() mutable {
      auto stored = future->wait();
      StoredExpectation expected{self->size, checksum, 0, self->began};
      if (!stored || !is_what_was_sent(*stored, expected)) return self->promise.set(std::move(error));
      count(counters().completions_recovered);
      self->promise.set(result_of(*stored));
    });
  }
};

// ---- in parts ----

struct PartsPut : std::enable_shared_from_this<PartsPut> {
  std::shared_ptr<Context> context;
  std::string key;
  std::span<const std::byte> data;
  PutOptions options;
  uint64_t part_size = 0;
  Promise<PutResult> promise;
  std::mutex mutex;
  std::shared_ptr<Upload> upload;
  bool restarted = false;
  bool taken_back = false;

  void run() {
    std::shared_ptr<Upload> fresh;
    {
      std::lock_guard lock(mutex);
      if (!taken_back) {
        fresh = std::make_shared<Upload>(
            context, "put", key, options,
            [self = shared_from_this()](Result<PutResult> result) { self->ended(std::move(result)); }, [](bool) {});
        upload = fresh;
      }
    }
    if (!fresh) return promise.set(named(cancelled_error(), *context, "put", key));
    fresh->begin();
    for (uint64_t offset = 0; offset < data.size(); offset += part_size) {
      fresh->feed(data.subspan(offset, std::min<uint64_t>(part_size, data.size() - offset)), Buffer());
    }
    fresh->complete();
  }

  void ended(Result<PutResult> result) {
    // 409: another writer raced us. For an upload in parts the rule is to begin again, and we still have the bytes.
    const bool raced =
        !result && result.error().http_status == 409 && (options.if_none_match || !options.if_match.empty());
    if (raced && !std::exchange(restarted, true)) return run();
    {
      std::lock_guard lock(mutex);
      upload.reset();  // it holds us
    }
    promise.set(std::move(result));
  }

  void cancel() {
    std::shared_ptr<Upload> running;
    {
      std::lock_guard lock(mutex);
      taken_back = true;
      running = upload;
    }
    count(counters().cancelled);
    if (running) running->fail(named(cancelled_error(), *context, "put", key));
  }
};

}  // namespace

Future<PutResult> put_whole(std::shared_ptr<Context> context, std::string key, std::span<const std::byte> data,
                            Buffer owner, PutOptions options) {
  auto put = std::make_shared<WholePut>();
  put->context = context;
  put->key = key;
  put->options = std::move(options);
  put->size = data.size();
  put->began = context->service_now();
  CallTraits traits;
  traits.operation = "put";
  traits.key = std::move(key);
  traits.bytes = data.size();
  auto call = std::make_shared<UploadCall<PutResult>>(
      context, std::move(traits), data, std::move(owner), context->tuning.upload_checksum,
      [put](const Checksum& checksum) { return put->context->dialect->put(put->key, put->options, checksum); },
      [put](const http::ResponseHead& head, std::string_view) { return put->read(head); },
      [put](Result<PutResult> result, const Call& ended, const Checksum& checksum) {
        put->ended(std::move(result), ended, checksum);
      });
  auto future = put->promise.future();
  put->promise.on_cancel([weak = std::weak_ptr<Call>(call)] {
    count(counters().cancelled);
    if (const auto running = weak.lock()) running->cancel_soon();
  });
  call->launch();
  return future;
}

Future<PutResult> put(std::shared_ptr<Context> context, std::string key, std::span<const std::byte> data,
                      PutOptions options) {
  const Tuning& tuning = context->tuning;
  if (data.size() <= std::min(tuning.multipart_threshold, context->limits.max_put_size)) {
    return put_whole(std::move(context), std::move(key), data, Buffer(), std::move(options));
  }
  const uint64_t part_size =
      upload_part_size(data.size(), options.part_size.value_or(tuning.part_size), context->limits);
  if (part_size == 0) {
    Error error =
        make_error(ErrorCode::kInvalidArgument, std::to_string(data.size()) + " bytes are more than the store takes");
    return ready_future<PutResult>(named(std::move(error), *context, "put", key));
  }
  auto put = std::make_shared<PartsPut>();
  put->context = std::move(context);
  put->key = std::move(key);
  put->data = data;
  put->options = std::move(options);
  put->part_size = part_size;
  auto future = put->promise.future();
  put->promise.on_cancel([weak = std::weak_ptr<PartsPut>(put)] {
    if (const auto running = weak.lock()) running->cancel();
  });
  put->run();
  return future;
}

}  // namespace s3dlio::transfer
