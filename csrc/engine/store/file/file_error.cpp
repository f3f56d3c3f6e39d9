#include "engine/store/file/file_error.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>

#include "engine/stats/stats.h"

namespace s3dlio::file {
namespace {

struct Meaning {
  int number;
  ErrorCode code;
  const char* advice;
};

constexpr Meaning kMeanings[] = {
    {ENOENT, ErrorCode::kNotFound, "nothing is stored there"},
    {EACCES, ErrorCode::kAccessDenied, "this user may not do that here"},
    {EPERM, ErrorCode::kAccessDenied, "the file system does not permit it"},
    {EROFS, ErrorCode::kAccessDenied, "the file system is mounted read-only"},
    {EXDEV, ErrorCode::kAccessDenied, "a symbolic link on the way leaves the store's root"},
    {ELOOP, ErrorCode::kAccessDenied, "a symbolic link on the way is not followed"},
    {ENOTDIR, ErrorCode::kNotADirectory, "a part of the key before its last \"/\" is a file"},
    {EISDIR, ErrorCode::kIsADirectory, "a folder is there; objects are files"},
    {EEXIST, ErrorCode::kAlreadyExists, "an object is there already"},
    {ENAMETOOLONG, ErrorCode::kInvalidArgument,
     "a segment of the key is longer than the file system takes (255 bytes)"},
    {ENOSPC, ErrorCode::kNoSpace, "the disk is full"},
    {EDQUOT, ErrorCode::kNoSpace, "the disk quota is used up"},
    {EMFILE, ErrorCode::kIo, "too many open files; raise the limit (ulimit -n)"},
    {ENFILE, ErrorCode::kIo, "too many open files in the whole system"},
    {EFBIG, ErrorCode::kIo, "larger than a file may be here"},
    {EIO, ErrorCode::kIo, "the device failed; see the kernel log"},
    {ENOMEM, ErrorCode::kNoSpace, "the system has no memory left"},
};

std::string text_of(int error_number) {
  char text[128] = "";
  // The GNU form may answer with a constant string and leave the buffer alone.
  return std::string(strerror_r(error_number, text, sizeof(text)));
}

}  // namespace

Error errno_error(int error_number, const std::string& what) {
  std::string message = what + ": " + text_of(error_number) + " (errno " + std::to_string(error_number) + ")";
  for (const Meaning& meaning : kMeanings) {
    if (meaning.number == error_number) return make_error(meaning.code, message + "; " + meaning.advice);
  }
  return make_error(ErrorCode::kIo, message);
}

Error write_error(int error_number, const std::string& what, int folder_fd, uint64_t needed_bytes) {
  Error error = errno_error(error_number, what);
  struct statvfs space;
  if (error.code == ErrorCode::kNoSpace && fstatvfs(folder_fd, &space) == 0) {
    error.message += ": " + std::to_string(uint64_t{space.f_bavail} * space.f_frsize) + " bytes free, " +
                     std::to_string(needed_bytes) + " needed; the object was not changed";
  }
  return error;
}

bool leaves_doubt(int error_number) {
  return error_number == EIO || error_number == ETIMEDOUT || error_number == ESTALE || error_number == EREMOTEIO;
}

Error cancelled_error() {
  count(counters().cancelled);
  return make_error(ErrorCode::kCancelled, "taken back by the caller");
}

Error changed_error(const std::string& seen) {
  return make_error(ErrorCode::kPreconditionFailed,
                    "the file changed while being read (" + seen + "); what was read is invalid, read it again");
}

}  // namespace s3dlio::file
