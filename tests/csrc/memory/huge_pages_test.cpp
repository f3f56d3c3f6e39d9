#include "engine/memory/huge_pages.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

using namespace s3dlio;

namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kPageBytes = 4096;

// Whether the mapping that `at` lies in wishes for huge pages, as the kernel tells it.
bool wished_for(const std::byte* at) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long first = 0, end = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &first, &end) == 2) {
      const auto place = reinterpret_cast<uintptr_t>(at);
      inside = first <= place && place < end;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line.find(" hg") != std::string::npos;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("whole pages of the memory, and no neighbour's") {
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) return;
  const size_t size = 16 * kMiB;
  auto* start =
      static_cast<std::byte*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(start != MAP_FAILED);
  start[4 * kMiB] = std::byte{7};
  prefer_huge_pages({start + 4 * kMiB - 8, 8 * kMiB + 16});
  CHECK(!wished_for(start + 4 * kMiB - kPageBytes));
  CHECK(wished_for(start + 4 * kMiB));
  CHECK(wished_for(start + 12 * kMiB - kPageBytes));
  CHECK(!wished_for(start + 12 * kMiB));
  CHECK(start[4 * kMiB] == std::byte{7});
  munmap(start, size);
}

TEST_CASE("memory without a huge page in it is left alone") {
  auto* start =
      static_cast<std::byte*>(mmap(nullptr, 4 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(start != MAP_FAILED);
  prefer_huge_pages({start + 1, 2 * kMiB});
  prefer_huge_pages({});
  CHECK(!wished_for(start + kMiB));
  munmap(start, 4 * kMiB);
}
