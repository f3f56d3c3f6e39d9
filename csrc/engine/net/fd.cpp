#include "engine/net/fd.h"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>

#include "engine/process/fork.h"

namespace s3dlio::net {
namespace {

constexpr size_t kMaxTracked = 1 << 20;  // higher numbers work, but a child inherits them until it ends
constexpr size_t kWordBits = 64;

// Lock-free, because a child may be forked while any thread opens or closes a socket.
std::array<std::atomic<uint64_t>, kMaxTracked / kWordBits> open_fds{};
std::atomic<size_t> words_used{0};

void track(int fd) {
  const auto index = static_cast<size_t>(fd);
  if (index >= kMaxTracked) return;
  size_t used = words_used.load(std::memory_order_relaxed);
  while (used < index / kWordBits + 1 && !words_used.compare_exchange_weak(used, index / kWordBits + 1)) {
  }
  open_fds[index / kWordBits].fetch_or(uint64_t{1} << (index % kWordBits), std::memory_order_relaxed);
}

void forget(int fd) {
  const auto index = static_cast<size_t>(fd);
  if (index >= kMaxTracked) return;
  open_fds[index / kWordBits].fetch_and(~(uint64_t{1} << (index % kWordBits)), std::memory_order_relaxed);
}

// In the child, before anything else runs: a plain close() shuts nothing down, the parent still holds its own copy.
void close_inherited() {
  const size_t words = words_used.load(std::memory_order_relaxed);
  for (size_t word = 0; word < words; ++word) {
    uint64_t bits = open_fds[word].exchange(0, std::memory_order_relaxed);
    while (bits != 0) {
      const auto bit = static_cast<size_t>(__builtin_ctzll(bits));
      ::close(static_cast<int>(word * kWordBits + bit));
      bits &= bits - 1;
    }
  }
}

const int kRegistered = pthread_atfork(nullptr, nullptr, close_inherited);

}  // namespace

Fd::Fd(int fd) : fd_(fd), generation_(fork_generation()) {
  static_cast<void>(kRegistered);
  if (fd_ >= 0) track(fd_);
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
    generation_ = other.generation_;
  }
  return *this;
}

void Fd::reset() {
  if (fd_ < 0) return;
  const int fd = std::exchange(fd_, -1);
  if (generation_ != fork_generation()) return;
  forget(fd);
  ::close(fd);
}

}  // namespace s3dlio::net
