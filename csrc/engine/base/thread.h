// Threads of the engine: they take no signals, which belong to the program's own threads (and SIGPIPE to nobody).
#pragma once

#include <functional>
#include <thread>

namespace s3dlio {

// `name` shows in debuggers, at most 15 characters. Throws std::system_error when the system gives no more threads.
std::thread start_thread(const char* name, std::function<void()> body);

}  // namespace s3dlio
