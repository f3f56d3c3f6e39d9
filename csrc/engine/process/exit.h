// The end of a process in which no interpreter sees to it.
#pragma once

#include <chrono>

namespace s3dlio {

// Takes back everything under way and waits for it and for what is left to clean up. True: all of it ended in time. The
// first call in a process counts, or what an interpreter's door did before it: after that it gives true at once.
bool end_process(std::chrono::nanoseconds timeout);

// exit() calls end_process() from here on, with five seconds, as the Python door does. Any thread, as often as one
// likes.
void end_process_at_exit();

}  // namespace s3dlio
