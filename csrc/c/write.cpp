// Storing from memory and piece by piece.
#include <atomic>
#include <chrono>

#include "c/door.h"
#include "engine/process/fork.h"
#include "engine/process/process_end.h"

namespace s3dlio::c {

PutOptions put_options_of(const s3dlio_put_options& options) {
  PutOptions out;
  out.content_type = text_or_empty(options.content_type);
  out.if_match = text_or_empty(options.if_match);
  out.if_none_match = options.if_none_match != 0;
  if (options.expected_size != 0) out.expected_size = options.expected_size;
  return out;
}

s3dlio_put_result result_of(const PutResult& put) {
  s3dlio_put_result result{};
  result.size = put.size;
  copy_etag(result.etag, put.etag);
  return result;
}

}  // namespace s3dlio::c

using s3dlio::Result;
using s3dlio::Unit;
using namespace s3dlio::c;  // NOLINT(google-build-using-namespace): the door's own

// Known to the end of the process, which aborts it unless it is over by then.
class OpenWriter final : public s3dlio::Cancellable {
 public:
  explicit OpenWriter(std::unique_ptr<s3dlio::ObjectWriter> writer) : inner_writer_(std::move(writer)) {}

  s3dlio::ObjectWriter& writer() { return *inner_writer_; }
  void end() { inner_is_over_ = true; }  // it is being closed or aborted
  void cancel() override {
    if (!inner_is_over_.exchange(true)) inner_abort_ = inner_writer_->abort();
  }
  bool wait_for(std::chrono::nanoseconds timeout) override {
    return !inner_abort_.valid() || inner_abort_.wait_for(timeout);
  }

 private:
  const std::unique_ptr<s3dlio::ObjectWriter> inner_writer_;
  std::atomic<bool> inner_is_over_{false};
  s3dlio::Future<Unit> inner_abort_;
};

struct s3dlio_writer {
  std::shared_ptr<OpenWriter> open;
  uint64_t generation;
};

namespace {

std::span<const std::byte> bytes_of(const void* data, size_t size) {
  return {static_cast<const std::byte*>(data), size};
}

Result<Unit> check(const s3dlio_writer* writer) {
  if (writer == nullptr) return invalid("the writer is NULL");
  if (writer->generation == s3dlio::fork_generation()) return Unit{};
  return s3dlio::make_error(s3dlio::ErrorCode::kClosed, "the writer was opened before fork()");
}

}  // namespace

s3dlio_code s3dlio_put(s3dlio_store* store, const char* key, const void* data, size_t size,
                       const s3dlio_put_options* options, s3dlio_put_result* result, s3dlio_error** error) {
  return guarded("put", error, [&]() -> Result<Unit> {
    auto engine = store_of(store, key);
    if (!engine) return engine.error();
    if (data == nullptr && size != 0) return invalid("data is NULL");
    if (auto sound = check_size(result); !sound) return sound;
    auto given = taken(options);
    if (!given) return given.error();
    auto put = s3dlio::wait_interruptibly((*engine)->put(key, bytes_of(data, size), put_options_of(*given)));
    if (!put) return put.error();
    give(result, result_of(*put));
    return Unit{};
  });
}

s3dlio_code s3dlio_writer_open(s3dlio_store* store, const char* key, const s3dlio_put_options* options,
                               s3dlio_writer** writer, s3dlio_error** error) {
  return guarded("write", error, [&]() -> Result<Unit> {
    auto engine = store_of(store, key);
    if (!engine) return engine.error();
    if (writer == nullptr) return invalid("writer is NULL");
    auto given = taken(options);
    if (!given) return given.error();
    auto opened = (*engine)->open_writer(key, put_options_of(*given));
    if (!opened) return opened.error();
    auto open = std::make_shared<OpenWriter>(std::move(opened).value());
    s3dlio::remember(open);
    *writer = new s3dlio_writer{std::move(open), s3dlio::fork_generation()};
    return Unit{};
  });
}

s3dlio_code s3dlio_writer_write(s3dlio_writer* writer, const void* data, size_t size, s3dlio_error** error) {
  return guarded("write", error, [&]() -> Result<Unit> {
    if (auto sound = check(writer); !sound) return sound;
    if (data == nullptr && size != 0) return invalid("data is NULL");
    return s3dlio::wait_interruptibly(writer->open->writer().write(bytes_of(data, size)));
  });
}

s3dlio_code s3dlio_writer_close(s3dlio_writer* writer, s3dlio_put_result* result, s3dlio_error** error) {
  return guarded("write", error, [&]() -> Result<Unit> {
    if (auto sound = check(writer); !sound) return sound;
    if (auto sound = check_size(result); !sound) return sound;
    writer->open->end();
    auto put = s3dlio::wait_interruptibly(writer->open->writer().close());
    if (!put) return put.error();
    give(result, result_of(*put));
    return Unit{};
  });
}

s3dlio_code s3dlio_writer_abort(s3dlio_writer* writer, s3dlio_error** error) {
  return guarded("write", error, [&]() -> Result<Unit> {
    if (auto sound = check(writer); !sound) return sound;
    writer->open->end();
    return s3dlio::wait_interruptibly(writer->open->writer().abort());
  });
}

void s3dlio_writer_free(s3dlio_writer* writer) {
  // Dropped before it is over, the engine aborts it, and the end of the process waits for that.
  if (writer != nullptr && writer->generation == s3dlio::fork_generation()) delete writer;
}
