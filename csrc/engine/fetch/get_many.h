// Reads many objects, or ranges of them, each to its own place in the caller's memory: a batch of samples in one call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/fetch/fetch_stream.h"
#include "engine/object_store.h"

namespace s3dlio::fetch {

struct ReadItem {
  FetchItem what;
  std::span<std::byte> out;  // as large as what is read, to the byte
};

// Any store. At most `window_requests` items are asked for at once; ranges of one object share a call, and requests
// where they are near. Gives the bytes read of each item, in the caller's order. The first failure takes the others
// back and is the result once nothing writes to any `out`; so does a cancel. Errors: those of get_into,
// kPreconditionFailed (what is stored is shorter or longer than `out`), kInvalidArgument
// (`out` is not as large as the range).
Future<std::vector<uint64_t>> get_many_into(std::shared_ptr<ObjectStore> store, std::vector<ReadItem> items,
                                            uint32_t window_requests);

}  // namespace s3dlio::fetch
