// One io_uring, set up and driven through raw system calls. Private to store/file/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/store/file/kernel_abi.h"

namespace s3dlio::file {

class Ring {
 public:
  // nullptr, and why in `error_number`, where the kernel refuses or is too old for plain reads and writes.
  static std::unique_ptr<Ring> open(unsigned entries, int& error_number);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  unsigned entries() const { return inner_entries_; }
  // One caller at a time, with at most entries() submissions not yet completed. submit() makes them known to the
  // kernel.
  void push(const abi::Sqe& sqe);
  // Any thread. Hands `count` pushed entries (of anyone) to the kernel. 0 or an errno; a kernel that has no memory is
  // asked again for a while.
  int submit(unsigned count);
  // What was pushed and not taken by the kernel: takes one entry back and gives its user_data, until there is none. No
  // push() and no submit() meanwhile.
  std::optional<uint64_t> take_back();
  // One thread at a time: waits for at least one completion.
  void wait();
  bool pop(abi::Cqe& into);

 private:
  Ring() = default;
  bool map(const abi::RingParams& params);
  uint32_t* at(uint32_t offset) const;

  int inner_fd_ = -1;
  unsigned inner_entries_ = 0;
  void* inner_rings_ = nullptr;
  size_t inner_rings_size_ = 0;
  abi::Sqe* inner_sqes_ = nullptr;
  size_t inner_sqes_size_ = 0;
  uint32_t *inner_sq_head_ = nullptr, *inner_sq_tail_ = nullptr, *inner_sq_array_ = nullptr, *inner_cq_head_ = nullptr,
           *inner_cq_tail_ = nullptr;
  uint32_t inner_sq_mask_ = 0, inner_cq_mask_ = 0;
  abi::Cqe* inner_cqes_ = nullptr;
};

}  // namespace s3dlio::file
