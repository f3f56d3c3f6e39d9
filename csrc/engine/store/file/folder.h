// Opening files and folders that lie below the store's root, and nowhere else. Private to store/file/.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/store/file/key_path.h"

namespace s3dlio::file {

class Fd {  // owns a file descriptor
 public:
  Fd() = default;
  explicit Fd(int fd) : inner_fd_(fd) {}
  Fd(Fd&& other) noexcept : inner_fd_(std::exchange(other.inner_fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(inner_fd_, other.inner_fd_);
    return *this;
  }
  ~Fd() { reset(); }
  void reset();
  int get() const { return inner_fd_; }
  bool valid() const { return inner_fd_ >= 0; }

 private:
  int inner_fd_ = -1;
};

// The root itself may be, or be reached through, a symbolic link. kNotFound when it is missing, kNotADirectory for a
// file.
Result<Fd> open_root(const std::string& root);
// As mkdir -p. Folders that were made are synced into their parents if `sync`.
Result<Fd> make_root(const std::string& root, bool sync);

// Opens `path` ("" is the root itself) so that no symbolic link leads outside the root; links that stay inside are
// followed where the kernel can tell (openat2, Linux 5.6), else refused. A file descriptor, or -errno.
int open_beneath(int root, const std::string& path, int flags);

// The folder that holds a key, for writing into it: missing folders are made.
Result<Fd> make_folder(int root, const std::string& folder, bool sync);

}  // namespace s3dlio::file
