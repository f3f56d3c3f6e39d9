// Threads that make blocking file calls, shared by all file stores of the process; started when there is work, anew
// after fork. Tasks must not wait for each other. Private to store/file/.
#pragma once

#include <cstdint>
#include <functional>

namespace s3dlio::file {

// Any thread; tasks start in order. Where the system gives no thread at all, `task` is done before this returns.
void run_on_worker(std::function<void()> task);
// At least `count` threads may run from now on: the largest Tuning::file_threads of all stores decides.
void allow_workers(uint32_t count);

}  // namespace s3dlio::file
