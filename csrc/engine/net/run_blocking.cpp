#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "engine/net/event_loop.h"
#include "engine/net/per_process.h"
#include "engine/net/thread.h"

namespace s3dlio::net {
namespace {

constexpr size_t kMostHelpers = 16;  // a slow name server holds a thread for seconds

class Helpers {
 public:
  void run(std::function<void()> work) {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
    if (queue_.size() > idle_ && threads_ < kMostHelpers) {
      start_thread("s3dlio-helper", [this] { serve(); }).detach();
      ++threads_;
    }
    ready_.notify_one();
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      ready_.wait(lock, [this] { return !queue_.empty(); });
      --idle_;
      std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      work = nullptr;  // what it holds is let go of outside the lock
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
  size_t idle_ = 0;
  size_t threads_ = 0;
};

PerProcess<Helpers> helpers;

}  // namespace

void run_blocking(std::function<void()> work) { helpers.get().run(std::move(work)); }

}  // namespace s3dlio::net
