// Whether the caller of this thread wants to stop (Ctrl-C): asked now and then by a door that waits and knows no
// Python, answered by the one that does.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "engine/base/future.h"
#include "engine/process/process_end.h"

namespace s3dlio {

// True: stop. Called on threads that wait in the engine, without any lock.
using InterruptCheck = bool (*)();

void set_interrupt_check(InterruptCheck check);
bool is_interrupted();  // false where nobody set a check

// How long a wait stays in the engine before it looks for interruption.
constexpr std::chrono::milliseconds kWaitSlice{50};

// A call that the end of the process takes back.
template <class T>
class RememberedCall final : public Cancellable {
 public:
  explicit RememberedCall(Future<T> future) : inner_future_(std::move(future)) {}
  void cancel() override { inner_future_.cancel(); }
  bool wait_for(std::chrono::nanoseconds timeout) override { return inner_future_.wait_for(timeout); }

 private:
  Future<T> inner_future_;
};

// As future.wait(). When the caller wants to stop, or the process ends meanwhile, the call is taken back: the result is
// there only when nothing writes to the caller's memory any more, and kCancelled if the call lost that race. Where the
// process ends, never returns on a thread that is left behind.
template <class T>
Result<T> wait_interruptibly(Future<T> future) {
  const auto call = std::make_shared<RememberedCall<T>>(future);
  remember(call);
  while (!future.wait_for(kWaitSlice)) {
    if (is_interrupted()) future.cancel();
  }
  if (is_left_behind()) stay_outside();
  return future.wait();
}

}  // namespace s3dlio
