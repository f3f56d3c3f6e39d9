#include <utility>

#include "engine/net/event_loop.h"
#include "engine/process/per_process.h"
#include "engine/process/thread_pool.h"

namespace s3dlio::net {
namespace {

constexpr uint32_t kMostHelpers = 16;  // a slow name server holds a thread for seconds

struct Helpers : ThreadPool {
  Helpers() : ThreadPool("s3dlio-helper") {}
};

PerProcess<Helpers> helpers;

}  // namespace

bool run_blocking(std::function<void()> work) { return helpers.get().run(std::move(work), kMostHelpers); }

}  // namespace s3dlio::net
