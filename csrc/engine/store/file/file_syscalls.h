// The system calls whose failures must be survived, behind pointers that tests replace. Private to store/file/.
// Each behaves as the call it is named after: -1 and errno on failure.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "engine/store/file/kernel_abi.h"

namespace s3dlio::file {

struct Syscalls {
  int (*openat)(int folder, const char* path, int flags, mode_t mode);
  int (*openat2)(int folder, const char* path, const abi::OpenHow& how);
  int (*fstat)(int fd, struct stat* into);
  int (*statx)(int fd, unsigned mask, abi::Statx* into);
  ssize_t (*pread)(int fd, void* data, size_t size, off_t offset);
  ssize_t (*pwrite)(int fd, const void* data, size_t size, off_t offset);
  int (*fallocate)(int fd, int mode, off_t offset, off_t size);
  int (*ftruncate)(int fd, off_t size);
  int (*fdatasync)(int fd);
  int (*fsync)(int fd);
  int (*renameat2)(int old_folder, const char* old_name, int new_folder, const char* new_name, unsigned flags);
  int (*linkat)(int old_folder, const char* old_name, int new_folder, const char* new_name, int flags);
  int (*unlinkat)(int folder, const char* name, int flags);
  ssize_t (*copy_file_range)(int from, off_t* from_offset, int to, off_t* to_offset, size_t size, unsigned flags);
  int (*io_uring_setup)(unsigned entries, abi::RingParams* params);
  int (*io_uring_enter)(int fd, unsigned submit_count, unsigned wait_count, unsigned flags);
  int32_t (*ring_result)(bool is_write, int32_t result);  // what the ring reports, passed on as it is
};

// Replaced by tests while no file operation runs.
Syscalls& syscalls();
Syscalls real_syscalls();

}  // namespace s3dlio::file
