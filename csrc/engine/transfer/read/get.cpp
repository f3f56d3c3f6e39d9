#include "engine/transfer/read/get.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/transfer/call/document_call.h"
#include "engine/transfer/list/objects.h"
#include "engine/transfer/read/read.h"
#include "engine/transfer/read/slab.h"

namespace s3dlio::transfer {
namespace {

// A read whose outcome goes to a promise.
template <class T>
class PromisedRead : public Read {
 public:
  static Future<T> launch(std::shared_ptr<PromisedRead> read) {
    auto future = read->inner_promise_.future();
    read->inner_promise_.on_cancel([weak = std::weak_ptr<PromisedRead>(read)] {
      if (const auto running = weak.lock()) running->cancel();
    });
    read->start();
    return future;
  }

 protected:
  using Read::Read;
  virtual T result() = 0;

 private:
  void deliver(std::optional<Error> error) final {
    if (error) return inner_promise_.set(std::move(*error));
    inner_promise_.set(result());
  }

  Promise<T> inner_promise_;
};

// Into memory of ours, allocated when the size is known.
class ReadToBuffer final : public PromisedRead<FetchedObject> {
 public:
  ReadToBuffer(std::shared_ptr<Context> context, std::string_view operation, std::string key, GetOptions options,
               uint64_t start, uint64_t end)
      : PromisedRead(std::move(context), operation, std::move(key), std::move(options), start, end) {}

 private:
  bool wants_meta() const override { return true; }
  Result<std::byte*> prepare(uint64_t size) override {
    auto buffer = BufferPool::instance().allocate(size);
    if (!buffer) return std::move(buffer).error();
    inner_buffer_ = std::move(buffer).value();
    return inner_buffer_.data();
  }
  FetchedObject result() override { return {std::move(inner_buffer_), std::move(meta())}; }

  Buffer inner_buffer_;
};

class ReadInto final : public PromisedRead<ReadResult> {
 public:
  ReadInto(std::shared_ptr<Context> context, std::string key, GetOptions options, uint64_t offset,
           std::span<std::byte> out)
      : PromisedRead(std::move(context), "get_into", std::move(key), std::move(options), offset, offset + out.size()),
        inner_out_(out) {}

 private:
  Result<std::byte*> prepare(uint64_t) override { return inner_out_.data(); }
  ReadResult result() override { return {bytes_received(), total(), etag()}; }

  std::span<std::byte> inner_out_;
};

class ReadRanges final : public PromisedRead<RangesResult> {
 public:
  ReadRanges(std::shared_ptr<Context> context, std::string key, GetOptions options, std::vector<RangeInto> ranges)
      : PromisedRead(std::move(context), "get_ranges", std::move(key), std::move(options), 0, UINT64_MAX),
        inner_ranges_(std::move(ranges)) {}

 private:
  bool scattered() const override { return true; }
  Result<std::byte*> prepare(uint64_t) override { return nullptr; }

  PartPlan first_scattered() override {
    inner_plan_ = plan_scatter(inner_ranges_, this->context().tuning.coalesce_gap, this->context().tuning.part_size);
    count(counters().ranges_coalesced, inner_plan_.coalesced);
    return inner_plan_.parts.front();
  }

  PartPlan all_scattered() override {
    constexpr uint64_t kEverything = 1ull << 62;
    inner_plan_ = plan_scatter(inner_ranges_, kEverything, kEverything);
    return inner_plan_.parts.front();
  }

  Result<std::vector<PartPlan>> rest_scattered(uint64_t total) override {
    for (const RangeInto& range : inner_ranges_) {
      const bool empty_of_empty = range.offset == 0 && total == 0;
      if (!range.out.empty() && range.offset >= total && !empty_of_empty) {
        return make_error(ErrorCode::kRangeNotSatisfiable, "a range starts at " + std::to_string(range.offset) +
                                                               ", the object has " + std::to_string(total) + " bytes");
      }
    }
    std::vector<PartPlan> rest(inner_plan_.parts.begin() + 1, inner_plan_.parts.end());
    for (PartPlan& part : rest) trim(part, total);
    std::erase_if(rest, [](const PartPlan& part) { return part.segments.empty(); });
    std::reverse(rest.begin(), rest.end());
    return rest;
  }

  RangesResult result() override {
    for (const Duplicate& duplicate : inner_plan_.duplicates) {
      const uint64_t size = std::min(duplicate.size, total() - std::min(total(), duplicate.offset));
      if (size > 0) std::memcpy(duplicate.to, duplicate.from, size);
      count(counters().bytes_copied, size);
    }
    RangesResult result;
    for (const RangeInto& range : inner_ranges_) {
      result.bytes_read.push_back(std::min<uint64_t>(range.out.size(), total() - std::min(total(), range.offset)));
    }
    result.object_size = total();
    result.etag = etag();
    return result;
  }

  std::vector<RangeInto> inner_ranges_;
  ScatterPlan inner_plan_;
};

template <class T, class From>
Future<T> after(Future<From> future, std::function<Result<T>(From)> turn) {
  Promise<T> promise;
  auto shared = std::make_shared<Future<From>>(std::move(future));
  promise.on_cancel([shared] { shared->cancel(); });
  shared->on_ready([shared, promise, turn = std::move(turn)] {
    auto result = shared->wait();
    if (!result) return promise.set(std::move(result).error());
    promise.set(turn(std::move(result).value()));
  });
  return promise.future();
}

Error past_the_end(uint64_t offset, uint64_t size) {
  return make_error(ErrorCode::kRangeNotSatisfiable, "the range starts at " + std::to_string(offset) +
                                                         ", the object has " + std::to_string(size) + " bytes");
}

}  // namespace

Future<FetchedObject> get(std::shared_ptr<Context> context, std::string key, GetOptions options) {
  return PromisedRead<FetchedObject>::launch(
      std::make_shared<ReadToBuffer>(std::move(context), "get", std::move(key), std::move(options), 0, UINT64_MAX));
}

Future<FetchedObject> get_range(std::shared_ptr<Context> context, std::string key, uint64_t start,
                                std::optional<uint64_t> end, GetOptions options) {
  if (end && *end <= start) {
    Error error = ByteRange::make(start, *end).error();
    return ready_future<FetchedObject>(named(std::move(error), *context, "get_range", key));
  }
  if (auto error = unreachable(start)) {
    return ready_future<FetchedObject>(named(std::move(*error), *context, "get_range", key));
  }
  return PromisedRead<FetchedObject>::launch(std::make_shared<ReadToBuffer>(
      std::move(context), "get_range", std::move(key), std::move(options), start, end.value_or(UINT64_MAX)));
}

Future<ReadResult> get_into(std::shared_ptr<Context> context, std::string key, uint64_t offset,
                            std::span<std::byte> out, GetOptions options) {
  if (auto error = unreachable(offset)) {
    return ready_future<ReadResult>(named(std::move(*error), *context, "get_into", key));
  }
  if (!out.empty()) {
    return PromisedRead<ReadResult>::launch(
        std::make_shared<ReadInto>(std::move(context), std::move(key), std::move(options), offset, out));
  }
  // Nothing to read, but still to say: whether the object is there and how large it is.
  return after<ReadResult, ObjectMeta>(head(context, key, options.version_id, "get_into"),
                                       [context, key, offset](ObjectMeta meta) -> Result<ReadResult> {
                                         if (offset > meta.size) {
                                           return named(past_the_end(offset, meta.size), *context, "get_into", key);
                                         }
                                         return ReadResult{0, meta.size, meta.etag};
                                       });
}

Future<RangesResult> get_ranges(std::shared_ptr<Context> context, std::string key, std::vector<RangeInto> ranges,
                                GetOptions options) {
  bool any = false;
  for (const RangeInto& range : ranges) {
    any |= !range.out.empty();
    if (auto error = unreachable(range.offset)) {
      return ready_future<RangesResult>(named(std::move(*error), *context, "get_ranges", key));
    }
  }
  if (any) {
    return PromisedRead<RangesResult>::launch(
        std::make_shared<ReadRanges>(std::move(context), std::move(key), std::move(options), std::move(ranges)));
  }
  return after<RangesResult, ObjectMeta>(head(context, key, options.version_id, "get_ranges"),
                                         [wanted = ranges.size()](ObjectMeta meta) -> Result<RangesResult> {
                                           return RangesResult{std::vector<uint64_t>(wanted, 0), meta.size, meta.etag};
                                         });
}

}  // namespace s3dlio::transfer
