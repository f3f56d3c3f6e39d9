#include "engine/store/file/ring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

#include "engine/store/file/file_syscalls.h"

namespace s3dlio::file {
namespace {

constexpr int kMaxRefusals = 2000;  // a millisecond apart

int submit_to(int fd, unsigned count) {
  const int got = syscalls().io_uring_enter(fd, count, 0, 0);
  return got < 0 ? -errno : got;
}

// Not by way of syscalls(): the thread that waits lives as long as the process, and tests replace those.
int wait_for_one(int fd) {
  const long got = syscall(abi::kIoUringEnter, fd, 0, 1, abi::kEnterGetEvents, nullptr, 0);
  return got < 0 ? -errno : static_cast<int>(got);
}

void* map_shared(int fd, size_t size, int64_t offset) {
  void* start = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, static_cast<off_t>(offset));
  if (start == MAP_FAILED) return nullptr;
  madvise(start, size, MADV_DONTFORK);  // a child must not push into its parent's ring
  return start;
}

uint32_t load_acquire(uint32_t* shared) { return std::atomic_ref(*shared).load(std::memory_order_acquire); }
void store_release(uint32_t* shared, uint32_t value) {
  std::atomic_ref(*shared).store(value, std::memory_order_release);
}

}  // namespace

std::unique_ptr<Ring> Ring::open(unsigned entries, int& error_number) {
  abi::RingParams params = {};
  std::unique_ptr<Ring> ring(new Ring);
  ring->inner_fd_ = syscalls().io_uring_setup(entries, &params);
  if (ring->inner_fd_ < 0) {
    error_number = errno;
    return nullptr;
  }
  const uint32_t needed = abi::kFeatureSingleMmap | abi::kFeatureRwCurPos;
  error_number = (params.features & needed) != needed ? ENOSYS : ring->map(params) ? 0 : ENOMEM;
  return error_number ? nullptr : std::move(ring);
}

bool Ring::map(const abi::RingParams& params) {
  inner_entries_ = params.sq_entries;
  inner_rings_size_ = std::max(params.sq_off.array + params.sq_entries * sizeof(uint32_t),
                               params.cq_off.cqes + params.cq_entries * sizeof(abi::Cqe));
  inner_rings_ = map_shared(inner_fd_, inner_rings_size_, abi::kOffSqRing);
  inner_sqes_size_ = params.sq_entries * sizeof(abi::Sqe);
  inner_sqes_ = static_cast<abi::Sqe*>(map_shared(inner_fd_, inner_sqes_size_, abi::kOffSqes));
  if (!inner_rings_ || !inner_sqes_) return false;
  inner_sq_head_ = at(params.sq_off.head);
  inner_sq_tail_ = at(params.sq_off.tail);
  inner_sq_array_ = at(params.sq_off.array);
  inner_sq_mask_ = *at(params.sq_off.ring_mask);
  inner_cq_head_ = at(params.cq_off.head);
  inner_cq_tail_ = at(params.cq_off.tail);
  inner_cq_mask_ = *at(params.cq_off.ring_mask);
  inner_cqes_ = reinterpret_cast<abi::Cqe*>(at(params.cq_off.cqes));
  return true;
}

uint32_t* Ring::at(uint32_t offset) const {
  return reinterpret_cast<uint32_t*>(static_cast<std::byte*>(inner_rings_) + offset);
}

Ring::~Ring() {
  if (inner_rings_) munmap(inner_rings_, inner_rings_size_);
  if (inner_sqes_) munmap(inner_sqes_, inner_sqes_size_);
  if (inner_fd_ >= 0) ::close(inner_fd_);
}

void Ring::push(const abi::Sqe& sqe) {
  const uint32_t tail = *inner_sq_tail_;  // only we write it
  const uint32_t slot = tail & inner_sq_mask_;
  inner_sqes_[slot] = sqe;
  inner_sq_array_[slot] = slot;
  store_release(inner_sq_tail_, tail + 1);
}

int Ring::submit(unsigned count) {
  for (int refusals = 0; count > 0;) {
    const int taken = submit_to(inner_fd_, count);
    if (taken == 0) return 0;  // another thread's call took ours along
    if (taken > 0) {
      count -= static_cast<unsigned>(taken);
    } else if ((taken == -EAGAIN || taken == -EBUSY) && ++refusals < kMaxRefusals) {  // no memory for a moment
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } else if (taken != -EINTR) {
      return -taken;
    }
  }
  return 0;
}

std::optional<uint64_t> Ring::take_back() {
  const uint32_t tail = *inner_sq_tail_;
  if (load_acquire(inner_sq_head_) == tail) return std::nullopt;
  store_release(inner_sq_tail_, tail - 1);
  return inner_sqes_[(tail - 1) & inner_sq_mask_].user_data;
}

void Ring::wait() {
  while (load_acquire(inner_cq_tail_) == *inner_cq_head_) {
    const int got = wait_for_one(inner_fd_);
    if (got < 0 && got != -EINTR) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool Ring::pop(abi::Cqe& into) {
  const uint32_t head = *inner_cq_head_;  // only we write it
  if (load_acquire(inner_cq_tail_) == head) return false;
  into = inner_cqes_[head & inner_cq_mask_];
  store_release(inner_cq_head_, head + 1);
  return true;
}

}  // namespace s3dlio::file
