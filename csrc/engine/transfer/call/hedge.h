// Which of the requests of one read lag so far behind the others that asking again elsewhere is quicker. Pure
// arithmetic.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace s3dlio::transfer {

struct Progress {
  bool under_way = false;
  std::chrono::nanoseconds elapsed{0};  // of the present attempt
  uint64_t bytes = 0;                   // by it
  uint64_t left = 0;                    // still to come
  double rate() const {
    return static_cast<double>(bytes) / std::max(1e-9, std::chrono::duration<double>(elapsed).count());
  }
};

// Indices into `running`. `finished`: bytes per second of parts that are done.
std::vector<size_t> find_stragglers(std::span<const Progress> running, std::span<const double> finished);

}  // namespace s3dlio::transfer
