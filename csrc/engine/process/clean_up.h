// Uploads whose caller took them back and does not wait, and which are still being aborted. Whoever ends the process
// waits for them here, or they would stay behind in the store.
#pragma once

#include <chrono>

#include "engine/base/future.h"

namespace s3dlio {

struct CleanUps;

// Counts as one of them while it lives. Any thread.
class CleanUp {
 public:
  CleanUp();
  ~CleanUp();
  CleanUp(const CleanUp&) = delete;
  CleanUp& operator=(const CleanUp&) = delete;

 private:
  CleanUps& inner_all_;  // those of the process that began it
};

// Counts `ending` as one of them until it is over: for what is dropped and still has to be taken back. Any thread.
void clean_up(Future<Unit> ending);

// True when none is left; false after `timeout`.
bool wait_for_clean_ups(std::chrono::nanoseconds timeout);

}  // namespace s3dlio
