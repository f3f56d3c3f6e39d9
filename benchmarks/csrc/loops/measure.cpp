#include "measure.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "options.h"

namespace s3dlio_bench {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

rusage usage_now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

// perf stat --control: write the command, wait for "ack\n".
void tell_perf(std::string_view command) {
  const char* descriptors = std::getenv("BENCH_PERF_CONTROL");
  int control = -1, answers = -1;
  if (descriptors == nullptr || std::sscanf(descriptors, "%d,%d", &control, &answers) != 2) return;
  std::array<char, 8> answer{};
  if (write(control, command.data(), command.size()) < 0 || read(answers, answer.data(), answer.size()) <= 0) {
    fail("perf does not answer");
  }
}

long long status_bytes(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::atoll(line.c_str() + name.size()) * 1024;
  }
  return 0;
}

// The kernel's high-water mark starts anew; gives what is resident now.
long long forget_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
  return status_bytes("VmRSS:");
}

}  // namespace

Memory::Memory(size_t size, bool ready) : data_(nullptr), size_(size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("no memory");
  data_ = static_cast<std::byte*>(memory);
  if (!ready) return;
  madvise(memory, size, MADV_HUGEPAGE);
  std::memset(memory, 0x5a, size);
}

Memory::~Memory() { munmap(data_, size_); }

Measure::Measure() : resident_bytes_(forget_peak()) {}

void Measure::start() {
  tell_perf("enable\n");
  const rusage usage = usage_now();
  user_seconds_ -= seconds_of(usage.ru_utime);
  system_seconds_ -= seconds_of(usage.ru_stime);
  begin_ = Clock::now();
}

void Measure::stop() {
  seconds_ += std::chrono::duration<double>(Clock::now() - begin_).count();
  const rusage usage = usage_now();
  user_seconds_ += seconds_of(usage.ru_utime);
  system_seconds_ += seconds_of(usage.ru_stime);
  tell_perf("disable\n");
}

void Measure::print(uint64_t bytes, uint64_t objects) const {
  std::printf(
      "{\"seconds\": %.9f, \"user_seconds\": %.6f, \"system_seconds\": %.6f, \"bytes\": %llu, \"objects\": %llu, "
      "\"peak_memory_bytes\": %lld}\n",
      seconds_, user_seconds_, system_seconds_, static_cast<unsigned long long>(bytes),
      static_cast<unsigned long long>(objects), std::max(0LL, status_bytes("VmHWM:") - resident_bytes_));
}

}  // namespace s3dlio_bench
