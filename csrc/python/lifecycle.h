// What the interpreter's end and fork() mean for this door.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <memory>

namespace s3dlio::python {

namespace nb = nanobind;

// Work under way in the engine that the interpreter's end takes back.
class Cancellable {
 public:
  virtual ~Cancellable() = default;
  virtual void cancel() = 0;                                    // any thread, does not block
  virtual bool wait_for(std::chrono::nanoseconds timeout) = 0;  // true: it is over
};

// Known until its last owner lets go. Any thread.
void remember(const std::shared_ptr<Cancellable>& work);

// Releases the GIL while a thread blocks in the engine. Once the interpreter is ending, a thread other than the one
// that ends it never leaves this scope: taking the GIL then would make Python unwind C++ frames that must not be
// unwound.
class WaitScope {
 public:
  // `is_service`: the package's own thread, which holds nothing of the user's while it waits.
  explicit WaitScope(bool is_service = false);
  ~WaitScope();
  WaitScope(const WaitScope&) = delete;
  WaitScope& operator=(const WaitScope&) = delete;

 private:
  const bool inner_is_service_;
  nb::gil_scoped_release inner_unlocked_;
};

// How long a wait stays in the engine before it looks for signals.
constexpr std::chrono::milliseconds kWaitSlice{50};

void bind_lifecycle(nb::module_& module);

}  // namespace s3dlio::python
