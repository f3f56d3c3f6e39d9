#include "engine/process/process_end.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/process/per_process.h"

namespace s3dlio {
namespace {

using Clock = std::chrono::steady_clock;

struct Process {
  std::mutex mutex;
  std::unordered_map<const Cancellable*, std::weak_ptr<Cancellable>> under_way;
  size_t sweep_at = 64;
  std::atomic<bool> begun{false};
  std::atomic<bool> ending{false};
  std::thread::id ending_thread;
  std::atomic<int> returning{0};
};

// Never destroyed: engine threads and threads that stay outside outlive static destructors.
PerProcess<Process> current;

std::vector<std::shared_ptr<Cancellable>> all_under_way() {
  std::vector<std::shared_ptr<Cancellable>> all;
  Process& process = current.get();
  std::lock_guard lock(process.mutex);
  for (const auto& [address, weak] : process.under_way) {
    if (auto work = weak.lock()) all.push_back(std::move(work));
  }
  return all;
}

Clock::time_point after(std::chrono::nanoseconds timeout) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout);
}

}  // namespace

void remember(const std::shared_ptr<Cancellable>& work) {
  Process& process = current.get();
  std::lock_guard lock(process.mutex);
  if (process.under_way.size() >= process.sweep_at) {  // amortised: each entry is looked at a constant number of times
    std::erase_if(process.under_way, [](const auto& entry) { return entry.second.expired(); });
    process.sweep_at = std::max<size_t>(64, 2 * process.under_way.size());
  }
  process.under_way[work.get()] = work;
}

bool cancel_all(std::chrono::nanoseconds timeout) {
  const auto until = after(timeout);
  const auto all = all_under_way();
  for (const auto& work : all) work->cancel();
  bool over = true;
  for (const auto& work : all) {
    over = work->wait_for(std::max(Clock::duration::zero(), until - Clock::now())) && over;
  }
  return over;
}

bool begin_process_end() {
  Process& process = current.get();
  if (process.begun.exchange(true)) return false;
  process.ending_thread = std::this_thread::get_id();
  process.ending.store(true, std::memory_order_seq_cst);
  return true;
}

bool is_left_behind() {
  const Process& process = current.get();
  return process.ending.load(std::memory_order_seq_cst) && std::this_thread::get_id() != process.ending_thread;
}

void stay_outside() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Counted before it looks, as the one that ends the process sets the flag before it looks at the count: one of them
// sees the other.
Returning::Returning() {
  Process& process = current.get();
  process.returning.fetch_add(1, std::memory_order_seq_cst);
  if (!is_left_behind()) return;
  process.returning.fetch_sub(1, std::memory_order_seq_cst);
  stay_outside();
}

Returning::~Returning() { current.get().returning.fetch_sub(1, std::memory_order_seq_cst); }

bool wait_for_returning(std::chrono::nanoseconds timeout) {
  const auto until = after(timeout);
  while (current.get().returning.load(std::memory_order_seq_cst) != 0) {
    if (Clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace s3dlio
