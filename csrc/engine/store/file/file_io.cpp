#include "engine/store/file/file_io.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <utility>

#include "engine/store/file/file_syscalls.h"
#include "engine/store/file/worker_pool.h"

namespace s3dlio::file {
namespace {

// Linux moves at most this much in one call; larger requests would look like short ones.
constexpr size_t kMaxCall = size_t{1} << 30;

int64_t call_once(const IoRequest& request, size_t from) {
  const size_t size = std::min(request.size - from, kMaxCall);
  const auto offset = static_cast<off_t>(request.offset + from);
  const ssize_t moved = request.is_write ? syscalls().pwrite(request.fd, request.data + from, size, offset)
                                         : syscalls().pread(request.fd, request.data + from, size, offset);
  return moved < 0 ? -errno : moved;
}

void perform(const IoRequest& request) {
  Progress progress;
  while (!progress.finished_after(request, call_once(request, progress.moved()))) {
  }
  request.done(progress.result());
}

class InlineIo : public FileIo {
 public:
  void submit(std::vector<IoRequest> batch) override {
    for (const IoRequest& request : batch) perform(request);
  }
  std::string_view name() const override { return "inline"; }
};

class ThreadIo : public FileIo {
 public:
  void submit(std::vector<IoRequest> batch) override {
    auto shared = std::make_shared<std::vector<IoRequest>>(std::move(batch));
    run_on_worker([shared] {
      for (const IoRequest& request : *shared) perform(request);
    });
  }
  std::string_view name() const override { return "threads"; }
};

constinit std::atomic<IoEngine> forced{IoEngine::kAuto};

}  // namespace

bool Progress::finished_after(const IoRequest& request, int64_t call_result) {
  if (call_result == -EINTR) return false;
  if (call_result < 0) {
    inner_result_ = call_result;
    return true;
  }
  const size_t total = inner_moved_ + static_cast<size_t>(call_result);
  inner_result_ = static_cast<int64_t>(total);
  if (total >= request.enough) return true;
  // O_DIRECT goes on from aligned places only; the bytes behind the last one are moved again.
  const size_t next = total - total % request.alignment;
  if (next == inner_moved_) {  // no step forward: the end of the file, or a device that takes nothing
    if (request.is_write) inner_result_ = -EIO;
    return true;
  }
  inner_moved_ = next;
  return false;
}

FileIo& thread_io() {
  static auto* const only = new ThreadIo;
  return *only;
}

FileIo& inline_io() {
  static auto* const only = new InlineIo;
  return *only;
}

void force_io_engine(IoEngine engine) { forced.store(engine, std::memory_order_relaxed); }

FileIo& choose_io(bool direct, bool ring_wanted) {
  const IoEngine engine = forced.load(std::memory_order_relaxed);
  const bool use_ring = engine == IoEngine::kRing || (engine == IoEngine::kAuto && direct && ring_wanted);
  FileIo* ring = use_ring ? ring_io() : nullptr;
  return ring ? *ring : thread_io();
}

}  // namespace s3dlio::file
