#include "engine/memory/mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "engine/memory/huge_pages.h"
#include "engine/memory/size_class.h"

namespace s3dlio::memory {
namespace {

std::byte* map_plain(size_t size) {
  void* start = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return start == MAP_FAILED ? nullptr : static_cast<std::byte*>(start);
}

bool is_huge_aligned(const std::byte* start) { return reinterpret_cast<uintptr_t>(start) % kHugePage == 0; }

// Maps 2 MiB too much and gives the ends back; newer kernels align by themselves, then this is never reached.
std::byte* map_aligned(size_t size) {
  std::byte* wide = map_plain(size + kHugePage);
  if (!wide) return nullptr;
  const size_t head = round_up(reinterpret_cast<uintptr_t>(wide), kHugePage) - reinterpret_cast<uintptr_t>(wide);
  if (head) munmap(wide, head);
  if (head < kHugePage) munmap(wide + head + size, kHugePage - head);
  return wide + head;
}

uint64_t limit_in(const std::string& path) {
  std::ifstream file(path);
  uint64_t limit = 0;
  return file >> limit ? limit : std::numeric_limits<uint64_t>::max();  // "max" is no number
}

// The limits of this process's group and of every group above it.
uint64_t cgroup_limit() {
  uint64_t limit = std::numeric_limits<uint64_t>::max();
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t path_at = line.rfind(':');
    if (path_at == std::string::npos) continue;
    const bool unified = line.starts_with("0::");
    if (!unified && line.find(":memory:") == std::string::npos) continue;
    const std::string base = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const std::string name = unified ? "/memory.max" : "/memory.limit_in_bytes";
    for (std::string path = line.substr(path_at + 1);; path.erase(path.rfind('/'))) {
      limit = std::min(limit, limit_in(base + path + name));
      if (path.rfind('/') == std::string::npos) break;
    }
  }
  return limit;
}

}  // namespace

std::byte* map_pages(size_t size) {
  if (size < kHugePage) return map_plain(size);
  std::byte* start = map_plain(size);
  if (start && !is_huge_aligned(start)) {
    munmap(start, size);
    start = map_aligned(size);
  }
  if (start) prefer_huge_pages({start, size});
  return start;
}

void unmap_pages(std::byte* start, size_t size) { munmap(start, size); }

void drop_pages(std::byte* start, size_t size) { madvise(start, size, MADV_DONTNEED); }

uint64_t memory_limit_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  const uint64_t machine = pages > 0 && page_bytes > 0
                               ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes)
                               : std::numeric_limits<uint64_t>::max();
  return std::min(machine, cgroup_limit());
}

}  // namespace s3dlio::memory
