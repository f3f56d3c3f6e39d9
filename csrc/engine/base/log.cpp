#include "engine/base/log.h"

#include <atomic>
#include <limits>
#include <string>

#include "engine/base/published.h"

namespace s3dlio {
namespace {

using Sink = std::function<void(LogLevel, std::string_view)>;

constexpr int kSilent = std::numeric_limits<int>::max();
constinit std::atomic<int> minimum_level{kSilent};
constinit Published<Sink> current_sink;

}  // namespace

void set_log_sink(Sink sink, LogLevel minimum) {
  if (!sink) {
    minimum_level.store(kSilent, std::memory_order_relaxed);
    current_sink.clear();
    return;
  }
  current_sink.publish(std::move(sink));
  minimum_level.store(static_cast<int>(minimum), std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) { return static_cast<int>(level) >= minimum_level.load(std::memory_order_relaxed); }

void log(LogLevel level, std::string_view message) {
  if (!log_enabled(level)) return;
  const std::string safe = redact(message);
  current_sink.read([&](const Sink& sink) {
    try {
      sink(level, safe);
    } catch (...) {  // a failing sink must not take an engine thread with it
    }
  });
}

}  // namespace s3dlio
