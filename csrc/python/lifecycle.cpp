#include "lifecycle.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>

#include "engine/process/clean_up.h"
#include "engine/process/fork.h"
#include "engine/process/per_process.h"
#include "service.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;
using Clock = std::chrono::steady_clock;

struct Services {
  std::atomic<int> waiting{0};  // the package's own threads
};
PerProcess<Services> services;  // never destroyed: threads stay outside until the process is gone

// Of this interpreter, the calling one included.
int count_threads() {
  int count = 0;
  for (PyThreadState* thread = PyInterpreterState_ThreadHead(PyInterpreterState_Get()); thread != nullptr;
       thread = PyThreadState_Next(thread)) {
    ++count;
  }
  return count;
}

// ---- the end ----

std::terminate_handler usual_end = nullptr;

// Python ends a thread that wants the GIL back by unwinding it, through frames that promised not to throw if it was in
// Python code that C++ called. That is no reason to abort the process.
[[noreturn]] void end_of_thread() {
  if (is_left_behind() && !std::current_exception()) stay_outside();
  if (usual_end != nullptr) usual_end();
  std::abort();
}

// True when everything under way came to its end in time.
bool shutdown(double timeout_seconds) {
  static_cast<void>(begin_process_end());
  // Daemon threads will not come to their end, so what they hold is never given up: no leak of ours to warn of.
  if (count_threads() > 1 + services.get().waiting.load()) nb::set_leak_warnings(false);
  usual_end = std::set_terminate(end_of_thread);
  const Unlocked unlocked;
  const auto until =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds));
  const auto left = [&] { return std::max(Clock::duration::zero(), until - Clock::now()); };
  stop_service();
  bool in_time = wait_for_returning(left());
  in_time = cancel_all(left()) && in_time;
  return wait_for_clean_ups(left()) && in_time;
}

// ---- signals ----

// Hands an exception that a signal's handler raised to the main thread, where Python raises it at its next step.
int raise_there(void* held) {
  const std::unique_ptr<nb::python_error> error(static_cast<nb::python_error*>(held));
  error->restore();
  return -1;
}

// For doors that know no Python; called on threads that hold no GIL, or do.
bool has_signal() {
  const Returning returning;
  const nb::gil_scoped_acquire locked;
  if (PyErr_CheckSignals() == 0) return false;
  auto raised = std::make_unique<nb::python_error>();
  if (Py_AddPendingCall(raise_there, raised.get()) == 0) {
    static_cast<void>(raised.release());  // NOLINT(bugprone-unused-return-value): raise_there() owns it now
  } else {                                // the queue is full: at least the signal itself is not lost
    PyErr_SetInterrupt();
  }
  return true;
}

}  // namespace

Unlocked::Unlocked(bool is_service) : inner_is_service_(is_service), inner_thread_(PyEval_SaveThread()) {
  if (inner_is_service_) services.get().waiting.fetch_add(1);
}

Unlocked::~Unlocked() {
  const Returning returning;
  if (inner_is_service_) services.get().waiting.fetch_sub(1);
  PyEval_RestoreThread(inner_thread_);
}

void bind_lifecycle(nb::module_& module) {
  set_interrupt_check(has_signal);
  module.def("shutdown", &shutdown, "timeout_seconds"_a,
             "Cancels everything under way and waits for it; called once, by atexit. True: all of it ended in time.");
  module.def("fork_generation", &fork_generation,
             "How many forks lie between the process that loaded the engine and this one.");
}

}  // namespace s3dlio::python
