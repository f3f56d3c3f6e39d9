// Files below a root folder as objects: file:// (page cache) and direct:// (O_DIRECT).
//
// What differs from a cloud store:
// - A key is a path: "a//b", "/a", "a/../b", "a/" and names of more than 255 bytes are kInvalidArgument, and "a" and
// "a/b"
//   cannot both exist (kNotADirectory or kIsADirectory when writing the second).
// - Folders are no objects: never listed, kNotFound for head, kIsADirectory for get. put makes them; delete leaves
// them.
// - Symbolic links inside the root are followed while they stay inside; listing names linked files but enters no linked
// folder.
// - put and the writer build the object under a temporary name (".s3dlio-tmp-...") and rename it; with
// Tuning::sync_writes it
//   is durable before the future is ready. A reader sees the old object or the new one, whole.
// - An etag stands for inode, size and modification time. Writing into a file in place twice within one tick of the
// file
//   system's clock (1..10 ms), without changing its size, goes unnoticed.
// - A read of a file that is written into or cut off meanwhile is kPreconditionFailed. One that is replaced by a rename
// goes on
//   with the old object, whole, and gives the old etag.
// - No metadata, content type, storage class, version or checksum is kept: asking for one is kUnsupported.
// - get_range on direct:// gives memory whose address keeps the range's offset from an aligned block; whole objects are
//   4096-aligned as usual.
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

// Never fails for a missing root: writing creates it, reading says kNotFound, listing kBucketNotFound.
// kNotADirectory when the root is a file.
Result<std::shared_ptr<ObjectStore>> open_file(FileOptions options, Tuning tuning);

}  // namespace s3dlio::file
