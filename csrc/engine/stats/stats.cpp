#include "engine/stats/stats.h"

namespace s3dlio {
namespace {

// Constant-initialised and never destroyed in effect (trivial members): usable from any static initialiser and at exit.
constinit Counters all_counters;

}  // namespace

Counters& counters() { return all_counters; }

std::vector<std::pair<std::string, uint64_t>> counters_snapshot() {
  std::vector<std::pair<std::string, uint64_t>> snapshot;
#define S3DLIO_READ(name) snapshot.emplace_back(#name, all_counters.name.load(std::memory_order_relaxed));
  S3DLIO_COUNTERS(S3DLIO_READ)
#undef S3DLIO_READ
  return snapshot;
}

void counters_reset() {
#define S3DLIO_RESET(name) all_counters.name.store(0, std::memory_order_relaxed);
  S3DLIO_COUNTERS(S3DLIO_RESET)
#undef S3DLIO_RESET
}

}  // namespace s3dlio
