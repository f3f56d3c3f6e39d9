// The one object of a kind in this process. A forked child makes its own: the parent's copy, whose locks may be held
// and whose threads do not exist, is left alone.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/fork.h"

namespace s3dlio::net {

// Never destroyed: threads may still use it while the process ends. T's constructor must start nothing (a loser of the
// race to be first is deleted at once).
template <class T>
class PerProcess {
 public:
  T& get() {
    const uint64_t generation = fork_generation();
    Slot* slot = slot_.load(std::memory_order_acquire);
    while (slot == nullptr || slot->generation != generation) {
      Slot* fresh = new Slot{generation, {}};
      if (slot_.compare_exchange_strong(slot, fresh, std::memory_order_acq_rel)) {
        slot = fresh;
      } else {
        delete fresh;
      }
    }
    return slot->value;
  }

 private:
  struct Slot {
    uint64_t generation;
    T value;
  };
  std::atomic<Slot*> slot_{nullptr};
};

}  // namespace s3dlio::net
