#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/base/per_process.h"
#include "engine/net/event_loop.h"

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
  size_t size() const override { return count_; }
  EventLoop& at(size_t index) override {
    std::call_once(started_, [this] {
      for (size_t i = 0; i < count_; ++i) loops_.push_back(make_event_loop());
    });
    return *loops_.at(index);
  }
  EventLoop& next() override { return at(turn_.fetch_add(1, std::memory_order_relaxed) % count_); }

 private:
  const size_t count_ = wanted_loops();
  std::once_flag started_;
  std::atomic<size_t> turn_{0};
  std::vector<std::unique_ptr<EventLoop>> loops_;
};

PerProcess<ProcessLoops> process_loops;

}  // namespace

LoopGroup& LoopGroup::instance() { return process_loops.get(); }

}  // namespace s3dlio::net
