// True in sanitizer builds, whose run-time libraries cannot follow a fork beside running threads (AddressSanitizer's
// allocator may be locked in the child for ever, ThreadSanitizer forbids the child new threads). Tests that fork are
// skipped there.
#pragma once

#if defined(__has_feature)
#define S3DLIO_TEST_HAS(feature) __has_feature(feature)
#else
#define S3DLIO_TEST_HAS(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || S3DLIO_TEST_HAS(address_sanitizer) || \
    S3DLIO_TEST_HAS(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
