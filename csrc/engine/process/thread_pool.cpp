#include "engine/process/thread_pool.h"

#include <system_error>
#include <utility>

#include "engine/process/thread.h"

namespace s3dlio {

bool ThreadPool::run(std::function<void()>&& work, uint32_t most) {
  std::lock_guard lock(inner_mutex_);
  inner_queue_.push_back(std::move(work));
  if (inner_queue_.size() > inner_idle_ && inner_threads_ < most) {
    try {
      start_thread(inner_name_, [this] { serve(); }).detach();
      ++inner_threads_;
    } catch (const std::system_error&) {
      if (inner_threads_ == 0) {
        work = std::move(inner_queue_.back());
        inner_queue_.pop_back();
        return false;
      }
    }
  }
  inner_ready_.notify_one();
  return true;
}

void ThreadPool::serve() {
  std::unique_lock lock(inner_mutex_);
  for (;;) {
    ++inner_idle_;
    inner_ready_.wait(lock, [this] { return !inner_queue_.empty(); });
    --inner_idle_;
    std::function<void()> work = std::move(inner_queue_.front());
    inner_queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it holds is let go of outside the lock
    lock.lock();
  }
}

}  // namespace s3dlio
