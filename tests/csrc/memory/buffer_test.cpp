#include "engine/memory/buffer.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "engine/memory/size_class.h"
#include "engine/stats/stats.h"
#include "sanitized.h"

using namespace s3dlio;

namespace {

constexpr size_t kMiB = size_t{1} << 20;

BufferPool& pool() { return BufferPool::instance(); }

Buffer take(size_t size) {
  Result<Buffer> buffer = pool().allocate(size);
  REQUIRE(buffer.ok());
  return std::move(*buffer);
}

uint64_t hits() { return counters().pool_hits.load(); }
uint64_t misses() { return counters().pool_misses.load(); }

struct CleanPool {
  CleanPool() : cap(pool().usage().cap_bytes) { pool().trim(); }
  ~CleanPool() {
    pool().set_cap_bytes(cap);
    pool().trim();
  }
  uint64_t cap;
};

size_t resident_pages(const std::byte* start, size_t size) {
  std::vector<unsigned char> pages(size / 4096);
  REQUIRE(mincore(const_cast<std::byte*>(start), size, pages.data()) == 0);
  return static_cast<size_t>(std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; }));
}

}  // namespace

TEST_CASE("size classes cover every size with at most an eighth to spare") {
  size_t last = 0;
  for (size_t size = 1; size <= memory::kMaxClassSize; size += size < 100000 ? 1 : 4099) {
    const size_t index = memory::class_index(size);
    REQUIRE(index < memory::kClassCount);
    REQUIRE(index >= last);
    last = index;
    const size_t capacity = memory::class_size(index);
    REQUIRE(capacity >= size);
    REQUIRE(memory::class_index(capacity) == index);
    REQUIRE((index == 0 || memory::class_size(index - 1) < size));
    if (size > 32768) REQUIRE(capacity <= size + size / 8 + 4096);
  }
}

TEST_CASE("a buffer of no bytes is empty; an absurd one is refused") {
  CHECK(take(0).data() == nullptr);
  const auto absurd = pool().allocate(SIZE_MAX);
  REQUIRE(!absurd.ok());
  CHECK(absurd.error().code == ErrorCode::kInvalidArgument);
  const auto huge = pool().allocate(size_t{1} << 45);  // 32 TiB: sane to ask, no machine gives it
  REQUIRE(!huge.ok());
  CHECK(huge.error().code == ErrorCode::kNoSpace);
}

TEST_CASE("buffers are page aligned, from 2 MiB on huge-page aligned, writable to the last byte, and apart") {
  const CleanPool clean;
  std::vector<Buffer> buffers;
  for (const size_t size : {size_t{1}, size_t{4096}, size_t{4097}, size_t{100 << 10}, size_t{300 << 10}, kMiB,
                            2 * kMiB - 1, 2 * kMiB, 2 * kMiB + 1, 8 * kMiB, 64 * kMiB, 64 * kMiB + 1, 100 * kMiB}) {
    for (int copy = 0; copy < 3; ++copy) {
      Buffer buffer = take(size);
      CHECK(buffer.size() == size);
      const auto address = reinterpret_cast<uintptr_t>(buffer.data());
      CHECK(address % 4096 == 0);
      if (size >= 2 * kMiB) CHECK(address % (2 * kMiB) == 0);
      const auto mark = static_cast<unsigned char>(buffers.size() + 1);
      std::memset(buffer.data(), mark, std::min<size_t>(size, 8192));
      buffer.data()[size - 1] = std::byte{mark};
      buffers.push_back(std::move(buffer));
    }
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    CHECK(buffers[i].data()[0] == std::byte(i + 1));
    CHECK(buffers[i].data()[buffers[i].size() - 1] == std::byte(i + 1));
  }
}

TEST_CASE("a block is reused once its last owner lets go, not before") {
  const CleanPool clean;
  for (const size_t size : {size_t{5000}, size_t{1} << 20, size_t{8} << 20, size_t{70} << 20}) {
    Buffer first = take(size);
    const std::byte* const address = first.data();
    Buffer view = first.slice(100, 200);
    CHECK(view.data() == address + 100);
    first = Buffer();
    Buffer other = take(size);
    CHECK(other.data() != address);  // the view still holds it
    view = Buffer();
    const uint64_t hits_before = hits();
    Buffer again = take(size);
    CHECK(again.data() == address);
    CHECK(hits() == hits_before + 1);
  }
}

TEST_CASE("usage tells what is handed out and what is idle; trim empties the pool") {
  const CleanPool clean;
  const auto before = pool().usage();
  CHECK(before.idle_bytes == 0);
  {
    const Buffer one = take(3 * kMiB), two = take(4096), three = take(65 * kMiB);
    CHECK(pool().usage().in_use_bytes - before.in_use_bytes == 3 * kMiB + 4096 + 66 * kMiB);
  }
  CHECK(pool().usage().in_use_bytes == before.in_use_bytes);
  CHECK(pool().usage().idle_bytes == 3 * kMiB + 4096 + 66 * kMiB);
  pool().trim();
  CHECK(pool().usage().idle_bytes == 0);
}

TEST_CASE("trim gives back the idle neighbours of a block in use and leaves that block alone") {
  const CleanPool clean;
  std::vector<Buffer> buffers;
  for (int i = 0; i < 16; ++i) buffers.push_back(take(64 << 10));
  for (Buffer& buffer : buffers) std::memset(buffer.data(), 7, buffer.size());
  std::byte* const neighbour = buffers[4].data();
  Buffer kept = buffers[3];
  buffers.clear();
  CHECK(resident_pages(neighbour, 64 << 10) == 16);
  pool().trim();
  CHECK(resident_pages(neighbour, 64 << 10) == 0);
  CHECK(std::all_of(kept.data(), kept.data() + kept.size(), [](std::byte b) { return b == std::byte{7}; }));
  CHECK(pool().usage().idle_bytes == 0);
  const uint64_t misses_before = misses();
  std::set<const std::byte*> seen = {kept.data()};
  for (int i = 0; i < 40; ++i) {
    buffers.push_back(take(64 << 10));
    CHECK(seen.insert(buffers.back().data()).second);
  }
  CHECK(misses() == misses_before + 40);  // none had its pages any more
}

TEST_CASE("above the cap freed blocks go back to the system") {
  const CleanPool clean;
  pool().set_cap_bytes(10 * kMiB);
  {
    const Buffer one = take(8 * kMiB), two = take(8 * kMiB), large = take(80 * kMiB);
  }
  CHECK(pool().usage().idle_bytes <= 10 * kMiB);
  CHECK(pool().usage().idle_bytes > 0);
  {
    const Buffer small = take(9 * kMiB);
  }  // another class: the idle block of the first must make room
  CHECK(pool().usage().idle_bytes <= 10 * kMiB);
  pool().set_cap_bytes(0);
  CHECK(pool().usage().idle_bytes == 0);
  {
    const Buffer small = take(4096);
  }
  CHECK(pool().usage().idle_bytes == 0);
}

TEST_CASE("a larger idle block serves a large request if it fits well") {
  const CleanPool clean;
  const std::byte* address = nullptr;
  {
    const Buffer other = take(200 * kMiB);
    const Buffer fit = take(80 * kMiB);
    address = fit.data();
  }
  CHECK(take(76 * kMiB).data() == address);
  const uint64_t misses_before = misses();
  const Buffer poor_fit = take(120 * kMiB);
  CHECK(misses() == misses_before + 1);
}

TEST_CASE("many threads never share a block") {
  const CleanPool clean;
  pool().set_cap_bytes(24 * kMiB);  // so that blocks also leave the pool under way
  std::vector<std::jthread> threads;
  std::atomic<int> clashes{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &clashes] {
      std::mt19937 random(static_cast<unsigned>(t));
      std::vector<std::pair<Buffer, std::byte>> held;
      for (int round = 0; round < 4000; ++round) {
        if (held.size() < 8 && random() % 2) {
          const size_t sizes[] = {100, 4096, 40000, 70000, 400000, 1500000, 3000000};
          auto buffer = pool().allocate(sizes[random() % std::size(sizes)]);
          if (!buffer.ok()) continue;
          const auto mark = std::byte(random());
          for (size_t i = 0; i < buffer->size(); i += 4096) buffer->data()[i] = mark;
          held.emplace_back(std::move(*buffer), mark);
        } else if (!held.empty()) {
          std::swap(held[random() % held.size()], held.back());
          const auto& [buffer, mark] = held.back();
          for (size_t i = 0; i < buffer.size(); i += 4096) clashes += buffer.data()[i] != mark;
          held.pop_back();
        }
        if (round % 1000 == 0) pool().trim();
      }
    });
  }
  threads.clear();
  CHECK(clashes == 0);
}

TEST_CASE("a forked child has an empty pool and leaves its parent's blocks alone" * doctest::skip(kSanitized)) {
  const CleanPool clean;
  Buffer held = take(100 << 10);
  std::memset(held.data(), 5, held.size());
  {
    const Buffer idle = take(100 << 10);
  }
  std::atomic<bool> stop{false};
  std::jthread busy([&] {
    while (!stop) {
      const auto a = pool().allocate(20000), b = pool().allocate(3 << 20);
    }
  });
  for (int round = 0; round < 50; ++round) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      alarm(10);  // a lock held by the parent's thread would hang here
      const bool empty = pool().usage().in_use_bytes == 0 && pool().usage().idle_bytes == 0;
      const std::byte* const parents = held.data();
      held = Buffer();
      const bool left_alone = pool().usage().idle_bytes == 0;
      const auto mine = pool().allocate(100 << 10);
      const bool fresh = mine.ok() && mine->data() != parents && parents[0] == std::byte{5};
      pool().trim();
      _exit(empty && left_alone && fresh ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  stop = true;
}
