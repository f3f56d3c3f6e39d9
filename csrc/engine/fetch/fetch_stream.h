// Reads many objects ahead of their consumer, bounded in bytes and in requests: what a training loop pulls from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/object_store.h"

namespace s3dlio::fetch {

struct FetchItem {
  std::string key;
  std::optional<uint64_t> size;  // from a listing; unknown counts as 8 MiB in the window
  // Bytes [start, end) of the object; end 0: to its end.
  uint64_t start = 0;
  uint64_t end = 0;
  std::string if_match{};  // etag: kPreconditionFailed when the object has another
};
struct FetchOptions {
  uint64_t window_bytes = 256 << 20;  // at most this is fetched or waiting to be taken; one object always fits
  uint32_t window_requests = 64;
  bool in_order = true;  // false: as completed
};
struct Fetched {
  uint64_t index = 0;  // of the item
  Result<FetchedObject> object;
};

// One consumer at a time may wait; any thread may feed it and cancel. Dropping it cancels and waits until no memory is
// written to.
class FetchStream {
 public:
  virtual ~FetchStream() = default;
  // Items that follow those pushed before; started as the window has room. Nothing happens after finish() or cancel().
  virtual void push(std::vector<FetchItem> items) = 0;
  virtual void finish() = 0;  // no item follows
  // The next objects, at least one, at most `max_count`, only those already there beyond the first; an empty vector:
  // all were taken, and none follows. nullopt: nothing within `timeout`. A failed item is delivered in its place and
  // the stream goes on.
  virtual std::optional<std::vector<Fetched>> next(size_t max_count, std::chrono::nanoseconds timeout) = 0;
  virtual void cancel() = 0;
};

// To be fed with push().
std::unique_ptr<FetchStream> open_fetch_stream(std::shared_ptr<ObjectStore> store, FetchOptions options);
// Of these items and no others.
std::unique_ptr<FetchStream> open_fetch_stream(std::shared_ptr<ObjectStore> store, std::vector<FetchItem> items,
                                               FetchOptions options);

}  // namespace s3dlio::fetch
