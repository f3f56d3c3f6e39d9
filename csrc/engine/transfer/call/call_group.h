// The calls an operation has running. Not synchronised: guarded by the operation's own mutex.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/transfer/call/call.h"

namespace s3dlio::transfer {

class CallGroup {
 public:
  void add(std::shared_ptr<Call> call) { inner_calls_.push_back(std::move(call)); }
  void remove(const Call* call) {
    const auto found =
        std::find_if(inner_calls_.begin(), inner_calls_.end(), [call](const auto& each) { return each.get() == call; });
    if (found == inner_calls_.end()) return;
    std::swap(*found, inner_calls_.back());
    inner_calls_.pop_back();
  }
  size_t size() const { return inner_calls_.size(); }
  bool empty() const { return inner_calls_.empty(); }
  // Each call ends on its own loop, later; call this with or without the mutex held.
  void cancel_all() const {
    for (const auto& call : inner_calls_) call->cancel_soon();
  }

 private:
  std::vector<std::shared_ptr<Call>> inner_calls_;
};

}  // namespace s3dlio::transfer
