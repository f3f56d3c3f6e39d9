// One read of one object: open, plan, move, check that the file did not change meanwhile. Private to store/file/.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/store/file/block_run.h"
#include "engine/store/file/context.h"
#include "engine/store/file/open_object.h"

namespace s3dlio::file {

struct ReadJob {
  std::shared_ptr<const Context> context;
  std::string key;
  GetOptions options;
  CancelFlag cancel;
  // What to read where, once the size is known; an error ends the job. `extents` may be left empty.
  struct Wanted {
    std::vector<Extent> extents;  // inside the object
    size_t room_behind = 0;       // see plan_read
  };
  std::function<Result<Wanted>(const FileInfo& info, Alignment alignment)> want;
  // On an engine thread, once; nothing touches the memory afterwards. The info is that of the bytes read.
  std::function<void(Result<FileInfo>)> finish;
};

// On a worker thread.
void start_read(ReadJob job);

}  // namespace s3dlio::file
