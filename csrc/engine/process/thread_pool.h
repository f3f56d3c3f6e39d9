// Threads for work that blocks: started when there is some, kept for more. Not destroyed while the process lives (see
// PerProcess), so that threads may wait in it until the end.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

namespace s3dlio {

class ThreadPool {
 public:
  // `name` is that of its threads, at most 15 characters; it must live on.
  explicit ThreadPool(const char* name) : inner_name_(name) {}
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Any thread; pieces of work start in order and must not wait for each other. One more thread is started when all
  // are busy and there are fewer than `most`. False: the system gives no thread and there is none yet; `work` is left
  // as it was.
  [[nodiscard]] bool run(std::function<void()>&& work, uint32_t most);

 private:
  void serve();

  const char* const inner_name_;
  std::mutex inner_mutex_;
  std::condition_variable inner_ready_;
  std::deque<std::function<void()>> inner_queue_;
  size_t inner_idle_ = 0;
  uint32_t inner_threads_ = 0;
};

}  // namespace s3dlio
