// One T for each process: made at first use, made anew in a forked child. The parent's is left alone there (its threads
// do not exist in the child, its mutexes may be locked for ever) and is kept only so that leak checkers see it. Never
// destroyed, so threads may use it while the process exits.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/process/fork.h"

namespace s3dlio {

template <class T>
class PerProcess {
 public:
  constexpr PerProcess() = default;
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  T& get() {
    Node* current = inner_current_.load(std::memory_order_acquire);
    const uint64_t generation = fork_generation();
    if (current && current->generation == generation) return current->value;
    auto* fresh = new Node{generation, current, {}};
    if (inner_current_.compare_exchange_strong(current, fresh, std::memory_order_acq_rel)) return fresh->value;
    delete fresh;
    return current->value;
  }

  // For one that lives in an object: when that object goes and no other thread uses this any more.
  void destroy() {
    Node* current = inner_current_.exchange(nullptr, std::memory_order_acq_rel);
    if (current && current->generation == fork_generation()) delete current;
  }

 private:
  struct Node {
    uint64_t generation;
    Node* before;
    T value;
  };
  std::atomic<Node*> inner_current_{nullptr};
};

}  // namespace s3dlio
