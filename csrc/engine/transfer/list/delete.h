// Deletes many objects: batches as large as the service takes, several at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/object_store.h"
#include "engine/transfer/call/context.h"

namespace s3dlio::transfer {

Future<std::vector<DeleteOutcome>> delete_many(std::shared_ptr<Context> context, std::vector<std::string> keys);

// Aborts uploads below `prefix` begun more than `age` ago; gives how many.
Future<uint64_t> sweep_uploads(std::shared_ptr<Context> context, std::string prefix, std::chrono::seconds age);

}  // namespace s3dlio::transfer
