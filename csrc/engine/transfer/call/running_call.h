// The call that an operation has running, where its calls follow each other; it can be taken back between them as well.
// Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "engine/transfer/call/call.h"

namespace s3dlio::transfer {

class RunningCall {
 public:
  // Launches `call` as the next one; after take_back() it is cancelled at once.
  void run(const std::shared_ptr<Call>& call) {
    bool taken_back = false;
    {
      std::lock_guard lock(inner_mutex_);
      inner_call_ = call;
      taken_back = inner_taken_back_;
    }
    call->launch();
    if (taken_back) call->cancel_soon();
  }
  // Lets go of the last call, which holds its operation. Whether that was taken back.
  bool release() {
    std::lock_guard lock(inner_mutex_);
    inner_call_.reset();
    return inner_taken_back_;
  }
  void take_back() {
    std::shared_ptr<Call> call;
    {
      std::lock_guard lock(inner_mutex_);
      inner_taken_back_ = true;
      call = inner_call_;
    }
    if (call) call->cancel_soon();
  }

 private:
  std::mutex inner_mutex_;
  std::shared_ptr<Call> inner_call_;
  bool inner_taken_back_ = false;
};

}  // namespace s3dlio::transfer
