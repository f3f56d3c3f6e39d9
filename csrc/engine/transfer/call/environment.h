// What the transfer layer takes from the world around it; tests give it a manual loop, a virtual clock and known dice.
#pragma once

#include <chrono>
#include <functional>

#include "engine/net/event_loop.h"

namespace s3dlio::transfer {

// Every function may be called from any thread.
struct Environment {
  // Once it has succeeded, next_loop() has one to give. kIo: there is no thread to be had.
  std::function<Result<Unit>()> start;
  std::function<net::EventLoop&()> next_loop;  // where the next call lives
  std::function<std::chrono::system_clock::time_point()> wall_now;
  std::function<double()> random;                           // [0, 1)
  std::function<bool(std::function<void()>)> run_blocking;  // false: no thread, the work is dropped

  static Environment real();
};

}  // namespace s3dlio::transfer
