#include "engine/store/file/manage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <functional>
#include <optional>
#include <utility>

#include "engine/store/file/file_error.h"
#include "engine/store/file/file_syscalls.h"
#include "engine/store/file/folder.h"
#include "engine/store/file/folder_entries.h"
#include "engine/store/file/key_path.h"
#include "engine/store/file/temporary.h"

namespace s3dlio::file {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY;

bool is_absent(int error_number) { return error_number == ENOENT || error_number == ENOTDIR; }

// Deletes in one folder after the other; keys that follow each other in a folder share its opening, lock and sync.
class Deleter {
 public:
  Deleter(int root, bool sync, std::vector<DeleteOutcome>& outcomes)
      : inner_root_(root), inner_sync_(sync), inner_outcomes_(outcomes) {}

  void remove(std::string key) {
    const Result<KeyPath> path = parse_key(key);
    std::optional<Error> error;
    if (!path.ok()) {
      error = path.error();
    } else if (!(error = go_to(path->folder)) && inner_folder_.valid()) {
      error = unlink(path->name);
    }
    inner_outcomes_.push_back({std::move(key), std::move(error)});
  }

  // A deletion that did not reach the disk is an error of every key of that folder.
  void finish_folder() {
    inner_lock_.reset();
    if (inner_sync_ && inner_removed_ && syscalls().fsync(inner_folder_.get()) != 0) {
      Error error = errno_error(errno, "making the deletion durable");
      error.may_have_taken_effect = true;
      for (size_t i = inner_first_; i < inner_outcomes_.size(); ++i) {
        if (!inner_outcomes_[i].error) inner_outcomes_[i].error = error;
      }
    }
    inner_removed_ = false;
    inner_folder_.reset();
  }

 private:
  std::optional<Error> go_to(const std::string& folder) {
    if (inner_folder_.valid() && folder == inner_path_) return std::nullopt;
    finish_folder();
    inner_first_ = inner_outcomes_.size();
    inner_path_ = folder;
    const int fd = open_beneath(inner_root_, folder, kFolderFlags);
    if (fd < 0 && is_absent(-fd)) return std::nullopt;
    if (fd < 0) return errno_error(-fd, "opening the object's folder");
    inner_folder_ = Fd(fd);
    inner_lock_.emplace(fd, false);
    return std::nullopt;
  }

  std::optional<Error> unlink(const std::string& name) {
    if (syscalls().unlinkat(inner_folder_.get(), name.c_str(), 0) != 0) {
      if (is_absent(errno)) return std::nullopt;
      const int failed = errno;
      Error error = errno_error(failed, "deleting");
      error.may_have_taken_effect = leaves_doubt(failed);
      return error;
    }
    inner_removed_ = true;
    return std::nullopt;
  }

  const int inner_root_;
  const bool inner_sync_;
  std::vector<DeleteOutcome>& inner_outcomes_;
  std::string inner_path_;
  Fd inner_folder_;
  std::optional<FolderLock> inner_lock_;
  size_t inner_first_ = 0;
  bool inner_removed_ = false;
};

// Calls `visit(folder, folder path, kind, name)` for everything below `path` ("" or "a/b/"), a folder's content before
// the folder itself, until it gives an error.
using TreeVisit =
    std::function<Result<Unit>(int folder, const std::string& path, EntryKind kind, const std::string& name)>;

Result<Unit> visit_tree(int root, const std::string& path, const TreeVisit& visit) {
  const Fd folder(open_beneath(root, path.empty() ? "" : path.substr(0, path.size() - 1), kFolderFlags));
  if (!folder.valid() && is_absent(-folder.get())) return Unit{};
  if (!folder.valid()) return errno_error(-folder.get(), "reading the folder \"" + printable(path) + "\"");
  std::vector<Entry> entries;
  Result<Unit> read = visit_folder(folder.get(), [&](EntryKind kind, std::string_view name) {
    entries.push_back({std::string(name), kind});
    return true;
  });
  if (!read.ok()) return read;
  for (const Entry& entry : entries) {
    if (entry.kind == EntryKind::kFolder) {
      if (Result<Unit> below = visit_tree(root, path + entry.name + "/", visit); !below.ok()) return below;
    }
    if (Result<Unit> seen = visit(folder.get(), path, entry.kind, entry.name); !seen.ok()) return seen;
  }
  return Unit{};
}

// Could a key that starts with `prefix` be written into the folder `path`?
bool may_hold(const std::string& path, const std::string& prefix) {
  if (path.starts_with(prefix)) return true;
  return prefix.starts_with(path) && prefix.find('/', path.size()) == std::string::npos;
}

}  // namespace

std::vector<DeleteOutcome> delete_objects(const Context& context, std::vector<std::string> keys) {
  std::vector<DeleteOutcome> outcomes;
  outcomes.reserve(keys.size());
  Result<Fd> root = open_root(context.root_path());
  if (!root.ok()) {
    const bool absent = root.error().code == ErrorCode::kNotFound;  // then nothing is there to delete
    for (std::string& key : keys) {
      outcomes.push_back({std::move(key), absent ? std::nullopt : std::optional<Error>(root.error())});
    }
    return outcomes;
  }
  Deleter deleter(root->get(), context.tuning.sync_writes, outcomes);
  for (std::string& key : keys) deleter.remove(std::move(key));
  deleter.finish_folder();
  return outcomes;
}

Result<Unit> create_root(const Context& context) {
  Result<Fd> made = make_root(context.root_path(), context.tuning.sync_writes);
  return made.ok() ? Result<Unit>(Unit{}) : Result<Unit>(std::move(made).error());
}

Result<Unit> delete_root(const Context& context) {
  Result<Fd> root = open_root(context.root_path());
  if (!root.ok()) {
    if (root.error().code == ErrorCode::kNotFound) root.error().code = ErrorCode::kBucketNotFound;
    return std::move(root).error();
  }
  Result<Unit> empty =
      visit_tree(root->get(), "", [](int, const std::string& path, EntryKind kind, const std::string& name) {
        if (kind == EntryKind::kFolder) return Result<Unit>(Unit{});
        return Result<Unit>(
            make_error(ErrorCode::kInvalidArgument,
                       "the root is not empty: it holds \"" + printable(path + name) + "\"; delete its objects first"));
      });
  if (!empty.ok()) return empty;
  Result<Unit> cleared =
      visit_tree(root->get(), "", [](int folder, const std::string&, EntryKind, const std::string& name) {
        if (syscalls().unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT)
          return Result<Unit>(Unit{});
        return Result<Unit>(errno_error(errno, "removing the folder \"" + printable(name) + "\""));
      });
  if (!cleared.ok()) return cleared;
  if (::rmdir(context.root_path().c_str()) == 0) return Unit{};
  if (errno == ENOTEMPTY || errno == EEXIST) {  // also pipes, sockets and devices, which the walk does not see
    return make_error(ErrorCode::kInvalidArgument, "the root is not empty");
  }
  return errno_error(errno, "removing the root folder");
}

Result<uint64_t> sweep_temporaries(const Context& context, const std::string& prefix, std::chrono::seconds age) {
  Result<Fd> root = open_root(context.root_path());
  if (!root.ok()) {
    if (root.error().code == ErrorCode::kNotFound) return uint64_t{0};
    return std::move(root).error();
  }
  const auto oldest_kept = static_cast<int64_t>(std::time(nullptr)) - age.count();
  uint64_t removed = 0;
  Result<Unit> swept =
      visit_tree(root->get(), "",
                 [&](int folder, const std::string& path, EntryKind kind, const std::string& name) -> Result<Unit> {
                   if (kind != EntryKind::kFile || !name.starts_with(kTemporaryPrefix) || !may_hold(path, prefix))
                     return Unit{};
                   struct stat status;
                   if (fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return Unit{};
                   if (status.st_mtim.tv_sec > oldest_kept) return Unit{};
                   if (syscalls().unlinkat(folder, name.c_str(), 0) == 0) {
                     ++removed;
                   } else if (errno != ENOENT) {
                     return errno_error(errno, "removing \"" + printable(path + name) + "\"");
                   }
                   return Unit{};
                 });
  if (!swept.ok()) return std::move(swept).error();
  return removed;
}

}  // namespace s3dlio::file
