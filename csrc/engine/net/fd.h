// A file descriptor with one owner. Descriptors of the engine's loops and sockets are known by number, so that a forked
// child can close its copies at once: the parent's connections must not stay open because a child lives on.
#pragma once

#include <cstdint>
#include <utility>

namespace s3dlio::net {

// Movable. Closes on destruction, except in a forked child, where the number may already mean something else.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd);  // takes ownership; a negative number is "none"
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)), generation_(other.generation_) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
  uint64_t generation_ = 0;
};

}  // namespace s3dlio::net
