// What survives fork(): nothing that has threads. Everything process-wide hangs from a generation number that the child
// bumps; an object of an older generation is left alone (leaked), never locked, joined or closed politely.
#pragma once

#include <cstdint>

namespace s3dlio {

// 0 in the process that loaded the library, +1 in each child after fork. Any thread.
uint64_t fork_generation();

}  // namespace s3dlio
