// Files below a root folder as objects: file:// (page cache) and direct:// (O_DIRECT).
#pragma once

#include <memory>
#include <string>

#include "engine/object_store.h"
#include "engine/tuning.h"

namespace s3dlio::file {

struct FileOptions {
  std::string root;     // absolute folder; keys are paths below it. A "bucket" is the root itself
  bool direct = false;  // O_DIRECT where the file system takes it; falls back to buffered, counted
  std::string scheme = "file";
};

// Never fails for a missing root: writing creates it, reading says kNotFound. kNotADirectory when the root is a file.
Result<std::shared_ptr<ObjectStore>> open_file(FileOptions options, Tuning tuning);

}  // namespace s3dlio::file
