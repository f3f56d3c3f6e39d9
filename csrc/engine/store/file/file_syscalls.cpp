#include "engine/store/file/file_syscalls.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

namespace s3dlio::file {

Syscalls real_syscalls() {
  Syscalls real;
  real.openat = [](int folder, const char* path, int flags, mode_t mode) {
    return ::openat(folder, path, flags, mode);
  };
  real.openat2 = [](int folder, const char* path, const abi::OpenHow& how) {
    return static_cast<int>(syscall(abi::kOpenat2, folder, path, &how, sizeof(how)));
  };
  real.fstat = [](int fd, struct stat* into) { return ::fstat(fd, into); };
  real.statx = [](int fd, unsigned mask, abi::Statx* into) {
    return static_cast<int>(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, mask, into));
  };
  real.pread = ::pread;
  real.pwrite = ::pwrite;
  real.fallocate = ::fallocate;
  real.ftruncate = ::ftruncate;
  real.fdatasync = ::fdatasync;
  real.fsync = ::fsync;
  real.renameat2 = [](int old_folder, const char* old_name, int new_folder, const char* new_name, unsigned flags) {
    return static_cast<int>(syscall(SYS_renameat2, old_folder, old_name, new_folder, new_name, flags));
  };
  real.linkat = ::linkat;
  real.unlinkat = ::unlinkat;
  real.copy_file_range = [](int from, off_t* from_offset, int to, off_t* to_offset, size_t size, unsigned flags) {
    return static_cast<ssize_t>(syscall(SYS_copy_file_range, from, from_offset, to, to_offset, size, flags));
  };
  real.io_uring_setup = [](unsigned entries, abi::RingParams* params) {
    return static_cast<int>(syscall(abi::kIoUringSetup, entries, params));
  };
  real.io_uring_enter = [](int fd, unsigned submit_count, unsigned wait_count, unsigned flags) {
    return static_cast<int>(syscall(abi::kIoUringEnter, fd, submit_count, wait_count, flags, nullptr, 0));
  };
  real.ring_result = [](bool, int32_t result) { return result; };
  return real;
}

Syscalls& syscalls() {
  static Syscalls table = real_syscalls();
  return table;
}

}  // namespace s3dlio::file
