#include "lifecycle.h"

#include <atomic>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/base/clean_up.h"
#include "engine/base/fork.h"
#include "engine/base/per_process.h"
#include "service.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;
using Clock = std::chrono::steady_clock;

struct Lifecycle {
  std::mutex mutex;
  std::unordered_map<const Cancellable*, std::weak_ptr<Cancellable>> under_way;
  size_t sweep_at = 64;
  std::atomic<bool> exiting{false};
  std::atomic<int> waiting_threads{0};
  std::thread::id exit_thread;
};

// Never destroyed: engine threads and parked threads outlive static destructors.
PerProcess<Lifecycle> current;

Lifecycle& lifecycle() { return current.get(); }

std::vector<std::shared_ptr<Cancellable>> all_under_way() {
  std::vector<std::shared_ptr<Cancellable>> all;
  std::lock_guard lock(lifecycle().mutex);
  for (const auto& [address, weak] : lifecycle().under_way) {
    if (auto work = weak.lock()) all.push_back(std::move(work));
  }
  return all;
}

// True when everything under way came to its end in time.
bool shutdown(double timeout_seconds) {
  Lifecycle& state = lifecycle();
  state.exit_thread = std::this_thread::get_id();
  state.exiting.store(true, std::memory_order_release);
  // Daemon threads that wait now will not come back, so what they hold is never given up: no leak of ours to warn of.
  if (state.waiting_threads.load() != 0) nb::set_leak_warnings(false);
  nb::gil_scoped_release unlocked;
  stop_service();
  const auto all = all_under_way();
  for (const auto& work : all) work->cancel();
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds));
  bool drained = true;
  for (const auto& work : all) {
    drained = work->wait_for(std::max(Clock::duration::zero(), deadline - Clock::now())) && drained;
  }
  return wait_for_clean_ups(std::max(Clock::duration::zero(), deadline - Clock::now())) && drained;
}

}  // namespace

void remember(const std::shared_ptr<Cancellable>& work) {
  Lifecycle& state = lifecycle();
  std::lock_guard lock(state.mutex);
  if (state.under_way.size() >= state.sweep_at) {  // amortised: each entry is looked at a constant number of times
    std::erase_if(state.under_way, [](const auto& entry) { return entry.second.expired(); });
    state.sweep_at = std::max<size_t>(64, 2 * state.under_way.size());
  }
  state.under_way[work.get()] = work;
}

WaitScope::WaitScope(bool is_service) : inner_is_service_(is_service) {
  if (!inner_is_service_) lifecycle().waiting_threads.fetch_add(1);
}

WaitScope::~WaitScope() {
  Lifecycle& state = lifecycle();
  if (state.exiting.load(std::memory_order_acquire) && std::this_thread::get_id() != state.exit_thread) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
  if (!inner_is_service_) state.waiting_threads.fetch_sub(1);
}

void bind_lifecycle(nb::module_& module) {
  module.def("shutdown", &shutdown, "timeout_seconds"_a,
             "Cancels everything under way and waits for it; called once, by atexit. True: all of it ended in time.");
  module.def("fork_generation", &fork_generation,
             "How many forks lie between the process that loaded the engine and this one.");
}

}  // namespace s3dlio::python
