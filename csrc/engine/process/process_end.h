// What the end of the process means for what is under way and for threads that are inside a door. A door's threads run
// without the interpreter's lock and take it again when they are done; while the interpreter ends, taking it would end
// the thread in the middle of C++ frames, and with it the process. So such a thread stays outside for ever instead.
// All of it is per process: a forked child begins with nothing under way.
#pragma once

#include <chrono>
#include <memory>

namespace s3dlio {

// Work under way that the end of the process takes back.
class Cancellable {
 public:
  virtual ~Cancellable() = default;
  virtual void cancel() = 0;                                    // any thread, does not block
  virtual bool wait_for(std::chrono::nanoseconds timeout) = 0;  // true: it is over
};

// Known until its last owner lets go. Any thread.
void remember(const std::shared_ptr<Cancellable>& work);
// Asks everything that is remembered to stop, and waits for it. True: all of it ended in time.
bool cancel_all(std::chrono::nanoseconds timeout);

// This thread ends the process from here on; lasting. False: another door began to already.
bool begin_process_end();
// True on every thread but the one that ends the process.
bool is_left_behind();
// Never returns.
[[noreturn]] void stay_outside();

// Held by a thread while it takes the interpreter's lock again. Never comes out of the constructor where the process is
// ending on another thread.
class Returning {
 public:
  Returning();
  ~Returning();
  Returning(const Returning&) = delete;
  Returning& operator=(const Returning&) = delete;
};
// Waits until no thread is returning; after begin_process_end() none begins to. False after `timeout`.
bool wait_for_returning(std::chrono::nanoseconds timeout);

}  // namespace s3dlio
