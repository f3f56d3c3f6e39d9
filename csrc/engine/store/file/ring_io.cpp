#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "engine/base/log.h"
#include "engine/process/per_process.h"
#include "engine/process/thread.h"
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
    bool broken = false;
    {
      std::lock_guard lock(inner_mutex_);
      broken = inner_broken_;
      if (!broken) {
        for (IoRequest& request : batch) inner_waiting_.push_back(std::move(request));
        pushed = push_waiting();
      }
    }
    if (broken) return thread_io().submit(std::move(batch));
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
    inner_entering_ += pushed > 0;
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

  // Without the mutex, after a push that counted itself in inner_entering_.
  void submit_pushed(unsigned count) {
    if (count == 0) return;
    const int failed = inner_ring_->submit(count);
    std::vector<IoRequest> left;
    {
      std::lock_guard lock(inner_mutex_);
      if (failed && !std::exchange(inner_broken_, true)) {
        s3dlio::count(counters().io_uring_fallbacks);
        log(LogLevel::kError, "io_uring_enter failed with errno " + std::to_string(failed) + "; threads take over");
      }
      // Whoever is in the kernel may still hand it entries of others; the last one to come back sees what is left.
      if (--inner_entering_ == 0 && inner_broken_) left = taken_back();
    }
    if (!left.empty()) thread_io().submit(std::move(left));
  }

  // Under the mutex: the requests that the kernel did not take, and those that wait for their turn.
  std::vector<IoRequest> taken_back() {
    std::vector<IoRequest> left;
    while (const auto entry = inner_ring_->take_back()) {
      auto* const slot = reinterpret_cast<Slot*>(*entry);
      left.push_back(std::move(slot->request));
      inner_free_.push_back(slot);
    }
    for (IoRequest& request : inner_waiting_) left.push_back(std::move(request));
    inner_waiting_.clear();
    return left;
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
      const bool finished = !to_threads && slot.progress.finished_after(slot.request, result);
      to_threads = to_threads || (!finished && inner_broken_);
      if (!to_threads && !finished) {
        push(&slot);
        pushed = 1;
        ++inner_entering_;
      } else {
        request = std::move(slot.request);
        answer = slot.progress.result();
        inner_free_.push_back(&slot);
        if (!inner_broken_) pushed = push_waiting();
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
  unsigned inner_entering_ = 0;  // threads that hand entries to the kernel
  bool inner_broken_ = false;    // the kernel took no more; what it has comes back, the rest is the threads'
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
