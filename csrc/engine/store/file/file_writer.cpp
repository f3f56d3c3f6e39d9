#include "engine/store/file/file_writer.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "engine/process/clean_up.h"
#include "engine/process/fork.h"
#include "engine/stats/stats.h"
#include "engine/store/file/file_error.h"
#include "engine/store/file/temporary.h"
#include "engine/store/file/worker_pool.h"
#include "engine/store/file/write_file.h"

namespace s3dlio::file {
namespace {

constexpr size_t kBlockBytes = size_t{4} << 20;
constexpr size_t kMaxGatheredInFlight = 4;  // bounds the writer's own memory at five blocks

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(std::shared_ptr<const Context> context, std::unique_ptr<Temporary> file,
         std::function<Error(Error)> with_place)
      : inner_context_(std::move(context)),
        inner_with_place_(std::move(with_place)),
        inner_file_(std::move(file)),
        inner_cancel_(std::make_shared<std::atomic<bool>>(false)) {}

  Future<Unit> write(std::span<const std::byte> data) {
    Promise<Unit> promise;
    std::unique_lock lock(inner_mutex_);
    if (inner_state_ != State::kOpen) {
      lock.unlock();
      promise.set(place(make_error(ErrorCode::kClosed, "the writer was closed or aborted before")));
      return promise.future();
    }
    inner_bytes_ += data.size();
    data = gather(data);
    const size_t whole = data.size() - data.size() % kBlockBytes;
    const bool lends = whole > 0 && !inner_error_;
    if (lends) {
      start(data.first(whole), {}, promise);
      promise.on_cancel([cancel = inner_cancel_] { cancel->store(true, std::memory_order_relaxed); });
    }
    gather(data.subspan(whole));
    if (!lends) {
      if (inner_error_ || inner_gathered_ <= kMaxGatheredInFlight) {
        const Result<Unit> result = inner_error_ ? Result<Unit>(*inner_error_) : Result<Unit>(Unit{});
        lock.unlock();
        promise.set(result);
        return promise.future();
      }
      inner_waiting_.push_back(promise);
    }
    return promise.future();
  }

  Future<PutResult> close() {
    Promise<PutResult> promise;
    std::unique_lock lock(inner_mutex_);
    if (inner_state_ != State::kOpen) {
      lock.unlock();
      promise.set(place(make_error(ErrorCode::kClosed, "the writer was closed or aborted before")));
      return promise.future();
    }
    inner_state_ = State::kClosing;
    inner_result_ = promise;
    if (inner_filled_ > 0 && !inner_error_) flush();
    end_if_idle();
    return promise.future();
  }

  Future<Unit> abort() {
    Promise<Unit> promise;
    std::lock_guard lock(inner_mutex_);
    if (inner_state_ != State::kOpen) return ready_future<Unit>(Unit{});
    inner_state_ = State::kAborting;
    inner_cancel_->store(true, std::memory_order_relaxed);
    inner_aborted_ = promise;
    end_if_idle();
    return promise.future();
  }

  uint64_t bytes_written() {
    std::lock_guard lock(inner_mutex_);
    return inner_bytes_;
  }

 private:
  enum class State { kOpen, kClosing, kAborting };

  Error place(Error error) const { return inner_with_place_(std::move(error)); }

  // Copies the front of `data` into the block being gathered; gives what is left. Whole blocks are not gathered when
  // none is begun: they are written from where they are.
  std::span<const std::byte> gather(std::span<const std::byte> data) {
    while (!data.empty() && !inner_error_ && (inner_filled_ > 0 || data.size() < kBlockBytes)) {
      if (inner_filled_ == 0 && !new_block()) break;
      const size_t size = std::min(data.size(), kBlockBytes - inner_filled_);
      std::memcpy(inner_block_.data() + inner_filled_, data.data(), size);
      count(counters().bytes_copied, size);
      inner_filled_ += size;
      data = data.subspan(size);
      if (inner_filled_ == kBlockBytes) flush();
    }
    return data;
  }

  bool new_block() {
    Result<Buffer> block = BufferPool::instance().allocate(kBlockBytes);
    if (block.ok()) {
      inner_block_ = std::move(*block);
    } else {
      inner_error_ = place(std::move(block).error());
    }
    return !inner_error_;
  }

  void flush() {
    const Buffer block = std::exchange(inner_block_, Buffer());
    start(block.span().first(std::exchange(inner_filled_, 0)), block, std::nullopt);
  }

  // Writes `data` at the next offset. `owner` keeps gathered data alive; `lender` hears when lent memory is free again.
  void start(std::span<const std::byte> data, Buffer owner, std::optional<Promise<Unit>> lender) {
    const uint64_t offset = inner_offset_;
    inner_offset_ += data.size();
    ++inner_open_;
    if (owner.size()) ++inner_gathered_;
    run_on_worker(
        [self = shared_from_this(), data, owner = std::move(owner), lender = std::move(lender), offset]() mutable {
          const Context& context = *self->inner_context_;
          BlockPlan plan = plan_write(offset, data, self->inner_file_->alignment(), kBlockBytes);
          const Depth depth = depth_for_write(context, plan.alignment > 1, data.size());
          FileIo& io = plan.blocks.size() == 1 && &write_engine(context, plan) == &thread_io()
                           ? inline_io()
                           : write_engine(context, plan);
          run_blocks(io, self->inner_file_->fd(), std::move(plan), depth.lanes, self->inner_cancel_, {},
                     [self, owner = std::move(owner), lender](RunResult run) mutable {
                       self->on_run(run, std::move(owner), lender);
                     });
        });
  }

  void on_run(const RunResult& run, Buffer owner, const std::optional<Promise<Unit>>& lender) {
    const bool gathered = owner.size() > 0;
    owner = Buffer();  // given back before another may take its place
    std::vector<Promise<Unit>> ready;
    Result<Unit> result = Unit{};
    {
      std::lock_guard lock(inner_mutex_);
      --inner_open_;
      if (gathered) --inner_gathered_;
      if (run.error_number && !inner_error_) inner_error_ = place(error_of(run));
      if (inner_error_) result = *inner_error_;
      if (lender) ready.push_back(*lender);
      if (inner_error_ || inner_gathered_ <= kMaxGatheredInFlight) {
        ready.insert(ready.end(), inner_waiting_.begin(), inner_waiting_.end());
        inner_waiting_.clear();
      }
      end_if_idle();
    }
    for (const Promise<Unit>& promise : ready) promise.set(result);
  }

  Error error_of(const RunResult& run) const {
    if (run.error_number == ECANCELED) return cancelled_error();
    return inner_file_->error_of(run.error_number, "writing at byte " + std::to_string(run.offset), inner_bytes_);
  }

  // Under the mutex. The end comes once: nothing is started after it.
  void end_if_idle() {
    if (inner_state_ == State::kOpen || inner_open_ > 0 || inner_ended_) return;
    inner_ended_ = true;
    run_on_worker([self = shared_from_this()] { self->end(); });
  }

  void end() {  // on a worker, with nothing in flight
    Result<PutResult> result = Error{};
    if (inner_result_) {
      result = inner_error_ ? Result<PutResult>(*inner_error_) : inner_file_->commit(inner_offset_);
      if (!result.ok() && !inner_error_) result = place(std::move(result).error());
      if (result.ok()) count(counters().bytes_sent, inner_offset_);
    }
    inner_file_.reset();
    for (const Promise<Unit>& promise : inner_waiting_) promise.set(place(cancelled_error()));
    if (inner_result_) inner_result_->set(std::move(result));
    if (inner_aborted_) inner_aborted_->set(Unit{});
  }

  const std::shared_ptr<const Context> inner_context_;
  const std::function<Error(Error)> inner_with_place_;
  std::unique_ptr<Temporary> inner_file_;
  const CancelFlag inner_cancel_;
  std::mutex inner_mutex_;  // guards what follows
  State inner_state_ = State::kOpen;
  bool inner_ended_ = false;
  uint64_t inner_bytes_ = 0;   // given by the caller
  uint64_t inner_offset_ = 0;  // started to be written
  Buffer inner_block_;
  size_t inner_filled_ = 0;
  size_t inner_open_ = 0;      // runs in flight
  size_t inner_gathered_ = 0;  // of these, from blocks of ours
  std::optional<Error> inner_error_;
  std::vector<Promise<Unit>> inner_waiting_;
  std::optional<Promise<PutResult>> inner_result_;
  std::optional<Promise<Unit>> inner_aborted_;
};

class FileWriter : public ObjectWriter {
 public:
  explicit FileWriter(std::shared_ptr<Stream> stream)
      : inner_stream_(std::move(stream)), inner_generation_(fork_generation()) {}
  ~FileWriter() override {
    // In a forked child the upload is its parent's, and so may be the mutex.
    if (inner_generation_ == fork_generation()) {
      clean_up(inner_stream_->abort());
    } else {
      new std::shared_ptr<Stream>(std::move(inner_stream_));
    }
  }
  Future<Unit> write(std::span<const std::byte> data) override { return inner_stream_->write(data); }
  Future<PutResult> close() override { return inner_stream_->close(); }
  Future<Unit> abort() override { return inner_stream_->abort(); }
  uint64_t bytes_written() const override { return inner_stream_->bytes_written(); }

 private:
  std::shared_ptr<Stream> inner_stream_;
  const uint64_t inner_generation_;
};

}  // namespace

Result<std::unique_ptr<ObjectWriter>> open_file_writer(std::shared_ptr<const Context> context, std::string key,
                                                       PutOptions options, std::function<Error(Error)> with_place) {
  const uint64_t expected = options.expected_size.value_or(0);
  Result<std::unique_ptr<Temporary>> file = Temporary::create(context, key, std::move(options));
  if (!file.ok()) return with_place(std::move(file).error());
  if (Result<Unit> reserved = (*file)->reserve(expected); !reserved.ok()) {
    return with_place(std::move(reserved).error());
  }
  auto stream = std::make_shared<Stream>(std::move(context), std::move(*file), std::move(with_place));
  return std::unique_ptr<ObjectWriter>(std::make_unique<FileWriter>(std::move(stream)));
}

}  // namespace s3dlio::file
