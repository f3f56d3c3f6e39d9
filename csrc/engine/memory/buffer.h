// Memory that objects are received into when the caller brings none: 4 KiB aligned, 2 MiB backed, reused.
// Fresh pages cost more CPU than the receive itself, so a block goes back to the pool when its last owner lets go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/base/result.h"

namespace s3dlio {

// Shared owner of one block; copies share it. Immutable size. Any thread may drop the last copy.
// The address is 4096-aligned. Contents of a fresh Buffer are unspecified (old bytes of this process).
class Buffer {
 public:
  Buffer() = default;  // empty: size 0, data nullptr
  Buffer(std::shared_ptr<std::byte> block, size_t size) : inner_block_(std::move(block)), inner_size_(size) {}
  std::byte* data() const { return inner_block_.get(); }
  size_t size() const { return inner_size_; }
  std::span<std::byte> span() const { return {data(), inner_size_}; }
  // A view of the same block; offset + size must lie inside this buffer.
  Buffer slice(size_t offset, size_t size) const {
    return Buffer(std::shared_ptr<std::byte>(inner_block_, inner_block_.get() + offset), size);
  }

 private:
  std::shared_ptr<std::byte> inner_block_;
  size_t inner_size_ = 0;
};

struct BufferPoolUsage {
  uint64_t in_use_bytes = 0;  // handed out
  uint64_t idle_bytes = 0;    // kept for reuse
  uint64_t cap_bytes = 0;     // idle + in use above which freed blocks go back to the system
};

// Process-wide; any thread. After fork the child starts with an empty pool and leaves its parent's blocks alone.
class BufferPool {
 public:
  static BufferPool& instance();
  // kInvalidArgument for absurd sizes, kNoSpace when the system has no memory. size 0 gives an empty Buffer.
  Result<Buffer> allocate(size_t size);
  void set_cap_bytes(uint64_t cap);
  void trim();  // gives every idle block back to the system
  BufferPoolUsage usage() const;
};

}  // namespace s3dlio
