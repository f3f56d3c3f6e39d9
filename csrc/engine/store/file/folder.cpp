#include "engine/store/file/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "engine/store/file/file_error.h"
#include "engine/store/file/file_syscalls.h"

namespace s3dlio::file {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr int kWalkFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;  // passing through needs no right to read
// openat2 gives EAGAIN when something is renamed while it walks; each try is as likely to pass as the last.
constexpr int kMaxTries = 64;

// A link that is not followed looks like something that is no folder; the difference is that between denied and absent.
int refused(int at, const std::string& segment, int error_number) {
  struct stat status;
  const bool link = (error_number == ENOTDIR || error_number == ELOOP) &&
                    fstatat(at, segment.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
  return link ? -ELOOP : -error_number;
}

// For kernels (and sandboxes) without openat2: one segment at a time, no link followed at all.
int open_by_segments(int root, const std::string& path, int flags) {
  Fd folder;
  int at = root;
  size_t begin = 0;
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', begin)) {
    const std::string segment = path.substr(begin, slash - begin);
    Fd next(syscalls().openat(at, segment.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0));
    if (!next.valid()) return refused(at, segment, errno);
    folder = std::move(next);
    at = folder.get();
    begin = slash + 1;
  }
  const std::string last = path.substr(begin);
  const int fd = syscalls().openat(at, last.empty() ? "." : last.c_str(), flags | O_NOFOLLOW, 0);
  return fd >= 0 ? fd : refused(at, last, errno);
}

// Makes `name` in an open folder; an existing folder is fine. 0 or an errno.
int make_one(int parent, const std::string& name, bool sync) {
  if (mkdirat(parent, name.c_str(), 0777) != 0) return errno == EEXIST ? 0 : errno;
  if (!sync) return 0;
  const Fd readable(syscalls().openat(parent, ".", kFolderFlags, 0));  // `parent` may be a mere path
  return readable.valid() && syscalls().fsync(readable.get()) != 0 ? errno : 0;
}

Error folder_error(int error_number, const std::string& folder) {
  return errno_error(error_number, "making the folder \"" + folder + "\"");
}

}  // namespace

void Fd::reset() {
  if (inner_fd_ >= 0) ::close(inner_fd_);
  inner_fd_ = -1;
}

Result<Fd> open_root(const std::string& root) {
  Fd fd(syscalls().openat(AT_FDCWD, root.c_str(), kFolderFlags, 0));
  if (fd.valid()) return fd;
  const int error_number = errno;
  Error error = errno_error(error_number, "opening the store's root folder");
  if (error_number == ENOENT) error.message = "the store's root folder " + root + " does not exist";
  if (error_number == ENOTDIR) error.message = "the store's root " + root + " is not a folder";
  return error;
}

Result<Fd> make_root(const std::string& root, bool sync) {
  Fd at(syscalls().openat(AT_FDCWD, root.c_str(), kFolderFlags, 0));
  if (at.valid()) return at;
  at = Fd(syscalls().openat(AT_FDCWD, "/", kWalkFlags, 0));
  for (size_t begin = 1, slash = 0; slash != std::string::npos; begin = slash + 1) {
    slash = root.find('/', begin);
    const std::string segment = root.substr(begin, slash - begin);
    if (segment.empty()) continue;
    Fd next(syscalls().openat(at.get(), segment.c_str(), kWalkFlags, 0));
    if (!next.valid() && errno == ENOENT) {
      if (const int failed = make_one(at.get(), segment, sync)) return folder_error(failed, root);
      next = Fd(syscalls().openat(at.get(), segment.c_str(), kWalkFlags, 0));
    }
    if (!next.valid()) return folder_error(errno, root);
    at = std::move(next);
  }
  return open_root(root);
}

int open_beneath(int root, const std::string& path, int flags) {
  flags |= O_CLOEXEC;
  abi::OpenHow how;
  how.flags = static_cast<uint64_t>(flags);
  how.resolve = abi::kResolveBeneath | abi::kResolveNoMagicLinks;
  int error_number = 0;
  for (int i = 0; i < kMaxTries; ++i) {
    const int fd = syscalls().openat2(root, path.empty() ? "." : path.c_str(), how);
    if (fd >= 0) return fd;
    error_number = errno;
    if (error_number != EAGAIN && error_number != EINTR) break;
  }
  // Sandboxes answer EPERM to calls they do not know.
  if (error_number == ENOSYS || error_number == EPERM) return open_by_segments(root, path, flags);
  return -error_number;
}

Result<Fd> make_folder(int root, const std::string& folder, bool sync) {
  const int there = open_beneath(root, folder, kFolderFlags);
  if (there >= 0) return Fd(there);
  if (there != -ENOENT) return folder_error(-there, folder);
  Fd parent(open_beneath(root, "", kFolderFlags));
  for (size_t begin = 0, slash = 0; slash != std::string::npos; begin = slash + 1) {
    slash = folder.find('/', begin);
    if (!parent.valid()) return folder_error(EIO, folder);
    if (const int failed = make_one(parent.get(), folder.substr(begin, slash - begin), sync)) {
      return folder_error(failed, folder);
    }
    const int next = open_beneath(root, folder.substr(0, slash), kFolderFlags);
    if (next < 0) return folder_error(-next, folder);
    parent = Fd(next);
  }
  return parent;
}

}  // namespace s3dlio::file
