#include "engine/store/file/temporary.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <random>
#include <thread>
#include <utility>

#include "engine/process/fork.h"
#include "engine/store/file/file_error.h"
#include "engine/store/file/file_syscalls.h"
#include "engine/store/file/open_object.h"

namespace s3dlio::file {
namespace {

constexpr int kMaxNames = 16;
constexpr unsigned kRenameNoReplace = 1;
// Below this a file's room is found while it is written; reserving it would only be one more call.
constexpr uint64_t kReserveFrom = 1 << 20;

std::string random_name() {
  std::random_device random;  // not a seeded generator: a forked child would make its parent's names
  char text[32];
  std::snprintf(text, sizeof(text), "%08x%08x", random(), random());
  return std::string(kTemporaryPrefix) + text;
}

Error no_match(const std::string& seen) {
  return make_error(ErrorCode::kPreconditionFailed, seen + "; nothing was written");
}

}  // namespace

Result<Unit> check_put_options(const PutOptions& options) {
  const auto refuse = [](const char* what) -> Result<Unit> {
    return make_error(ErrorCode::kUnsupported,
                      std::string("file stores cannot keep ") + what + ": a file has no place for it; leave it out");
  };
  if (!options.content_type.empty()) return refuse("a content type");
  if (!options.content_encoding.empty()) return refuse("a content encoding");
  if (!options.cache_control.empty()) return refuse("cache control");
  if (!options.content_disposition.empty()) return refuse("a content disposition");
  if (!options.storage_class.empty()) return refuse("a storage class");
  if (!options.user_metadata.empty()) return refuse("user metadata");
  if (options.if_none_match && !options.if_match.empty()) {
    return make_error(ErrorCode::kInvalidArgument, "if_none_match (create) and if_match (replace) exclude each other");
  }
  return Unit{};
}

Temporary::Temporary(std::shared_ptr<const Context> context, KeyPath path, PutOptions options)
    : inner_context_(std::move(context)),
      inner_path_(std::move(path)),
      inner_options_(std::move(options)),
      inner_generation_(fork_generation()) {}

Result<std::unique_ptr<Temporary>> Temporary::create(std::shared_ptr<const Context> context, const std::string& key,
                                                     PutOptions options) {
  if (Result<Unit> fine = check_put_options(options); !fine.ok()) return std::move(fine).error();
  Result<KeyPath> path = parse_key(key);
  if (!path.ok()) return std::move(path).error();
  std::unique_ptr<Temporary> made(new Temporary(std::move(context), std::move(*path), std::move(options)));
  const bool sync = made->inner_context_->tuning.sync_writes;
  Result<Fd> root = make_root(made->inner_context_->root_path(), sync);
  if (!root.ok()) return std::move(root).error();
  Result<Fd> folder = make_folder(root->get(), made->inner_path_.folder, sync);
  if (!folder.ok()) return std::move(folder).error();
  made->inner_folder_ = std::move(*folder);
  if (Result<Unit> fine = made->check_absent(); !fine.ok()) return std::move(fine).error();
  if (!made->inner_options_.if_match.empty()) {
    if (Result<Unit> fine = made->check_etag(); !fine.ok()) return std::move(fine).error();
  }
  if (Result<Unit> fine = made->open_file(); !fine.ok()) return std::move(fine).error();
  return made;
}

// What would fail in the end fails before the data is written.
Result<Unit> Temporary::check_absent() const {
  struct stat status;
  if (fstatat(inner_folder_.get(), inner_path_.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return Unit{};
  if (S_ISDIR(status.st_mode)) return errno_error(EISDIR, "writing");
  if (inner_options_.if_none_match) return errno_error(EEXIST, "creating");
  return Unit{};
}

Result<Unit> Temporary::check_etag() const {
  Result<ObjectMeta> now = head_object(*inner_context_, inner_path_.key);
  if (!now.ok()) {
    return now.error().code == ErrorCode::kNotFound ? no_match("there is no object whose etag could match")
                                                    : now.error();
  }
  if (now->etag == inner_options_.if_match) return Unit{};
  return no_match("the object's etag is " + now->etag + ", not " + inner_options_.if_match);
}

Result<Unit> Temporary::open_file() {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  bool direct = inner_context_->direct;
  int error_number = 0;
  for (int i = 0; i < kMaxNames; ++i) {
    inner_name_ = random_name();
    inner_fd_ = Fd(syscalls().openat(inner_folder_.get(), inner_name_.c_str(), kFlags | (direct ? O_DIRECT : 0), 0666));
    if (inner_fd_.valid()) {
      if (inner_context_->direct) inner_alignment_ = direct_alignment(inner_fd_.get());
      return Unit{};
    }
    error_number = errno;
    if (direct && error_number == EINVAL) {
      // Some file systems create the file and then refuse O_DIRECT.
      syscalls().unlinkat(inner_folder_.get(), inner_name_.c_str(), 0);
      direct = false;
    } else if (error_number != EEXIST && error_number != EINTR) {
      break;
    }
  }
  inner_name_.clear();
  return error_of(error_number, "creating a temporary file", 0);
}

Temporary::~Temporary() {
  if (!inner_name_.empty() && inner_generation_ == fork_generation()) {
    syscalls().unlinkat(inner_folder_.get(), inner_name_.c_str(), 0);
  }
}

Error Temporary::error_of(int error_number, const std::string& what, uint64_t needed_bytes) const {
  return write_error(error_number, what, inner_folder_.get(), needed_bytes);
}

Result<Unit> Temporary::reserve(uint64_t size) {
  if (size < kReserveFrom) return Unit{};
  int failed = 0;
  do {
    failed = syscalls().fallocate(fd(), 0, 0, static_cast<off_t>(size)) == 0 ? 0 : errno;
  } while (failed == EINTR);
  // Not every file system can reserve; writing will tell.
  if (failed == 0 || failed == EOPNOTSUPP || failed == ENOSYS || failed == EINVAL) return Unit{};
  return error_of(failed, "reserving room", size);
}

Result<PutResult> Temporary::commit(uint64_t size) {
  const bool sync = inner_context_->tuning.sync_writes;
  if (syscalls().ftruncate(fd(), static_cast<off_t>(size)) != 0) return error_of(errno, "setting the size", size);
  // After a failed sync the kernel may drop the data and report success the next time: there is no second try.
  if (sync && syscalls().fdatasync(fd()) != 0) return error_of(errno, "making the data durable", size);
  Result<FileInfo> info = info_of(fd());
  if (!info.ok()) return std::move(info).error();
  if (info->size != size) {
    return make_error(ErrorCode::kIntegrity, "the file has " + std::to_string(info->size) + " bytes, " +
                                                 std::to_string(size) + " were written; the object was not changed");
  }
  if (Result<Unit> named = give_name(); !named.ok()) return std::move(named).error();
  if (sync && syscalls().fsync(inner_folder_.get()) != 0) {
    Error error = errno_error(errno, "making the new name durable");
    error.message += "; the new object is in place, whole, but may be gone after a crash";
    error.may_have_taken_effect = true;
    return error;
  }
  PutResult result;
  result.etag = info->etag();
  result.size = size;
  return result;
}

Result<Unit> Temporary::give_name() {
  const bool replace_only = !inner_options_.if_match.empty();
  const FolderLock lock(inner_folder_.get(), replace_only);
  if (replace_only) {
    if (!lock.held()) return make_error(ErrorCode::kTimeout, "another program keeps the object's folder locked");
    if (Result<Unit> fine = check_etag(); !fine.ok()) return fine;
  }
  const int failed = inner_options_.if_none_match ? rename_new() : rename_over();
  if (failed) {
    Error error = error_of(failed, "giving the object its name", 0);
    error.may_have_taken_effect = leaves_doubt(failed);
    return error;
  }
  inner_name_.clear();
  return Unit{};
}

int Temporary::rename_over() {
  const int folder = inner_folder_.get();
  return syscalls().renameat2(folder, inner_name_.c_str(), folder, inner_path_.name.c_str(), 0) == 0 ? 0 : errno;
}

int Temporary::rename_new() {
  const int folder = inner_folder_.get();
  const char* const name = inner_path_.name.c_str();
  if (syscalls().renameat2(folder, inner_name_.c_str(), folder, name, kRenameNoReplace) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (syscalls().linkat(folder, inner_name_.c_str(), folder, name, 0) != 0) return errno;
  syscalls().unlinkat(folder, inner_name_.c_str(), 0);
  return 0;
}

FolderLock::FolderLock(int folder_fd, bool exclusive) : inner_fd_(folder_fd) {
  constexpr auto kPause = std::chrono::milliseconds(2);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(exclusive ? 10 : 1);
  const int operation = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
  for (;;) {
    if (flock(inner_fd_, operation) == 0) {
      inner_held_ = true;
      return;
    }
    // Where folders cannot be locked (some network file systems) the check still stands, only its instant is unguarded.
    if (errno != EWOULDBLOCK && errno != EINTR) {
      inner_held_ = true;
      return;
    }
    if (std::chrono::steady_clock::now() > limit) return;
    std::this_thread::sleep_for(kPause);
  }
}

FolderLock::~FolderLock() { flock(inner_fd_, LOCK_UN); }

}  // namespace s3dlio::file
