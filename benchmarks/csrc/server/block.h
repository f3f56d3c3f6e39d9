// Memory of stored objects: page-aligned blocks, given back to a pool when the last slice of them dies, so that a
// repeated PUT does not measure the server's page faults. Any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace s3dlio_bench {

// A piece of a block; keeps the block alive. Its bytes never change once an object shows them.
struct Slice {
  std::shared_ptr<std::byte> block;
  const std::byte* data = nullptr;
  size_t size = 0;

  std::span<const std::byte> bytes() const { return {data, size}; }
  Slice cut(size_t offset, size_t count) const { return {block, data + offset, count}; }
};
using Slices = std::vector<Slice>;

// At least one byte of writable memory; throws std::bad_alloc when there is none.
std::shared_ptr<std::byte> take_block(size_t size);

size_t size_of(const Slices& slices);
// Bytes [offset, offset + count) of the slices laid end to end; count must lie inside them.
Slices cut(const Slices& slices, size_t offset, size_t count);

}  // namespace s3dlio_bench
