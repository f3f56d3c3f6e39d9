#include "block.h"

#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <new>

namespace s3dlio_bench {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = 2 << 20;
constexpr size_t kMaxIdleBytes = size_t{4} << 30;

// Freed blocks by exact size: benchmarks store the same sizes again and again.
class Pool {
 public:
  std::byte* take(size_t size) {
    {
      const std::lock_guard lock(mutex_);
      auto& idle = idle_[size];
      if (!idle.empty()) {
        std::byte* block = idle.back();
        idle.pop_back();
        idle_bytes_ -= size;
        return block;
      }
    }
    void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) throw std::bad_alloc();
    if (size >= kHugePage) madvise(block, size, MADV_HUGEPAGE);
    return static_cast<std::byte*>(block);
  }

  void give(std::byte* block, size_t size) {
    const std::lock_guard lock(mutex_);
    if (idle_bytes_ + size > kMaxIdleBytes) {
      munmap(block, size);
      return;
    }
    idle_[size].push_back(block);
    idle_bytes_ += size;
  }

 private:
  std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> idle_;
  size_t idle_bytes_ = 0;
};

Pool& pool() {
  static Pool& the_pool = *new Pool;  // never destroyed: connection threads outlive main()
  return the_pool;
}

}  // namespace

std::shared_ptr<std::byte> take_block(size_t size) {
  const size_t rounded = std::max<size_t>(1, (size + kPage - 1) / kPage) * kPage;
  return {pool().take(rounded), [rounded](std::byte* block) { pool().give(block, rounded); }};
}

size_t size_of(const Slices& slices) {
  size_t total = 0;
  for (const Slice& slice : slices) total += slice.size;
  return total;
}

Slices cut(const Slices& slices, size_t offset, size_t count) {
  Slices result;
  for (const Slice& slice : slices) {
    if (count == 0) break;
    if (offset >= slice.size) {
      offset -= slice.size;
      continue;
    }
    const size_t taken = std::min(count, slice.size - offset);
    result.push_back(slice.cut(offset, taken));
    offset = 0;
    count -= taken;
  }
  return result;
}

}  // namespace s3dlio_bench
