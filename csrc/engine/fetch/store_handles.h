// Open stores under numbers, for callers that can pass nothing else: the arguments of a torch op. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/object_store.h"

namespace s3dlio::fetch {

struct PlacedStore {
  std::shared_ptr<ObjectStore> store;
  std::string prefix;  // stands before every key
};

uint64_t register_store(PlacedStore place);  // kept until it is forgotten; above 0, and no number comes twice
// kClosed: no such store, or forgotten, or registered before fork() (its threads are the parent's).
Result<PlacedStore> find_store(uint64_t handle);
void forget_store(uint64_t handle);  // harmless when there is none; calls under way go on

}  // namespace s3dlio::fetch
