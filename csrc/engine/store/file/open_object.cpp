#include "engine/store/file/open_object.h"

#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

#include "engine/stats/stats.h"
#include "engine/store/file/file_error.h"
#include "engine/store/file/file_syscalls.h"
#include "engine/store/file/key_path.h"

namespace s3dlio::file {
namespace {

constexpr uint32_t kUsualAlignment = 4096;
constexpr uint32_t kRingLanes = 32;
// O_NONBLOCK keeps an open of a pipe from waiting for its writer; regular files do not care.
constexpr int kReadFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;

// -ENOTDIR: a file stands where the key has a folder, so nothing can be stored there.
Error open_error(int error_number) { return errno_error(error_number == ENOTDIR ? ENOENT : error_number, "opening"); }

Result<Fd> open_reading(const Context& context, const std::string& path, bool direct) {
  Result<Fd> root = open_root(context.root_path());
  if (!root.ok()) return root;
  int fd = open_beneath(root->get(), path, direct ? kReadFlags | O_DIRECT : kReadFlags);
  if (direct && fd == -EINVAL) fd = open_beneath(root->get(), path, kReadFlags);
  if (fd < 0) return open_error(-fd);
  return Fd(fd);
}

// A write stamps the file when it begins. So of one that is under way when the file is opened, and of one within the
// same tick of the clock that stamps files, the times tell nothing: a file is read only once it was left alone for a
// tick, and for as long as writing all of it in one call may take.
constexpr int64_t kBytesPerNanosecond = 1;
constexpr int64_t kLongestQuiet = 100'000'000, kLook = 500'000;
constexpr auto kPatience = std::chrono::seconds(1);

int64_t nanoseconds(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

int64_t clock_ns(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return nanoseconds(now);
}

// How long to wait before looking again; 0: whatever is written from now on will show. `tick`: the clock that stamps
// files, read before the file's times were.
int64_t unrest_ns(const struct stat& status, int64_t tick) {
  const int64_t modified = nanoseconds(status.st_mtim), now = clock_ns(CLOCK_REALTIME);
  const int64_t quiet = std::min<int64_t>(status.st_size / kBytesPerNanosecond, kLongestQuiet);
  // A time to come was set by somebody, or by another machine's clock: it tells nothing, now or later.
  if (modified > now || (modified < tick && now - modified >= quiet)) return 0;
  return std::max(modified + quiet - now, kLook);
}

Result<struct stat> settled_status(int fd) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const int64_t tick = clock_ns(CLOCK_REALTIME_COARSE);
    struct stat status;
    if (syscalls().fstat(fd, &status) != 0) return errno_error(errno, "asking for the file's size and time");
    const int64_t wait = S_ISREG(status.st_mode) ? unrest_ns(status, tick) : 0;
    if (wait == 0) return status;
    if (std::chrono::steady_clock::now() > limit) {
      return make_error(ErrorCode::kPreconditionFailed,
                        "the file is being written to; it was not left alone for a moment in one second");
    }
    std::this_thread::sleep_for(std::chrono::nanoseconds(wait));
  }
}

// Files of procfs and the like say that they are empty, and are not.
bool holds_more_than_it_says(int fd, const struct stat& status) {
  std::byte one;
  return status.st_size == 0 && ::pread(fd, &one, 1, 0) == 1;
}

// There a file that loses its last name gets another, hidden one, which counts as a change of it.
bool keeps_deleted_files_by_renaming(int fd) {
  constexpr unsigned long kNfs = 0x6969, kFuse = 0x65735546;
  struct statfs system;
  if (fstatfs(fd, &system) != 0) return false;
  const auto type = static_cast<unsigned long>(system.f_type);
  return type == kNfs || type == kFuse;
}

void clear_direct(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags >= 0) fcntl(fd, F_SETFL, flags & ~O_DIRECT);
}

std::string differs(const std::string& found, const std::string& expected) {
  return "the object's etag is " + found + ", not " + expected;
}

}  // namespace

Depth depth_for(const Context& context, const FileIo& io, uint64_t total_bytes) {
  const bool ring = &io != &thread_io();
  uint32_t lanes = ring ? kRingLanes : std::max(context.tuning.file_threads, 1u);
  const size_t block = block_bytes_for(total_bytes, context.tuning.part_size, lanes);
  lanes = static_cast<uint32_t>(std::clamp<uint64_t>(context.tuning.max_in_flight_bytes / block, 1, lanes));
  return {block, lanes};
}

std::string FileInfo::etag() const {
  char text[64];
  std::snprintf(text, sizeof(text), "\"%llx-%llx-%llx\"", static_cast<unsigned long long>(inode),
                static_cast<unsigned long long>(size), static_cast<unsigned long long>(modified_ns));
  return text;
}

FileInfo info_of(const struct stat& status) {
  return {static_cast<uint64_t>(status.st_size), static_cast<uint64_t>(status.st_ino), nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim), static_cast<uint64_t>(status.st_nlink)};
}

Result<FileInfo> info_of(int fd) {
  struct stat status;
  if (syscalls().fstat(fd, &status) != 0) return errno_error(errno, "asking for the file's size and time");
  return info_of(status);
}

Result<std::string> change_since(int fd, const FileInfo& before) {
  const Result<FileInfo> after = info_of(fd);
  if (!after.ok()) return after.error();
  if (after->size != before.size) {
    return "size " + std::to_string(before.size) + " before, " + std::to_string(after->size) + " after";
  }
  if (after->inode != before.inode || after->modified_ns != before.modified_ns) {
    return std::string("its modification time is another");
  }
  // The modification time may have been set back, but then this one tells.
  const bool changed = after->changed_ns != before.changed_ns && after->links == before.links;
  return std::string(changed && !keeps_deleted_files_by_renaming(fd) ? "the time of its last change is another" : "");
}

ObjectMeta meta_of(const std::string& key, const FileInfo& info) {
  ObjectMeta meta;
  meta.key = key;
  meta.size = info.size;
  meta.etag = info.etag();
  meta.last_modified = static_cast<double>(info.modified_ns) / 1e9;
  return meta;
}

Alignment direct_alignment(int fd) {
  abi::Statx found = {};
  const bool told = syscalls().statx(fd, abi::kStatxDioAlign, &found) == 0 && (found.mask & abi::kStatxDioAlign);
  const int flags = fcntl(fd, F_GETFL);
  const bool refused = flags < 0 || !(flags & O_DIRECT) || (told && found.dio_offset_align == 0);
  if (refused) {
    clear_direct(fd);
    count(counters().direct_fallbacks);
    return {};
  }
  if (!told) return {kUsualAlignment, kUsualAlignment};
  return {std::max(found.dio_mem_align, 1u), std::max(found.dio_offset_align, 1u)};
}

Result<OpenObject> open_object(const Context& context, const std::string& key, const GetOptions& options) {
  if (!options.version_id.empty()) return make_error(ErrorCode::kUnsupported, "file stores keep no versions");
  const Result<KeyPath> path = parse_key(key);
  if (!path.ok()) return path.error();
  Result<Fd> fd = open_reading(context, key, context.direct);
  if (!fd.ok()) return fd.error();
  const Result<struct stat> status = settled_status(fd->get());
  if (!status.ok()) return status.error();
  if (S_ISDIR(status->st_mode)) return errno_error(EISDIR, "reading");
  if (!S_ISREG(status->st_mode))
    return make_error(ErrorCode::kUnsupported, "a pipe, socket or device is there, not a file");
  if (holds_more_than_it_says(fd->get(), *status)) {
    const Result<std::string> change = change_since(fd->get(), info_of(*status));
    if (!change.ok()) return change.error();
    if (!change->empty()) return changed_error(*change);
    return make_error(ErrorCode::kUnsupported,
                      "the file says that it has 0 bytes and has more, as those of /proc do; read it with open()");
  }
  OpenObject object{std::move(*fd), info_of(*status), {}};
  if (!options.if_match.empty() && options.if_match != object.info.etag()) {
    return make_error(ErrorCode::kPreconditionFailed, differs(object.info.etag(), options.if_match));
  }
  if (context.direct) object.alignment = direct_alignment(object.fd.get());
  return object;
}

Result<ObjectMeta> head_object(const Context& context, const std::string& key) {
  const Result<KeyPath> path = parse_key(key);
  if (!path.ok()) return path.error();
  Result<Fd> root = open_root(context.root_path());
  if (!root.ok()) return root.error();
  const Fd fd(open_beneath(root->get(), key, O_PATH));
  if (!fd.valid()) return open_error(-fd.get());
  struct stat status;
  if (syscalls().fstat(fd.get(), &status) != 0) return errno_error(errno, "asking for the file's size and time");
  if (!S_ISREG(status.st_mode)) {
    return make_error(ErrorCode::kNotFound, S_ISDIR(status.st_mode) ? "a folder is there, which is no object"
                                                                    : "what is there is no regular file");
  }
  return meta_of(key, info_of(status));
}

}  // namespace s3dlio::file
