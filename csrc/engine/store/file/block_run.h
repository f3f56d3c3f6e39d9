// Moves all blocks of a plan, many in flight, and tells once when nothing touches memory any more. Private to
// store/file/.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/store/file/block_plan.h"
#include "engine/store/file/file_io.h"

namespace s3dlio::file {

using CancelFlag = std::shared_ptr<std::atomic<bool>>;

struct RunResult {
  int error_number = 0;     // 0: every block moved. ECANCELED: taken back
  bool short_read = false;  // the file ended before it should have, or another change of it was seen
  uint64_t offset = 0;      // of the block that failed
};

// Starts on a worker thread; `done` runs on a thread of the engine. `lanes`: how many batches are in flight at a time.
// A refused O_DIRECT call (EINVAL) makes the file buffered, is counted, and is done again. `go_on`, if given, is asked
// between the first batch and each other one; false ends the run as a short read does.
void run_blocks(FileIo& io, int fd, BlockPlan plan, uint32_t lanes, CancelFlag cancel, std::function<bool()> go_on,
                std::function<void(RunResult)> done);

// True when the plan is so small that changing threads costs more than it gives.
bool is_one_batch(const BlockPlan& plan);

}  // namespace s3dlio::file
