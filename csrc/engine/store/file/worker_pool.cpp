#include "engine/store/file/worker_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/base/per_process.h"

namespace s3dlio::file {
namespace {

constexpr uint32_t kMaxWorkers = 256;
constinit std::atomic<uint32_t> allowed{1};

class WorkerPool {
 public:
  void post(std::function<void()> task) {
    bool start = false;
    {
      std::lock_guard lock(inner_mutex_);
      inner_tasks_.push_back(std::move(task));
      start = inner_tasks_.size() > inner_idle_ && inner_threads_ < allowed.load(std::memory_order_relaxed);
      if (start) ++inner_threads_;
    }
    if (start) {
      start_thread("s3dlio-file", [this] { work(); });
    } else {
      inner_ready_.notify_one();
    }
  }

 private:
  void work() {
    std::unique_lock lock(inner_mutex_);
    for (;;) {
      ++inner_idle_;
      inner_ready_.wait(lock, [&] { return !inner_tasks_.empty(); });
      --inner_idle_;
      std::function<void()> task = std::move(inner_tasks_.front());
      inner_tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it holds is let go before the lock is taken
      lock.lock();
    }
  }

  std::mutex inner_mutex_;
  std::condition_variable inner_ready_;
  std::deque<std::function<void()>> inner_tasks_;
  size_t inner_idle_ = 0;
  uint32_t inner_threads_ = 0;
};

constinit PerProcess<WorkerPool> worker_pool;

}  // namespace

void run_on_worker(std::function<void()> task) { worker_pool.get().post(std::move(task)); }

void allow_workers(uint32_t count) {
  count = std::clamp(count, 1u, kMaxWorkers);
  uint32_t now = allowed.load(std::memory_order_relaxed);
  while (now < count && !allowed.compare_exchange_weak(now, count, std::memory_order_relaxed)) {
  }
}

void start_thread(const char* name, std::function<void()> body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), name);
  thread.detach();
}

}  // namespace s3dlio::file
