#include "engine/store/file/worker_pool.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "engine/process/per_process.h"
#include "engine/process/thread_pool.h"

namespace s3dlio::file {
namespace {

constexpr uint32_t kMaxWorkers = 256;
constinit std::atomic<uint32_t> allowed{1};

struct Workers : ThreadPool {
  Workers() : ThreadPool("s3dlio-file") {}
};

constinit PerProcess<Workers> workers;

}  // namespace

void run_on_worker(std::function<void()> task) {
  // Without a thread to be had the caller's own does the work, which was not moved then: slower, but done.
  if (!workers.get().run(std::move(task), allowed.load(std::memory_order_relaxed)))
    task();  // NOLINT(bugprone-use-after-move)
}

void allow_workers(uint32_t count) {
  count = std::clamp(count, 1u, kMaxWorkers);
  uint32_t now = allowed.load(std::memory_order_relaxed);
  while (now < count && !allowed.compare_exchange_weak(now, count, std::memory_order_relaxed)) {
  }
}

}  // namespace s3dlio::file
