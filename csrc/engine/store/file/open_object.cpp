#include "engine/store/file/open_object.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
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
// same tick of the clock that stamps files, the times tell nothing. A file that was modified lately is read once the
// tick is over and nobody has it open for writing; where somebody has, or that cannot be told, once it was left alone
// for as long as writing all of it in one call may take.
constexpr int64_t kBytesPerNanosecond = 1;
constexpr int64_t kMillisecond = 1'000'000, kLately = 1000 * kMillisecond, kLongestQuiet = 100 * kMillisecond;
constexpr int64_t kQuietOfWriters = 20 * kMillisecond, kQuietOfUnknown = kMillisecond / 10;
constexpr int64_t kLongestLook = 2 * kMillisecond, kLook = kMillisecond / 2;
constexpr auto kPatience = std::chrono::seconds(1);

unsigned long kind_of_file_system(int fd) {
  struct statfs system;
  return fstatfs(fd, &system) == 0 ? static_cast<unsigned long>(system.f_type) : 0;
}

enum class Writers { kNone, kSome, kUnknown };

// Whether anybody on this machine has the file open for writing: a lease for reading is given only where nobody has.
// It is given back at once. Who opens the file in between waits for that, and we get a signal that is ignored.
Writers writers_of(int fd) {
  if (fcntl(fd, F_SETSIG, SIGURG) != 0) return Writers::kUnknown;
  if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN ? Writers::kSome : Writers::kUnknown;
  fcntl(fd, F_SETLEASE, F_UNLCK);
  return Writers::kNone;
}

bool is_kernel_since(long major, long minor) {
  utsname system;
  if (uname(&system) != 0) return false;
  char* behind = nullptr;
  const long found = std::strtol(system.release, &behind, 10);
  return found > major || (found == major && *behind == '.' && std::strtol(behind + 1, nullptr, 10) >= minor);
}

// Since Linux 6.13 these give each change a time of its own once somebody has asked for the last one's.
bool stamps_each_change(int fd) {
  static const bool kernel_can = is_kernel_since(6, 13);
  constexpr unsigned long kKinds[] = {0xEF53, 0x58465342, 0x9123683E, 0x01021994};  // ext4, XFS, Btrfs, tmpfs
  return kernel_can && std::ranges::count(kKinds, kind_of_file_system(fd)) > 0;
}

int64_t nanoseconds(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

int64_t clock_ns(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return nanoseconds(now);
}

// How long to wait before looking again; 0: whatever is written from now on will show. `tick`: the clock that stamps
// files, read before the file's times were.
int64_t unrest_ns(int fd, const struct stat& status, int64_t tick) {
  const int64_t modified = nanoseconds(status.st_mtim), age = clock_ns(CLOCK_REALTIME) - modified;
  // A time to come was set by somebody, or by another machine's clock: it tells nothing, now or later.
  if (age < 0 || age >= kLately) return 0;
  const Writers writers = writers_of(fd);
  if (writers != Writers::kNone) {
    const int64_t least = writers == Writers::kSome ? kQuietOfWriters : kQuietOfUnknown;
    const int64_t quiet = std::clamp<int64_t>(status.st_size / kBytesPerNanosecond, least, kLongestQuiet);
    if (age < quiet) return std::min(quiet - age, kLongestLook);
  }
  return modified < tick || stamps_each_change(fd) ? 0 : kLook;
}

Result<struct stat> settled_status(int fd) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const int64_t tick = clock_ns(CLOCK_REALTIME_COARSE);
    struct stat status;
    if (syscalls().fstat(fd, &status) != 0) return errno_error(errno, "asking for the file's size and time");
    const int64_t wait = S_ISREG(status.st_mode) ? unrest_ns(fd, status, tick) : 0;
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
  const unsigned long kind = kind_of_file_system(fd);
  return kind == kNfs || kind == kFuse;
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
