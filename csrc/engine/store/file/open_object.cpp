#include "engine/store/file/open_object.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

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
  return {static_cast<uint64_t>(status.st_size), static_cast<uint64_t>(status.st_ino),
          int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Result<FileInfo> info_of(int fd) {
  struct stat status;
  if (syscalls().fstat(fd, &status) != 0) return errno_error(errno, "asking for the file's size and time");
  return info_of(status);
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
  struct stat status;
  if (syscalls().fstat(fd->get(), &status) != 0) return errno_error(errno, "asking for the file's size and time");
  if (S_ISDIR(status.st_mode)) return errno_error(EISDIR, "reading");
  if (!S_ISREG(status.st_mode))
    return make_error(ErrorCode::kUnsupported, "a pipe, socket or device is there, not a file");
  OpenObject object{std::move(*fd), info_of(status), {}};
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
