// Threads of the engine: they take no signals, which belong to the program's own threads (and SIGPIPE to nobody).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "engine/base/result.h"

namespace s3dlio {

// `name` shows in debuggers, at most 15 characters. Throws std::system_error when the system gives no more threads.
std::thread start_thread(const char* name, std::function<void()> body);

// What could not begin because the system gives it no thread or descriptor, as an error of the call that wanted it.
Error refused_by_system(const std::system_error& error, std::string_view operation, std::string uri);

}  // namespace s3dlio
