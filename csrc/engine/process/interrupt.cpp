#include "engine/process/interrupt.h"

#include <atomic>

namespace s3dlio {
namespace {

std::atomic<InterruptCheck> check_of_door{nullptr};

}  // namespace

void set_interrupt_check(InterruptCheck check) { check_of_door.store(check, std::memory_order_release); }

bool is_interrupted() {
  const InterruptCheck check = check_of_door.load(std::memory_order_acquire);
  return check != nullptr && check();
}

}  // namespace s3dlio
