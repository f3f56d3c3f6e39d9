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
  int64_t changed_ns = 0;   // the same for anything about the file; nobody can set it back
  uint64_t links = 0;       // names it has

  std::string etag() const;  // "<inode>-<size>-<time>" in hexadecimal, with the quotes
};
FileInfo info_of(const struct stat& status);
Result<FileInfo> info_of(int fd);
ObjectMeta meta_of(const std::string& key, const FileInfo& info);

// What tells that the bytes of the file open at `fd` are others than before; "" when nothing does. A file that lost its
// name (deleted, or another renamed over it) is still whole: what is held open is its old content.
Result<std::string> change_since(int fd, const FileInfo& before);

struct OpenObject {
  Fd fd;
  FileInfo info;
  Alignment alignment;  // {1, 1} when the file is read through the page cache
};
// kNotFound (also for a missing root), kIsADirectory, kUnsupported for what is no regular file, kPreconditionFailed.
// A refused O_DIRECT gives a buffered file and is counted. Waits a moment for a file that was written to just now, and
// gives kPreconditionFailed when that does not end; kUnsupported also for a file that holds more than its size says.
Result<OpenObject> open_object(const Context& context, const std::string& key, const GetOptions& options);

// The alignment that O_DIRECT needs on this file. {1, 1} after a refusal, which is counted; then O_DIRECT is off.
Alignment direct_alignment(int fd);

// kNotFound also for folders: they are no objects.
Result<ObjectMeta> head_object(const Context& context, const std::string& key);

}  // namespace s3dlio::file
