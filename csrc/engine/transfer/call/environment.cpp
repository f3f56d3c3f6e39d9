#include "engine/transfer/call/environment.h"

#include <random>

namespace s3dlio::transfer {
namespace {

double random_unit() {
  thread_local std::minstd_rand dice(std::random_device{}());
  return std::uniform_real_distribution<double>(0.0, 1.0)(dice);
}

}  // namespace

Environment Environment::real() {
  Environment environment;
  environment.start = [] { return net::LoopGroup::instance().start(); };
  environment.next_loop = []() -> net::EventLoop& { return net::LoopGroup::instance().next(); };
  environment.wall_now = [] { return std::chrono::system_clock::now(); };
  environment.random = random_unit;
  environment.run_blocking = [](std::function<void()> work) { return net::run_blocking(std::move(work)); };
  return environment;
}

}  // namespace s3dlio::transfer
