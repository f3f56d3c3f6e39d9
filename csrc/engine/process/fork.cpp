#include "engine/process/fork.h"

#include <pthread.h>

#include <atomic>

namespace s3dlio {
namespace {

std::atomic<uint64_t> generation{0};

// Registered when the library is loaded, so that no fork can come before it.
const int kRegistered = pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

uint64_t fork_generation() {
  static_cast<void>(kRegistered);
  return generation.load(std::memory_order_relaxed);
}

}  // namespace s3dlio
