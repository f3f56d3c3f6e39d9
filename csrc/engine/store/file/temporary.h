// An object being written: a file under a temporary name in the folder where it will stand, which becomes the object in
// one step or vanishes. Private to store/file/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/base/result.h"
#include "engine/object_store.h"
#include "engine/store/file/context.h"
#include "engine/store/file/folder.h"
#include "engine/store/file/key_path.h"

namespace s3dlio::file {

// kUnsupported for what a plain file cannot keep: content type and the like, user metadata.
Result<Unit> check_put_options(const PutOptions& options);

class Temporary {
 public:
  // Makes missing folders and the empty file. kAlreadyExists at once if `if_none_match` cannot hold.
  static Result<std::unique_ptr<Temporary>> create(std::shared_ptr<const Context> context, const std::string& key,
                                                   PutOptions options);
  ~Temporary();  // removes the file unless commit() succeeded, or in a forked child
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  // Reserves room, so that a full disk shows before anything is written. kNoSpace.
  Result<Unit> reserve(uint64_t size);
  // Cuts the file to `size`, makes it durable and gives it its name. An error leaves whatever object was there; only
  // when the last step, syncing the folder, fails is the new object in place (and said to be perhaps not durable).
  Result<PutResult> commit(uint64_t size);
  Error error_of(int error_number, const std::string& what, uint64_t needed_bytes) const;

  int fd() const { return inner_fd_.get(); }
  Alignment alignment() const { return inner_alignment_; }

 private:
  Temporary(std::shared_ptr<const Context> context, KeyPath path, PutOptions options);
  Result<Unit> open_file();
  Result<Unit> check_absent() const;
  Result<Unit> check_etag() const;
  Result<Unit> give_name();
  int rename_over();
  int rename_new();

  const std::shared_ptr<const Context> inner_context_;
  const KeyPath inner_path_;
  const PutOptions inner_options_;
  const uint64_t inner_generation_;
  Fd inner_folder_, inner_fd_;
  std::string inner_name_;  // "" once it is gone
  Alignment inner_alignment_;
};

// Keeps a conditional replacement (if_match: look, then rename) apart from other writers of the folder, in any process
// that uses this library. Shared holders do not wait for each other. Gives up waiting after a while: locks of foreign
// programs on the folder must not stop everything.
class FolderLock {
 public:
  FolderLock(int folder_fd, bool exclusive);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  bool held() const { return inner_held_; }

 private:
  int inner_fd_;
  bool inner_held_ = false;
};

}  // namespace s3dlio::file
