// Tells AddressSanitizer which pool memory nobody may touch: idle blocks, and the end of a block behind its buffer.
// Costs nothing in other builds. Private to memory/.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define S3DLIO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define S3DLIO_ASAN 1
#endif
#endif
#ifdef S3DLIO_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace s3dlio::memory {

inline void poison([[maybe_unused]] const std::byte* start, [[maybe_unused]] size_t size) {
#ifdef S3DLIO_ASAN
  __asan_poison_memory_region(start, size);
#endif
}

inline void unpoison([[maybe_unused]] const std::byte* start, [[maybe_unused]] size_t size) {
#ifdef S3DLIO_ASAN
  __asan_unpoison_memory_region(start, size);
#endif
}

}  // namespace s3dlio::memory
