// Walks the keys of a store in byte order, a bounded piece of each folder at a time. Private to store/file/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/object_store.h"
#include "engine/store/file/context.h"
#include "engine/store/file/folder.h"
#include "engine/store/file/folder_entries.h"

namespace s3dlio::file {

// Where a listing stands: behind `key`, and behind everything that starts with it if `whole_prefix`.
struct ListPosition {
  std::string key;
  bool whole_prefix = false;
};

// An object, or a common prefix (then only meta.key counts).
struct ListItem {
  ObjectMeta meta;
  bool is_prefix = false;
};

// Not for several threads at once. Symbolic links to files are listed as these files; linked folders are not entered.
class ListWalk {
 public:
  // kBucketNotFound when the root is missing; a prefix below which nothing is, or can be, gives an empty walk.
  static Result<std::unique_ptr<ListWalk>> open(const Context& context, std::string prefix, std::string delimiter,
                                                ListPosition after);
  // nullopt at the end. kAccessDenied and kIo name the folder.
  Result<std::optional<ListItem>> next();
  // Closes the file descriptors; next() opens them again. For a walk that waits for the next page.
  void suspend();

  const std::string& prefix() const { return inner_prefix_; }
  const std::string& delimiter() const { return inner_delimiter_; }

 private:
  struct Level {
    std::string path;  // "" or "a/b/"
    FolderChunk chunk;
    size_t at = 0;
    Fd fd;
  };

  ListWalk(const Context& context, std::string prefix, std::string delimiter, ListPosition after);
  Result<bool> open_folder(Level& level);
  Result<bool> load(Level& level, const std::string& behind);
  Result<Unit> enter(std::string path);
  Result<std::optional<ListItem>> visit(const Entry& entry);
  Result<std::optional<ListItem>> visit_file(Level& level, const Entry& entry, const std::string& key);
  Result<std::optional<ListItem>> visit_folder(const std::string& path);
  Result<bool> holds_object(const std::string& path);
  bool is_wanted(const std::string& full, bool is_folder) const;
  std::string common_prefix_of(const std::string& full) const;
  void skip(const std::string& prefix);

  const std::string inner_root_path_;
  const std::string inner_prefix_, inner_delimiter_;
  const ListPosition inner_after_;
  Fd inner_root_;
  std::vector<Level> inner_levels_;
};

}  // namespace s3dlio::file
