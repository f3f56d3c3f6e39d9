// Anonymous memory from the system, in the form the pool wants it. Private to memory/.
#pragma once

#include <cstddef>
#include <cstdint>

namespace s3dlio::memory {

// `size` is a multiple of 4 KiB. From 2 MiB on the start is 2 MiB aligned and huge pages are asked for. nullptr: no
// memory.
std::byte* map_pages(size_t size);
void unmap_pages(std::byte* start, size_t size);
// Gives the pages back and keeps the addresses; they read as zero again.
void drop_pages(std::byte* start, size_t size);

// The memory this process may use: the machine's, or its control group's limit where that is lower.
uint64_t memory_limit_bytes();

}  // namespace s3dlio::memory
