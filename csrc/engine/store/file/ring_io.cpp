#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "engine/base/log.h"
#include "engine/base/per_process.h"
#include "engine/base/thread.h"
#include "engine/stats/stats.h"
#include "engine/store/file/file_io.h"
#include "engine/store/file/file_syscalls.h"
#include "engine/store/file/ring.h"
#include "engine/store/file/worker_pool.h"

namespace s3dlio::file {
namespace {

constexpr unsigned kEntries = 256;
constexpr size_t kMaxCall = size_t{1} << 30;

// A fixed number of slots, one for each request the kernel has; what comes beyond waits in a queue.
class RingIo : public FileIo {
 public:
  explicit RingIo(std::unique_ptr<Ring> ring) : inner_ring_(std::move(ring)), inner_slots_(inner_ring_->entries()) {
    for (Slot& slot : inner_slots_) inner_free_.push_back(&slot);
    start_thread("s3dlio-ring", [this] { reap(); }).detach();
  }

  void submit(std::vector<IoRequest> batch) override {
    unsigned pushed = 0;
    {
      std::lock_guard lock(inner_mutex_);
      for (IoRequest& request : batch) inner_waiting_.push_back(std::move(request));
      pushed = push_waiting();
    }
    submit_pushed(pushed);
  }
  std::string_view name() const override { return "io_uring"; }

 private:
  struct Slot {
    IoRequest request;
    Progress progress;
  };

  unsigned push_waiting() {  // under the mutex
    unsigned pushed = 0;
    for (; !inner_waiting_.empty() && !inner_free_.empty(); ++pushed) {
      Slot* slot = inner_free_.back();
      inner_free_.pop_back();
      slot->request = std::move(inner_waiting_.front());
      slot->progress = Progress();
      inner_waiting_.pop_front();
      push(slot);
    }
    return pushed;
  }

  void push(Slot* slot) {  // under the mutex
    const IoRequest& request = slot->request;
    const size_t from = slot->progress.moved();
    abi::Sqe sqe = {};
    sqe.opcode = request.is_write ? abi::kOpWrite : abi::kOpRead;
    sqe.fd = request.fd;
    sqe.offset = request.offset + from;
    sqe.address = reinterpret_cast<uint64_t>(request.data + from);
    sqe.length = static_cast<uint32_t>(std::min(request.size - from, kMaxCall));
    sqe.user_data = reinterpret_cast<uint64_t>(slot);
    inner_ring_->push(sqe);
  }

  // The kernel takes what was pushed or the process can do no file I/O any more: there is no way to take an entry back.
  void submit_pushed(unsigned count) {
    if (count == 0) return;
    if (const int failed = inner_ring_->submit(count)) {
      log(LogLevel::kError, "io_uring_enter failed with errno " + std::to_string(failed));
    }
  }

  void reap() {
    for (;;) {
      inner_ring_->wait();
      abi::Cqe cqe;
      while (inner_ring_->pop(cqe)) complete(*reinterpret_cast<Slot*>(cqe.user_data), cqe.result);
    }
  }

  void complete(Slot& slot, int32_t raw_result) {
    IoRequest request;
    int64_t answer = 0;
    bool to_threads = false;
    unsigned pushed = 0;
    {
      std::lock_guard lock(inner_mutex_);
      const int32_t result = syscalls().ring_result(slot.request.is_write, raw_result);
      to_threads = result == -EAGAIN || result == -EOPNOTSUPP;  // not without waiting; not at all for this kind of file
      if (!to_threads && !slot.progress.finished_after(slot.request, result)) {
        push(&slot);
        pushed = 1;
      } else {
        request = std::move(slot.request);
        answer = slot.progress.result();
        inner_free_.push_back(&slot);
        pushed = push_waiting();
      }
    }
    submit_pushed(pushed);
    if (!request.done) return;
    if (to_threads) {
      std::vector<IoRequest> again;
      again.push_back(std::move(request));
      thread_io().submit(std::move(again));
    } else {
      request.done(answer);
    }
  }

  std::unique_ptr<Ring> inner_ring_;
  std::mutex inner_mutex_;
  std::vector<Slot> inner_slots_;
  std::vector<Slot*> inner_free_;
  std::deque<IoRequest> inner_waiting_;
};

struct Probed {
  std::once_flag once;
  std::unique_ptr<RingIo> io;

  void probe() {
    int error_number = 0;
    if (auto ring = Ring::open(kEntries, error_number)) {
      io = std::make_unique<RingIo>(std::move(ring));
      return;
    }
    count(counters().io_uring_fallbacks);
    log(LogLevel::kInfo, "no io_uring here (errno " + std::to_string(error_number) + "); files are read by threads");
  }
};
constinit PerProcess<Probed> probed;

}  // namespace

FileIo* ring_io() {
  Probed& mine = probed.get();
  std::call_once(mine.once, [&] { mine.probe(); });
  return mine.io.get();
}

}  // namespace s3dlio::file
