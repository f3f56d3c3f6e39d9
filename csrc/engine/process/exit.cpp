#include "engine/process/exit.h"

#include <algorithm>
#include <cstdlib>

#include "engine/process/clean_up.h"
#include "engine/process/process_end.h"

namespace s3dlio {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAtExit(5);

}  // namespace

bool end_process(std::chrono::nanoseconds timeout) {
  if (!begin_process_end()) return true;
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout);
  const auto left = [&] { return std::max(Clock::duration::zero(), until - Clock::now()); };
  bool in_time = wait_for_returning(left());
  in_time = cancel_all(left()) && in_time;
  return wait_for_clean_ups(left()) && in_time;
}

void end_process_at_exit() {
  static const int kRegistered = std::atexit([] { static_cast<void>(end_process(kAtExit)); });
  static_cast<void>(kRegistered);
}

}  // namespace s3dlio
