#include "engine/process/thread.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace s3dlio {
namespace {

// A new thread inherits the mask of the one that starts it; blocking here leaves no moment in which it could be hit.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

std::thread start_thread(const char* name, std::function<void()> body) {
  const AllSignalsBlocked blocked;
  std::thread thread(std::move(body));
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

Error refused_by_system(const std::system_error& error, std::string_view operation, std::string uri) {
  Error refused = make_error(ErrorCode::kIo, std::string("the system refuses a thread or a descriptor: ") +
                                                 error.what() + "; see the limits of the process (ulimit -a)");
  refused.operation = operation;
  refused.uri = std::move(uri);
  return refused;
}

}  // namespace s3dlio
