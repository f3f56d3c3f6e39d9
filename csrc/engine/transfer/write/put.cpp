#include "engine/transfer/write/put.h"

#include <mutex>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/transfer/list/objects.h"
#include "engine/transfer/read/plan.h"
#include "engine/transfer/write/upload.h"

namespace s3dlio::transfer {
namespace {

Error cancelled_error() { return make_error(ErrorCode::kCancelled, "cancelled"); }

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
    const bool raced = !result && result.error().http_status == 409 && !result.error().may_have_taken_effect &&
                       (options.if_none_match || !options.if_match.empty());
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
