#include "engine/store/file/block_plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

using namespace s3dlio::file;

namespace {

constexpr Alignment kDirect{512, 4096};

struct alignas(4096) Page {
  std::byte bytes[4096];
};

// Carries a read plan out on a file held in memory, as a device would: aligned calls only, short at the end.
void perform(const BlockPlan& plan, const std::vector<std::byte>& file, Alignment alignment) {
  for (const Block& block : plan.blocks) {
    REQUIRE(block.offset % alignment.offset == 0);
    REQUIRE(block.size % alignment.offset == 0);
    REQUIRE(block.size > 0);
    REQUIRE(block.offset < file.size());
    const size_t there = std::min(block.size, file.size() - block.offset);
    REQUIRE(block.enough == there);
    if (block.data) {
      REQUIRE(reinterpret_cast<uintptr_t>(block.data) % alignment.memory == 0);
      std::memcpy(block.data, file.data() + block.offset, there);
      continue;
    }
    for (uint32_t i = 0; i < block.extent_count; ++i) {
      const Extent& extent = plan.extents[block.first_extent + i];
      REQUIRE(extent.offset >= block.offset);
      REQUIRE(extent.offset + extent.size <= block.offset + there);
      std::memcpy(extent.data, file.data() + extent.offset, extent.size);
    }
  }
}

}  // namespace

TEST_CASE("blocks are several MiB, and smaller where that lets more of them run") {
  CHECK(block_bytes_for(1 << 30, 8 << 20, 8) == 4 << 20);
  CHECK(block_bytes_for(16 << 20, 8 << 20, 8) == 2 << 20);
  CHECK(block_bytes_for(1000, 8 << 20, 8) == 1 << 20);
  CHECK(block_bytes_for(1 << 30, 100000, 8) == 98304);
  CHECK(block_bytes_for(1 << 30, 1, 8) == 4096);
}

TEST_CASE("random ranges come out byte for byte and touch nothing else") {
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    const Alignment alignment = round % 3 == 0 ? Alignment{} : round % 3 == 1 ? kDirect : Alignment{4096, 4096};
    std::vector<std::byte> file(1 + random() % 300000);
    for (std::byte& byte : file) byte = std::byte(1 + random() % 255);
    std::vector<Page> memory(100);
    auto* const bytes = memory[0].bytes;
    const size_t room = memory.size() * sizeof(Page);
    std::vector<Extent> extents;
    std::vector<std::byte> expected(room);
    size_t at = 0;
    for (size_t i = 1 + random() % 6; i > 0; --i) {
      at += random() % 3 == 0 ? 4096 - at % 4096 : random() % 5000;
      const uint64_t offset = random() % 2 ? random() % file.size() : random() % file.size() / 4096 * 4096;
      const size_t size = std::min<size_t>({1 + random() % 90000, file.size() - offset, room - std::min(room, at)});
      if (at >= room || size == 0) break;
      extents.push_back({offset, bytes + at, size});
      std::memcpy(expected.data() + at, file.data() + offset, size);
      at += size;
    }
    perform(plan_read(extents, file.size(), alignment, 16384, 0), file, alignment);
    REQUIRE(std::memcmp(bytes, expected.data(), room) == 0);
  }
}

TEST_CASE("aligned memory is read into straight; only ragged ends are bounced") {
  std::vector<Page> memory(200);
  const Extent ragged{100, memory[0].bytes + 100, 500000};
  const BlockPlan plan = plan_read(std::span(&ragged, 1), 1000000, kDirect, 1 << 20, 0);
  size_t bounced = 0;
  for (const Extent& extent : plan.extents) bounced += extent.size;
  CHECK(bounced == (4096 - 100) + (500100 % 4096));
  CHECK(plan.blocks.size() == 3);
  const Extent whole{0, memory[0].bytes,
                     500000};  // the caller's memory ends with the object: its last bytes are bounced
  CHECK(plan_read(std::span(&whole, 1), 500000, kDirect, 1 << 20, 0).blocks.size() == 2);
  CHECK(plan_read(std::span(&whole, 1), 500000, kDirect, 1 << 20, 4096).extents.empty());  // ours has room behind it
}

TEST_CASE("near small ranges share one bounced block, far ones do not") {
  std::vector<Page> memory(4);
  std::vector<Extent> extents;
  for (size_t i = 0; i < 8; ++i) extents.push_back({i * 20000 + 7, memory[0].bytes + i * 100, 100});
  CHECK(plan_read(extents, 1 << 20, kDirect, 1 << 20, 0).blocks.size() == 1);
  for (size_t i = 0; i < 8; ++i) extents[i].offset = i * 100000 + 7;
  CHECK(plan_read(extents, 1 << 20, kDirect, 1 << 20, 0).blocks.size() == 8);
}

TEST_CASE("a written plan covers the data in order, padded only at the end") {
  std::vector<Page> memory(100);
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    const Alignment alignment = round % 2 ? kDirect : Alignment{};
    const size_t shift = random() % 3 == 0 ? random() % 600 : 0, size = 1 + random() % 200000;
    const std::span<const std::byte> data(memory[0].bytes + shift, size);
    const BlockPlan plan = plan_write(8192, data, alignment, 10000);
    uint64_t at = 8192;
    for (const Block& block : plan.blocks) {
      REQUIRE(block.offset == at);
      REQUIRE(block.offset % alignment.offset == 0);
      REQUIRE(block.size % alignment.offset == 0);
      const size_t real = block.data ? block.size : plan.extents[block.first_extent].size;
      const std::byte* const source = block.data ? block.data : plan.extents[block.first_extent].data;
      REQUIRE(source == data.data() + (at - 8192));
      if (block.data) REQUIRE(reinterpret_cast<uintptr_t>(block.data) % alignment.memory == 0);
      at += real;
    }
    REQUIRE(at == 8192 + size);
  }
}
