// One object written from memory of the caller. Private to store/file/.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "engine/store/file/block_run.h"
#include "engine/store/file/temporary.h"

namespace s3dlio::file {

struct WriteJob {
  std::shared_ptr<const Context> context;
  std::string key;
  std::span<const std::byte> data;
  PutOptions options;
  CancelFlag cancel;
  std::function<void(Result<PutResult>)> finish;  // on an engine thread, once
};

// On a worker thread.
void start_write(WriteJob job);

// How a write of `total_bytes` is cut and how much of it is in flight.
Depth depth_for_write(const Context& context, bool direct, uint64_t total_bytes);
// The engine for writing `plan`: the calling worker itself where the plan is one call or few.
FileIo& write_engine(const Context& context, const BlockPlan& plan);

}  // namespace s3dlio::file
