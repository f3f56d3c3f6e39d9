#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/base/log.h"
#include "engine/net/event_loop.h"
#include "engine/process/per_process.h"

namespace s3dlio::net {
namespace {

constexpr size_t kMostLoops = 256;

size_t wanted_loops() {
  if (const char* text = std::getenv("S3DLIO_EVENT_LOOPS")) {
    size_t count = 0;
    const char* end = text + std::strlen(text);
    const auto parsed = std::from_chars(text, end, count);
    if (parsed.ec == std::errc() && parsed.ptr == end && count > 0) return std::min(count, kMostLoops);
  }
  return std::clamp<size_t>(std::thread::hardware_concurrency() / 2, 1, 8);
}

class ProcessLoops final : public LoopGroup {
 public:
  Result<Unit> start() override {
    if (count_.load(std::memory_order_acquire) > 0) return Unit();
    std::lock_guard lock(mutex_);
    if (!loops_.empty()) return Unit();
    std::string reason;
    try {
      for (size_t wanted = wanted_loops(); loops_.size() < wanted;) loops_.push_back(make_event_loop());
    } catch (const std::system_error& failure) {
      reason = failure.what();
    }
    if (loops_.empty()) {
      return make_error(ErrorCode::kIo,
                        "no thread can be started for the transfer: " + reason +
                            "; check the limits on processes and open files (ulimit -u, ulimit -n, the pids cgroup)");
    }
    if (!reason.empty()) {
      log(LogLevel::kWarning, "only " + std::to_string(loops_.size()) + " threads could be started: " + reason);
    }
    count_.store(loops_.size(), std::memory_order_release);
    return Unit();
  }
  size_t size() const override { return count_.load(std::memory_order_acquire); }
  EventLoop& at(size_t index) override {
    static_cast<void>(start());
    return *loops_.at(index);
  }
  EventLoop& next() override {
    const size_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
    return at(turn % std::max<size_t>(1, size()));
  }

 private:
  std::mutex mutex_;
  std::atomic<size_t> count_{0};  // loops_ does not change any more once this is set
  std::atomic<size_t> turn_{0};
  std::vector<std::unique_ptr<EventLoop>> loops_;
};

PerProcess<ProcessLoops> process_loops;

}  // namespace

LoopGroup& LoopGroup::instance() { return process_loops.get(); }

}  // namespace s3dlio::net
