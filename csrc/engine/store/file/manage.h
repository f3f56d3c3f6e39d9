// What is neither reading, writing nor listing: delete, copy, the root as a bucket, old temporaries. All of it blocks
// and runs on worker threads. Private to store/file/.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/object_store.h"
#include "engine/store/file/block_run.h"
#include "engine/store/file/context.h"

namespace s3dlio::file {

// Folders stay, also those that become empty: nobody knows who made them.
std::vector<DeleteOutcome> delete_objects(const Context& context, std::vector<std::string> keys);

// Within this store, or from another root when source_bucket is an absolute path.
Result<PutResult> copy_object(const std::shared_ptr<const Context>& context, const CopyRequest& request,
                              const PutOptions& options, const CancelFlag& cancel);

Result<Unit> create_root(const Context& context);
// Removes the root and the empty folders in it. kInvalidArgument if any file is there, whatever it is; nothing is
// removed then.
Result<Unit> delete_root(const Context& context);

// A temporary does not tell its key: those are removed that lie where keys with this prefix would be written.
Result<uint64_t> sweep_temporaries(const Context& context, const std::string& prefix, std::chrono::seconds age);

}  // namespace s3dlio::file
