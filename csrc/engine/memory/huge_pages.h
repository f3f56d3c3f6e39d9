// Memory that others allocated and large transfers will fill.
#pragma once

#include <cstddef>
#include <span>

namespace s3dlio {

// Asks the system to back fresh memory by huge pages: filling it then takes a page fault each 2 MiB and not each 4 KiB,
// and those are most of what a copy into fresh memory costs. A wish: nothing is reported, and the contents stay. Any
// thread; the memory stays its owner's.
void prefer_huge_pages(std::span<std::byte> memory);

}  // namespace s3dlio
