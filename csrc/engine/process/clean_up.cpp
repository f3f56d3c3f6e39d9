#include "engine/process/clean_up.h"

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

#include "engine/process/per_process.h"

namespace s3dlio {

struct CleanUps {
  std::mutex mutex;
  std::condition_variable none;
  size_t count = 0;
};

namespace {
PerProcess<CleanUps> current;
}

CleanUp::CleanUp() : inner_all_(current.get()) {
  std::lock_guard lock(inner_all_.mutex);
  ++inner_all_.count;
}

CleanUp::~CleanUp() {
  std::lock_guard lock(inner_all_.mutex);
  if (--inner_all_.count == 0) inner_all_.none.notify_all();
}

void clean_up(Future<Unit> ending) {
  ending.on_ready([counted = std::make_shared<CleanUp>()]() mutable { counted.reset(); });
}

bool wait_for_clean_ups(std::chrono::nanoseconds timeout) {
  CleanUps& all = current.get();
  std::unique_lock lock(all.mutex);
  return all.none.wait_for(lock, timeout, [&] { return all.count == 0; });
}

}  // namespace s3dlio
