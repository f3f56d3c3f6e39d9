// Which aligned pieces of a file to move, and where each byte of them belongs in memory. Private to store/file/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace s3dlio::file {

// What O_DIRECT asks of memory addresses and of file offsets and sizes. {1, 1}: buffered, anything goes.
struct Alignment {
  uint32_t memory = 1;
  uint32_t offset = 1;
};

// Bytes [offset, offset + size) of the file, at `data` in the caller's memory.
struct Extent {
  uint64_t offset = 0;
  std::byte* data = nullptr;
  size_t size = 0;
};

struct Block {  // one call's worth
  uint64_t offset = 0;
  size_t size = 0;
  size_t enough = 0;          // bytes of it that exist in the file (reads) or that are asked for
  std::byte* data = nullptr;  // nullptr: through an aligned bounce, copied to or from `extents`
  uint32_t first_extent = 0, extent_count = 0;
};

struct BlockPlan {
  std::vector<Block> blocks;
  std::vector<Extent> extents;  // what the bounced blocks are copied to or from
  bool is_write = false;
  uint32_t alignment = 1;  // of every block's offset and size
};

// Several-MiB pieces, smaller where that lets `lanes` of them run side by side.
size_t block_bytes_for(uint64_t total_bytes, uint64_t part_size, uint32_t lanes);

// Reads `extents` (any order) of a file of `file_size` bytes; all lie inside it. `room_behind`: bytes behind each
// extent's end that may be overwritten too, so that an aligned read may go past the extent (0 for memory of the
// caller).
BlockPlan plan_read(std::span<const Extent> extents, uint64_t file_size, Alignment alignment, size_t block_bytes,
                    size_t room_behind);
// Writes `data` to [offset, offset + size). With O_DIRECT `offset` is aligned, and a last partial block is padded with
// zeros: the file must be truncated afterwards.
BlockPlan plan_write(uint64_t offset, std::span<const std::byte> data, Alignment alignment, size_t block_bytes);

}  // namespace s3dlio::file
