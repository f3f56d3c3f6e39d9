#include "engine/store/file/block_plan.h"

#include <algorithm>
#include <cstdint>

#include "engine/stats/stats.h"

namespace s3dlio::file {
namespace {

constexpr uint64_t kMinBlock = uint64_t{1} << 20, kMaxBlock = uint64_t{4} << 20, kBlockUnit = 4096;
// Ranges this near each other share one bounced read; a device reads so much in the time one more request takes.
constexpr uint64_t kBounceGap = 64 << 10;
// Up to here one bounced read replaces a head, a middle and a tail.
constexpr uint64_t kWholeBounce = 64 << 10;

uint64_t floor_to(uint64_t value, uint64_t unit) { return value - value % unit; }
uint64_t ceil_to(uint64_t value, uint64_t unit) { return floor_to(value + unit - 1, unit); }

bool is_aligned(const std::byte* data, uint32_t alignment) {
  return reinterpret_cast<uintptr_t>(data) % alignment == 0;
}

class ReadPlanner {
 public:
  ReadPlanner(uint64_t file_size, Alignment alignment, size_t block_bytes)
      : inner_file_size_(file_size), inner_alignment_(alignment), inner_block_bytes_(block_bytes) {
    plan.alignment = alignment.offset;
  }

  // [offset, offset + size) straight into memory; offset, size and data are aligned (size may reach past the file's
  // end).
  void straight(Extent extent) {
    for (size_t done = 0; done < extent.size;) {
      const size_t size = std::min(extent.size - done, inner_block_bytes_);
      plan.blocks.push_back({extent.offset + done, size, inside(extent.offset + done, size), extent.data + done, 0, 0});
      done += size;
    }
  }

  // The same for an extent of any alignment. Joins the bounced block before it where that is near.
  void bounced(Extent extent) {
    while (extent.size > 0) {
      if (join_last(extent)) return;
      const uint64_t begin = floor_to(extent.offset, inner_alignment_.offset);
      const uint64_t limit = begin + inner_block_bytes_;
      const size_t size = static_cast<size_t>(std::min<uint64_t>(extent.offset + extent.size, limit) - extent.offset);
      const auto block_size = static_cast<size_t>(ceil_to(extent.offset + size, inner_alignment_.offset) - begin);
      plan.blocks.push_back(
          {begin, block_size, inside(begin, block_size), nullptr, static_cast<uint32_t>(plan.extents.size()), 1});
      plan.extents.push_back({extent.offset, extent.data, size});
      extent = {extent.offset + size, extent.data + size, extent.size - size};
    }
  }

  // Aligned middle straight, ragged ends bounced; `room` as in plan_read.
  void split(Extent extent, size_t room) {
    const uint64_t unit = inner_alignment_.offset;
    const uint64_t end = extent.offset + extent.size;
    const uint64_t middle = ceil_to(extent.offset, unit);
    const uint64_t middle_end = ceil_to(end, unit) - end <= room ? ceil_to(end, unit) : floor_to(end, unit);
    const bool small = extent.size <= kWholeBounce && (middle != extent.offset || middle_end < end);
    if (small || middle >= middle_end || !is_aligned(extent.data + (middle - extent.offset), inner_alignment_.memory)) {
      return bounced(extent);
    }
    const auto head = static_cast<size_t>(middle - extent.offset);
    bounced({extent.offset, extent.data, head});
    straight({middle, extent.data + head, static_cast<size_t>(middle_end - middle)});
    if (middle_end < end) {
      bounced({middle_end, extent.data + (middle_end - extent.offset), static_cast<size_t>(end - middle_end)});
    }
  }

  BlockPlan plan;

 private:
  size_t inside(uint64_t offset, size_t size) const {
    return static_cast<size_t>(std::min<uint64_t>(size, inner_file_size_ - std::min(offset, inner_file_size_)));
  }

  bool join_last(const Extent& extent) {
    if (plan.blocks.empty() || plan.blocks.back().data) return false;
    Block& last = plan.blocks.back();
    const uint64_t end = ceil_to(extent.offset + extent.size, inner_alignment_.offset);
    if (extent.offset < last.offset || extent.offset > last.offset + last.size + kBounceGap) return false;
    const uint64_t size = std::max<uint64_t>(last.size, end - last.offset);
    if (size > inner_block_bytes_) return false;
    last.size = static_cast<size_t>(size);
    last.enough = inside(last.offset, last.size);
    ++last.extent_count;
    plan.extents.push_back(extent);
    count(counters().ranges_coalesced);
    return true;
  }

  uint64_t inner_file_size_;
  Alignment inner_alignment_;
  size_t inner_block_bytes_;
};

}  // namespace

size_t block_bytes_for(uint64_t total_bytes, uint64_t part_size, uint32_t lanes) {
  const uint64_t even = ceil_to(total_bytes / std::max(lanes, 1u), kBlockUnit);
  const uint64_t wanted = std::clamp(even, kMinBlock, kMaxBlock);
  return static_cast<size_t>(std::max(kBlockUnit, floor_to(std::min(wanted, part_size), kBlockUnit)));
}

BlockPlan plan_read(std::span<const Extent> extents, uint64_t file_size, Alignment alignment, size_t block_bytes,
                    size_t room_behind) {
  ReadPlanner planner(file_size, alignment, static_cast<size_t>(ceil_to(block_bytes, alignment.offset)));
  if (alignment.offset == 1) {
    for (const Extent& extent : extents) planner.straight(extent);
    return std::move(planner.plan);
  }
  std::vector<Extent> sorted(extents.begin(), extents.end());
  std::sort(sorted.begin(), sorted.end(), [](const Extent& a, const Extent& b) { return a.offset < b.offset; });
  for (const Extent& extent : sorted) {
    if (extent.size > 0) planner.split(extent, room_behind);
  }
  return std::move(planner.plan);
}

BlockPlan plan_write(uint64_t offset, std::span<const std::byte> data, Alignment alignment, size_t block_bytes) {
  block_bytes = static_cast<size_t>(ceil_to(block_bytes, alignment.offset));
  BlockPlan plan;
  plan.is_write = true;
  plan.alignment = alignment.offset;
  auto* const source = const_cast<std::byte*>(data.data());  // only read from: is_write
  const bool aligned = is_aligned(source, alignment.memory);
  for (size_t done = 0; done < data.size();) {
    size_t size = std::min(data.size() - done, block_bytes);
    const bool last = done + size == data.size();
    const size_t ragged = size % alignment.offset;
    if (last && ragged && size > ragged && aligned) size -= ragged;  // the ragged end becomes a block of its own
    if (aligned && size % alignment.offset == 0) {
      plan.blocks.push_back({offset + done, size, size, source + done, 0, 0});
    } else {
      const auto padded = static_cast<size_t>(ceil_to(size, alignment.offset));
      plan.blocks.push_back({offset + done, padded, padded, nullptr, static_cast<uint32_t>(plan.extents.size()), 1});
      plan.extents.push_back({offset + done, source + done, size});
    }
    done += size;
  }
  return plan;
}

}  // namespace s3dlio::file
