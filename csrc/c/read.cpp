// Reading into the caller's memory, waited for or not.
#include "c/door.h"
#include "engine/process/fork.h"

using s3dlio::Future;
using s3dlio::ReadResult;
using s3dlio::Result;
using s3dlio::Unit;
using namespace s3dlio::c;  // NOLINT(google-build-using-namespace): the door's own

// Known to the end of the process, which takes it back.
struct s3dlio_pending {
  std::shared_ptr<s3dlio::RememberedCall<ReadResult>> call;
  Future<ReadResult> future;
  uint64_t generation;
  bool is_taken = false;
  bool is_heard = false;
};

namespace {

Result<Future<ReadResult>> start(s3dlio_store* store, const char* key, uint64_t offset, void* into, size_t size,
                                 const s3dlio_read_options* options) {
  auto engine = store_of(store, key);
  if (!engine) return engine.error();
  if (into == nullptr && size != 0) return invalid("into is NULL");
  auto given = taken(options);
  if (!given) return given.error();
  s3dlio::GetOptions wanted;
  wanted.if_match = text_or_empty(given->if_match);
  return (*engine)->get_into(key, offset, {static_cast<std::byte*>(into), size}, std::move(wanted));
}

s3dlio_read_result result_of(const ReadResult& read) {
  s3dlio_read_result result{};
  result.bytes_read = read.bytes_read;
  result.object_size = read.object_size;
  copy_etag(result.etag, read.etag);
  return result;
}

}  // namespace

s3dlio_code s3dlio_read(s3dlio_store* store, const char* key, uint64_t offset, void* into, size_t size,
                        const s3dlio_read_options* options, s3dlio_read_result* result, s3dlio_error** error) {
  return guarded("get_into", error, [&]() -> Result<Unit> {
    if (auto sound = check_size(result); !sound) return sound;
    auto future = start(store, key, offset, into, size, options);
    if (!future) return future.error();
    auto read = s3dlio::wait_interruptibly(*future);
    if (!read) return read.error();
    give(result, result_of(*read));
    return Unit{};
  });
}

s3dlio_code s3dlio_read_start(s3dlio_store* store, const char* key, uint64_t offset, void* into, size_t size,
                              const s3dlio_read_options* options, s3dlio_pending** pending, s3dlio_error** error) {
  return guarded("get_into", error, [&]() -> Result<Unit> {
    if (pending == nullptr) return invalid("pending is NULL");
    // Made before anything writes to the memory: nothing may fail between the start and its being handed over.
    auto made = std::make_unique<s3dlio_pending>(s3dlio_pending{nullptr, {}, s3dlio::fork_generation()});
    auto future = start(store, key, offset, into, size, options);
    if (!future) return future.error();
    made->future = *future;
    try {
      made->call = std::make_shared<s3dlio::RememberedCall<ReadResult>>(*future);
      s3dlio::remember(made->call);
    } catch (...) {
      made->future.cancel();
      static_cast<void>(made->future.wait());
      throw;
    }
    *pending = made.release();
    return Unit{};
  });
}

int s3dlio_pending_wait(s3dlio_pending* pending, int64_t timeout_ms) {
  if (pending == nullptr || pending->is_taken) return 1;
  if (pending->generation != s3dlio::fork_generation()) return 0;
  if (timeout_ms >= 0) return pending->future.wait_for(std::chrono::milliseconds(timeout_ms)) ? 1 : 0;
  while (!pending->future.wait_for(s3dlio::kWaitSlice)) {
    if (s3dlio::is_interrupted()) pending->future.cancel();
  }
  return 1;
}

void s3dlio_pending_cancel(s3dlio_pending* pending) {
  if (pending != nullptr && pending->generation == s3dlio::fork_generation()) pending->future.cancel();
}

void s3dlio_pending_on_done(s3dlio_pending* pending, void (*callback)(void* data), void* data) {
  if (pending == nullptr || callback == nullptr || pending->generation != s3dlio::fork_generation()) return;
  if (std::exchange(pending->is_heard, true)) return;
  pending->future.on_ready([callback, data] { callback(data); });
}

s3dlio_code s3dlio_pending_result(s3dlio_pending* pending, s3dlio_read_result* result, s3dlio_error** error) {
  return guarded("get_into", error, [&]() -> Result<Unit> {
    if (pending == nullptr) return invalid("pending is NULL");
    if (auto sound = check_size(result); !sound) return sound;
    if (pending->generation != s3dlio::fork_generation()) {
      return s3dlio::make_error(s3dlio::ErrorCode::kClosed, "the read was started before fork()");
    }
    if (pending->is_taken) return s3dlio::make_error(s3dlio::ErrorCode::kClosed, "the result was taken already");
    static_cast<void>(s3dlio_pending_wait(pending, -1));
    pending->is_taken = true;
    auto read = pending->future.wait();
    if (!read) return read.error();
    give(result, result_of(*read));
    return Unit{};
  });
}

void s3dlio_pending_free(s3dlio_pending* pending) {
  if (pending == nullptr || pending->generation != s3dlio::fork_generation()) return;
  if (!pending->is_taken && !pending->future.is_ready()) {
    pending->future.cancel();
    static_cast<void>(s3dlio_pending_wait(pending, -1));
  }
  delete pending;
}
