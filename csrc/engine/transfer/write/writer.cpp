// A writer hands parts to an Upload: whole ones that lie inside a large write straight from the caller's memory, others
// out of buffers of ours that small writes fill. An object that fits into one buffer is a single PUT.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "engine/process/clean_up.h"
#include "engine/stats/stats.h"
#include "engine/transfer/list/objects.h"
#include "engine/transfer/read/plan.h"
#include "engine/transfer/write/put.h"
#include "engine/transfer/write/upload.h"

namespace s3dlio::transfer {
namespace {

// A write lends its memory only when it holds so many whole parts: its future is ready when they have arrived, and with
// fewer the connections would stand still between one write and the next.
constexpr uint64_t kPartsWorthLending = 4;

// Outlives the writer while its upload is ending. One of write, close and abort at a time; between a write that had to
// wait and its future becoming ready, the filling goes on on a loop thread.
class WriterCore : public std::enable_shared_from_this<WriterCore> {
 public:
  WriterCore(std::shared_ptr<Context> context, std::string key, PutOptions options)
      : inner_context_(std::move(context)), inner_key_(std::move(key)), inner_options_(std::move(options)) {
    const uint64_t wanted = inner_options_.part_size.value_or(inner_context_->tuning.part_size);
    inner_part_size_ = inner_options_.expected_size
                           ? upload_part_size(*inner_options_.expected_size, wanted, inner_context_->limits)
                           : wanted;
    const Limits& limits = inner_context_->limits;
    if (inner_part_size_ == 0) inner_part_size_ = limits.max_part_size;  // too large: the last part will say so
    inner_part_size_ = std::clamp(inner_part_size_, limits.min_part_size, limits.max_part_size);
  }

  Future<Unit> write(std::span<const std::byte> data);
  Future<PutResult> close();
  Future<Unit> abort();
  uint64_t bytes_written() const { return inner_bytes_written_; }

 private:
  struct Pending {  // a write whose future is not ready
    std::span<const std::byte> rest;
    bool lends = false;
    Promise<Unit> promise;
  };

  void fill(Pending pending);
  void finish(Pending pending);
  void cancel_write();
  bool must_wait(const Pending& pending);
  uint64_t next_part_size() const;
  Result<Unit> open_buffer(uint64_t size);
  void send_buffer();
  void send(std::span<const std::byte> data, Buffer owner);
  void part_sent(bool lent);
  void upload_ended(Result<PutResult> result);
  std::optional<Error> failure() const;
  std::optional<Error> failure_so_far() const;
  Error error_of(ErrorCode code, std::string message) const {
    return named(make_error(code, std::move(message)), *inner_context_, "write", inner_key_);
  }

  const std::shared_ptr<Context> inner_context_;
  const std::string inner_key_;
  const PutOptions inner_options_;
  uint64_t inner_part_size_ = 0;
  uint64_t inner_bytes_written_ = 0;

  // The filling side's.
  Buffer inner_buffer_;
  uint64_t inner_filled_ = 0;
  uint32_t inner_next_number_ = 1;
  bool inner_closed_ = false;

  mutable std::mutex inner_mutex_;
  std::shared_ptr<Upload> inner_upload_;
  uint32_t inner_parts_out_ = 0;
  uint32_t inner_lent_out_ = 0;  // of these, in the caller's memory
  std::optional<Pending> inner_pending_;
  std::optional<Error> inner_error_;
  std::optional<Promise<PutResult>> inner_closing_;
  std::optional<Promise<Unit>> inner_aborting_;
  bool inner_upload_over_ = false;
};

// ---- filling ----

Future<Unit> WriterCore::write(std::span<const std::byte> data) {
  if (inner_closed_) return ready_future<Unit>(error_of(ErrorCode::kClosed, "the writer was closed already"));
  if (auto error = failure()) return ready_future<Unit>(std::move(*error));
  inner_bytes_written_ += data.size();
  const bool lends = data.size() / kPartsWorthLending >= next_part_size();
  const Promise<Unit> promise;
  fill({data, lends, promise});
  // What is only copied is soon done; what is lent must be let go of soon.
  if (lends) {
    promise.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel_write();
    });
  }
  return promise.future();
}

void WriterCore::fill(Pending pending) {
  while (!pending.rest.empty()) {
    if (inner_buffer_.size() == 0) {
      if (must_wait(pending)) return;
      if (failure_so_far()) break;
      const uint64_t size = next_part_size();
      if (pending.lends && pending.rest.size() >= size) {
        send(pending.rest.first(size), Buffer());
        pending.rest = pending.rest.subspan(size);
        continue;
      }
      if (!open_buffer(size)) break;
    }
    const uint64_t size = std::min<uint64_t>(pending.rest.size(), inner_buffer_.size() - inner_filled_);
    std::memcpy(inner_buffer_.data() + inner_filled_, pending.rest.data(), size);
    count(counters().bytes_copied, size);
    inner_filled_ += size;
    pending.rest = pending.rest.subspan(size);
    // A full buffer waits for the next byte: if none comes, the object is a single PUT.
    if (inner_filled_ == inner_buffer_.size() && !pending.rest.empty()) send_buffer();
  }
  finish(std::move(pending));
}

// Nothing of `pending` is left to be taken: it is done when nothing reads the caller's memory any more.
void WriterCore::finish(Pending pending) {
  pending.rest = {};
  {
    std::lock_guard lock(inner_mutex_);
    if (inner_lent_out_ > 0 && !inner_upload_over_) {
      inner_pending_ = std::move(pending);
      return;
    }
  }
  auto error = failure_so_far();
  if (error && pending.promise.is_cancelled()) error = error_of(ErrorCode::kCancelled, "cancelled");
  pending.promise.set(error ? Result<Unit>(std::move(*error)) : Result<Unit>(Unit()));
}

void WriterCore::cancel_write() {
  std::shared_ptr<Upload> upload;
  {
    std::lock_guard lock(inner_mutex_);
    if (inner_pending_ || inner_lent_out_ > 0) upload = inner_upload_;
  }
  if (!upload) return;
  count(counters().cancelled);
  // Not kCancelled: abort(), which must follow, waits for the clean-up.
  upload->fail(error_of(ErrorCode::kClosed, "a write was cancelled"));
}

// True: `pending` was put aside until a part has been sent.
bool WriterCore::must_wait(const Pending& pending) {
  const auto& window = inner_context_->window;
  const uint64_t by_bytes =
      std::max<uint64_t>(2, inner_context_->tuning.max_in_flight_bytes / std::max<uint64_t>(1, inner_part_size_));
  const uint64_t most = std::min<uint64_t>(by_bytes, window.request_limit() + 2);
  std::lock_guard lock(inner_mutex_);
  if (inner_error_ || inner_parts_out_ < most) return false;
  inner_pending_ = pending;
  return true;
}

uint64_t WriterCore::next_part_size() const {
  const bool sized = inner_options_.expected_size && *inner_options_.expected_size >= inner_bytes_written_;
  return sized || keeps_parts_equal(*inner_context_)
             ? inner_part_size_
             : growing_part_size(inner_next_number_, inner_part_size_, inner_context_->limits);
}

Result<Unit> WriterCore::open_buffer(uint64_t size) {
  auto buffer = BufferPool::instance().allocate(size);
  if (!buffer) {
    Error error = named(std::move(buffer).error(), *inner_context_, "write", inner_key_);
    std::shared_ptr<Upload> upload;
    {
      std::lock_guard lock(inner_mutex_);
      inner_error_ = error;
      upload = inner_upload_;
    }
    if (upload) upload->fail(error);
    return error;
  }
  inner_buffer_ = std::move(buffer).value();
  inner_filled_ = 0;
  return Unit();
}

void WriterCore::send_buffer() {
  Buffer part = std::move(inner_buffer_);
  inner_buffer_ = Buffer();
  const std::span<const std::byte> data(part.data(), std::exchange(inner_filled_, 0));
  send(data, std::move(part));
}

// The next part, lent without an owner.
void WriterCore::send(std::span<const std::byte> data, Buffer owner) {
  std::shared_ptr<Upload> upload;
  bool fresh = false;
  {
    std::lock_guard lock(inner_mutex_);
    ++inner_parts_out_;
    if (owner.size() == 0) ++inner_lent_out_;
    if (!inner_upload_) {
      fresh = true;
      inner_upload_ = std::make_shared<Upload>(
          inner_context_, "write", inner_key_, inner_options_,
          [self = shared_from_this()](Result<PutResult> result) { self->upload_ended(std::move(result)); },
          [weak = weak_from_this()](bool lent) {
            if (const auto self = weak.lock()) self->part_sent(lent);
          });
    }
    upload = inner_upload_;
  }
  if (fresh) upload->begin();
  ++inner_next_number_;
  upload->feed(data, std::move(owner));
}

void WriterCore::part_sent(bool lent) {
  std::optional<Pending> pending;
  {
    std::lock_guard lock(inner_mutex_);
    --inner_parts_out_;
    if (lent) --inner_lent_out_;
    pending.swap(inner_pending_);
  }
  if (pending) fill(std::move(*pending));
}

std::optional<Error> WriterCore::failure() const {
  std::lock_guard lock(inner_mutex_);
  return inner_error_;
}

// As failure(), and also while the failed upload is still being aborted.
std::optional<Error> WriterCore::failure_so_far() const {
  std::shared_ptr<Upload> upload;
  {
    std::lock_guard lock(inner_mutex_);
    if (inner_error_) return inner_error_;
    upload = inner_upload_;
  }
  return upload ? upload->failure() : std::nullopt;
}

// ---- the end ----

Future<PutResult> WriterCore::close() {
  if (auto error = failure()) {
    inner_closed_ = true;
    return ready_future<PutResult>(std::move(*error));
  }
  if (std::exchange(inner_closed_, true)) {
    return ready_future<PutResult>(error_of(ErrorCode::kClosed, "the writer was closed already"));
  }
  std::shared_ptr<Upload> upload;
  {
    std::lock_guard lock(inner_mutex_);
    if (inner_pending_) {
      return ready_future<PutResult>(error_of(ErrorCode::kInvalidArgument, "close() while a write is not done"));
    }
    upload = inner_upload_;
  }
  if (!upload) {
    const std::span<const std::byte> data(inner_buffer_.data(), inner_filled_);
    return put_whole(inner_context_, inner_key_, data, std::move(inner_buffer_), inner_options_);
  }
  if (inner_filled_ > 0) send_buffer();
  Promise<PutResult> promise;
  bool over = false;
  {
    std::lock_guard lock(inner_mutex_);
    over = inner_upload_over_;
    if (!over) inner_closing_ = promise;
  }
  if (over)
    return ready_future<PutResult>(failure().value_or(error_of(ErrorCode::kInternal, "the upload ended early")));
  promise.on_cancel([weak = std::weak_ptr<Upload>(upload), cancelled = error_of(ErrorCode::kCancelled, "cancelled")] {
    count(counters().cancelled);
    if (const auto running = weak.lock()) running->fail(cancelled);
  });
  upload->complete();
  return promise.future();
}

Future<Unit> WriterCore::abort() {
  if (std::exchange(inner_closed_, true)) return ready_future<Unit>(Unit());
  std::shared_ptr<Upload> upload;
  Promise<Unit> promise;
  {
    std::lock_guard lock(inner_mutex_);
    // Once there is an upload, a write that is not done may be filling the buffer on a loop thread.
    if (!inner_upload_) inner_buffer_ = Buffer();
    if (inner_upload_ && !inner_upload_over_) {
      upload = inner_upload_;
      inner_aborting_ = promise;
    }
  }
  if (!upload) return ready_future<Unit>(Unit());
  upload->fail(error_of(ErrorCode::kClosed, "the writer was aborted"));
  return promise.future();
}

void WriterCore::upload_ended(Result<PutResult> result) {
  std::optional<Pending> pending;
  std::optional<Promise<PutResult>> closing;
  std::optional<Promise<Unit>> aborting;
  {
    std::lock_guard lock(inner_mutex_);
    inner_upload_over_ = true;
    if (!result) inner_error_ = result.error();
    pending.swap(inner_pending_);
    closing.swap(inner_closing_);
    aborting.swap(inner_aborting_);
  }
  if (pending && result) pending->promise.set(error_of(ErrorCode::kInternal, "the upload ended early"));
  if (pending && !result) finish(std::move(*pending));
  if (aborting) aborting->set(Unit());
  if (closing) closing->set(std::move(result));
}

class Writer final : public ObjectWriter {
 public:
  explicit Writer(std::shared_ptr<WriterCore> core) : inner_core_(std::move(core)) {}
  ~Writer() override { clean_up(inner_core_->abort()); }
  Future<Unit> write(std::span<const std::byte> data) override { return inner_core_->write(data); }
  Future<PutResult> close() override { return inner_core_->close(); }
  Future<Unit> abort() override { return inner_core_->abort(); }
  uint64_t bytes_written() const override { return inner_core_->bytes_written(); }

 private:
  std::shared_ptr<WriterCore> inner_core_;
};

}  // namespace

std::unique_ptr<ObjectWriter> open_writer(std::shared_ptr<Context> context, std::string key, PutOptions options) {
  return std::make_unique<Writer>(std::make_shared<WriterCore>(std::move(context), std::move(key), std::move(options)));
}

}  // namespace s3dlio::transfer
