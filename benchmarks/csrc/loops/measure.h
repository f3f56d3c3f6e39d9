// The clock of the bare loops, and the memory they work on. Same figures as benchmarks/clients/harness.py.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace s3dlio_bench {

// Anonymous memory of huge pages where the kernel has them; ready: every page touched before the clock runs.
class Memory {
 public:
  Memory(size_t size, bool ready);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* data_;
  size_t size_;
};

// Wall clock and CPU time of this process from start() to stop(). Where BENCH_PERF_CONTROL names descriptors ("5,6"),
// perf counts system calls between the same two points.
class Measure {
 public:
  // Peak memory counts from here: construct it when the memory to work on is ready.
  Measure();
  void start();
  void stop();
  // One line of JSON on stdout.
  void print(uint64_t bytes, uint64_t objects) const;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin_{};
  long long resident_bytes_;
  double seconds_ = 0, user_seconds_ = 0, system_seconds_ = 0;
};

}  // namespace s3dlio_bench
