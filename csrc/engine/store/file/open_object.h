// Opening one object for reading, and what its file says about it. Private to store/file/.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "engine/object_store.h"
#include "engine/store/file/context.h"
#include "engine/store/file/folder.h"

namespace s3dlio::file {

struct FileInfo {
  uint64_t size = 0;
  uint64_t inode = 0;
  int64_t modified_ns = 0;  // since the epoch

  std::string etag() const;  // "<inode>-<size>-<time>" in hexadecimal, with the quotes
  bool operator==(const FileInfo&) const = default;
};
FileInfo info_of(const struct stat& status);
Result<FileInfo> info_of(int fd);
ObjectMeta meta_of(const std::string& key, const FileInfo& info);

struct OpenObject {
  Fd fd;
  FileInfo info;
  Alignment alignment;  // {1, 1} when the file is read through the page cache
};
// kNotFound (also for a missing root), kIsADirectory, kUnsupported for what is no regular file, kPreconditionFailed.
// A refused O_DIRECT gives a buffered file and is counted.
Result<OpenObject> open_object(const Context& context, const std::string& key, const GetOptions& options);

// The alignment that O_DIRECT needs on this file. {1, 1} after a refusal, which is counted; then O_DIRECT is off.
Alignment direct_alignment(int fd);

// kNotFound also for folders: they are no objects.
Result<ObjectMeta> head_object(const Context& context, const std::string& key);

}  // namespace s3dlio::file
