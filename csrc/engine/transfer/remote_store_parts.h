// A remote store over a context of one's own making: tests look at its window and budget, and give it their world.
#pragma once

#include <memory>

#include "engine/object_store.h"
#include "engine/transfer/call/context.h"

namespace s3dlio::transfer {

std::shared_ptr<ObjectStore> make_remote_store(std::shared_ptr<Context> context);

}  // namespace s3dlio::transfer
