#include "engine/fetch/store_handles.h"

#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "engine/process/per_process.h"

namespace s3dlio::fetch {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<uint64_t, PlacedStore> places;
};
PerProcess<Registry> registry;
std::atomic<uint64_t> last_handle{0};  // goes on in a forked child: its parent's numbers never mean its own stores

}  // namespace

uint64_t register_store(PlacedStore place) {
  const uint64_t handle = ++last_handle;
  Registry& mine = registry.get();
  std::lock_guard lock(mine.mutex);
  mine.places.emplace(handle, std::move(place));
  return handle;
}

Result<PlacedStore> find_store(uint64_t handle) {
  Registry& mine = registry.get();
  std::lock_guard lock(mine.mutex);
  const auto found = mine.places.find(handle);
  if (found != mine.places.end()) return found->second;
  return make_error(ErrorCode::kClosed, "no open store has the handle " + std::to_string(handle) +
                                            " in this process: it was closed, or opened before fork()");
}

void forget_store(uint64_t handle) {
  PlacedStore dropped;  // destroyed outside the lock
  Registry& mine = registry.get();
  std::lock_guard lock(mine.mutex);
  const auto found = mine.places.find(handle);
  if (found == mine.places.end()) return;
  dropped = std::move(found->second);
  mine.places.erase(found);
}

}  // namespace s3dlio::fetch
