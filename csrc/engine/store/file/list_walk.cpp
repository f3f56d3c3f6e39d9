#include "engine/store/file/list_walk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "engine/store/file/file_error.h"
#include "engine/store/file/key_path.h"
#include "engine/store/file/open_object.h"

namespace s3dlio::file {
namespace {

// How many names of one folder are held at a time; a larger folder is read again for each so many.
constexpr size_t kChunkNames = 64 << 10;
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY;

// Gone, or turned into something else since its name was read: not an error, just not there.
bool is_gone(int error_number) { return error_number == ENOENT || error_number == ENOTDIR || error_number == ELOOP; }

Error walk_error(int error_number, const std::string& path) {
  return errno_error(error_number, "listing the folder \"" + printable(path) + "\"");
}

}  // namespace

ListWalk::ListWalk(const Context& context, std::string prefix, std::string delimiter, ListPosition after)
    : inner_root_path_(context.root_path()),
      inner_prefix_(std::move(prefix)),
      inner_delimiter_(std::move(delimiter)),
      inner_after_(std::move(after)) {}

Result<std::unique_ptr<ListWalk>> ListWalk::open(const Context& context, std::string prefix, std::string delimiter,
                                                 ListPosition after) {
  std::unique_ptr<ListWalk> walk(new ListWalk(context, std::move(prefix), std::move(delimiter), std::move(after)));
  Result<Fd> root = open_root(walk->inner_root_path_);
  if (!root.ok()) {
    if (root.error().code == ErrorCode::kNotFound) root.error().code = ErrorCode::kBucketNotFound;
    return std::move(root).error();
  }
  walk->inner_root_ = std::move(*root);
  if (no_key_starts_with(walk->inner_prefix_)) return walk;
  const size_t slash = walk->inner_prefix_.rfind('/');
  if (Result<Unit> entered = walk->enter(walk->inner_prefix_.substr(0, slash == std::string::npos ? 0 : slash + 1));
      !entered.ok()) {
    return std::move(entered).error();
  }
  return walk;
}

void ListWalk::suspend() {
  inner_root_.reset();
  for (Level& level : inner_levels_) level.fd.reset();
}

// False when the folder is gone.
Result<bool> ListWalk::open_folder(Level& level) {
  if (level.fd.valid()) return true;
  if (!inner_root_.valid()) {
    Result<Fd> root = open_root(inner_root_path_);
    if (!root.ok()) return std::move(root).error();
    inner_root_ = std::move(*root);
  }
  const int fd = open_beneath(inner_root_.get(), level.path.empty() ? "" : level.path.substr(0, level.path.size() - 1),
                              kFolderFlags);
  if (fd < 0 && is_gone(-fd)) return false;
  if (fd < 0) return walk_error(-fd, level.path);
  level.fd = Fd(fd);
  return true;
}

// Reads the next chunk: names greater than `behind` that the listing wants.
Result<bool> ListWalk::load(Level& level, const std::string& behind) {
  Result<bool> there = open_folder(level);
  if (!there.ok() || !*there) return there;
  Result<FolderChunk> chunk = read_folder(level.fd.get(), kChunkNames, [&](const Entry& entry) {
    return entry.name > behind && is_wanted(level.path + entry.name, entry.kind == EntryKind::kFolder);
  });
  if (!chunk.ok()) {
    chunk.error().message += " \"" + level.path + "\"";
    return std::move(chunk).error();
  }
  level.chunk = std::move(*chunk);
  level.at = 0;
  return true;
}

bool ListWalk::is_wanted(const std::string& full, bool is_folder) const {
  const bool in_prefix = full.starts_with(inner_prefix_) || (is_folder && inner_prefix_.starts_with(full));
  if (!in_prefix) return false;
  const std::string& after = inner_after_.key;
  if (after.empty()) return true;
  if (inner_after_.whole_prefix && full.starts_with(after)) return false;
  return full > after || (is_folder && after.starts_with(full));  // the last: the position lies inside this folder
}

Result<Unit> ListWalk::enter(std::string path) {
  if (!inner_levels_.empty()) inner_levels_.back().fd.reset();  // deep trees must not use up the file descriptors
  Level level;
  level.path = std::move(path);
  Result<bool> loaded = load(level, "");
  if (!loaded.ok()) return std::move(loaded).error();
  if (*loaded) inner_levels_.push_back(std::move(level));
  return Unit{};
}

Result<std::optional<ListItem>> ListWalk::next() {
  while (!inner_levels_.empty()) {
    Level& level = inner_levels_.back();
    if (level.at < level.chunk.entries.size()) {
      const Entry entry = std::move(level.chunk.entries[level.at]);
      level.chunk.entries[level.at++].name = entry.name;  // kept: the chunk's last name is where the next one begins
      Result<std::optional<ListItem>> item = visit(entry);
      if (!item.ok() || *item) return item;
    } else if (level.chunk.complete) {
      inner_levels_.pop_back();
    } else {
      const std::string last = level.chunk.entries.back().name;
      Result<bool> loaded = load(level, last);
      if (!loaded.ok()) return std::move(loaded).error();
      if (!*loaded) inner_levels_.pop_back();
    }
  }
  return std::optional<ListItem>();
}

Result<std::optional<ListItem>> ListWalk::visit(const Entry& entry) {
  Level& level = inner_levels_.back();
  const std::string full = level.path + entry.name;
  if (entry.kind == EntryKind::kFolder) return visit_folder(full);
  Result<std::optional<ListItem>> item = visit_file(level, entry, full);
  if (!item.ok() || !*item) return item;
  const std::string common = common_prefix_of(full);
  if (common.empty()) return item;
  skip(common);
  ListItem prefix;
  prefix.meta.key = common;
  prefix.is_prefix = true;
  return std::optional(std::move(prefix));
}

// What the delimiter folds `full` into; "" for nothing.
std::string ListWalk::common_prefix_of(const std::string& full) const {
  if (inner_delimiter_.empty() || full.size() < inner_prefix_.size()) return "";
  const size_t found = full.find(inner_delimiter_, inner_prefix_.size());
  return found == std::string::npos ? "" : full.substr(0, found + inner_delimiter_.size());
}

Result<std::optional<ListItem>> ListWalk::visit_file(Level& level, const Entry& entry, const std::string& key) {
  Result<bool> there = open_folder(level);
  if (!there.ok()) return std::move(there).error();
  if (!*there) return std::optional<ListItem>();
  struct stat status;
  int failed = 0;
  if (entry.kind == EntryKind::kLink) {
    const Fd target(open_beneath(inner_root_.get(), key, O_PATH));
    // A link that leads nowhere or outside is no object of this store.
    failed = target.valid() ? (fstat(target.get(), &status) == 0 ? 0 : errno) : ENOENT;
  } else if (fstatat(level.fd.get(), entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    failed = errno;
  }
  if (failed && !is_gone(failed)) return walk_error(failed, level.path);
  if (failed || !S_ISREG(status.st_mode)) return std::optional<ListItem>();
  ListItem item;
  item.meta = meta_of(key, info_of(status));
  return std::optional(std::move(item));
}

Result<std::optional<ListItem>> ListWalk::visit_folder(const std::string& path) {
  const std::string common = common_prefix_of(path);
  const bool position_inside = inner_after_.key.starts_with(path);
  if (common == path && !position_inside) {  // one object below it is enough to know
    Result<bool> holds = holds_object(path);
    if (!holds.ok()) return std::move(holds).error();
    if (!*holds) return std::optional<ListItem>();
    ListItem prefix;
    prefix.meta.key = path;
    prefix.is_prefix = true;
    return std::optional(std::move(prefix));
  }
  if (Result<Unit> entered = enter(path); !entered.ok()) return std::move(entered).error();
  return std::optional<ListItem>();
}

Result<bool> ListWalk::holds_object(const std::string& path) {
  std::vector<std::string> folders = {path};
  while (!folders.empty()) {
    Level level;
    level.path = std::move(folders.back());
    folders.pop_back();
    Result<bool> there = open_folder(level);
    if (!there.ok()) return there;
    if (!*there) continue;
    bool found = false;
    Result<Unit> visited = file::visit_folder(level.fd.get(), [&](EntryKind kind, std::string_view name) {
      if (name.starts_with(kTemporaryPrefix)) return true;
      const std::string full = level.path + std::string(name);
      if (kind == EntryKind::kFolder) folders.push_back(full + "/");
      if (kind == EntryKind::kFile) found = true;
      if (kind == EntryKind::kLink) {
        struct stat status;
        const Fd target(open_beneath(inner_root_.get(), full, O_PATH));
        found = target.valid() && fstat(target.get(), &status) == 0 && S_ISREG(status.st_mode);
      }
      return !found;
    });
    if (!visited.ok()) return std::move(visited).error();
    if (found) return true;
  }
  return false;
}

void ListWalk::skip(const std::string& prefix) {
  while (!inner_levels_.empty() && inner_levels_.back().path.starts_with(prefix)) inner_levels_.pop_back();
  if (inner_levels_.empty()) return;
  Level& level = inner_levels_.back();
  const std::vector<Entry>& entries = level.chunk.entries;
  while (level.at < entries.size() && (level.path + entries[level.at].name).starts_with(prefix)) ++level.at;
}

}  // namespace s3dlio::file
