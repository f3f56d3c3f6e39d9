#include "engine/memory/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>

#include "engine/memory/size_class.h"

namespace s3dlio {

void prefer_huge_pages(std::span<std::byte> memory) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory.data());
  const size_t head = memory::round_up(address, memory::kPage) - address;  // a neighbour's page, in part
  if (memory.size() < head + memory::kHugePage) return;
  madvise(memory.data() + head, (memory.size() - head) / memory::kPage * memory::kPage, MADV_HUGEPAGE);
}

}  // namespace s3dlio
