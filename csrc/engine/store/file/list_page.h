// Pages of a listing. A walk that is not at its end waits for its next page, a few of them in a store; a token whose
// walk is gone (another process, too many at once) starts a new one at the same place. Private to store/file/.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/process/per_process.h"
#include "engine/store/file/list_walk.h"

namespace s3dlio::file {

class ListPages {
 public:
  ListPages() = default;
  ~ListPages() { inner_shelf_.destroy(); }
  ListPages(const ListPages&) = delete;
  ListPages& operator=(const ListPages&) = delete;

  // On a worker thread. kInvalidArgument: max_keys 0, or a token that is none of ours.
  Result<ListPage> page(const Context& context, const ListRequest& request);

 private:
  struct Waiting {
    uint64_t id = 0;
    std::unique_ptr<ListWalk> walk;
    std::optional<ListItem> held;  // taken from the walk to see whether there is more
  };
  struct Shelf {
    std::mutex mutex;
    std::list<Waiting> waiting;  // the oldest first
  };

  std::optional<Waiting> take(uint64_t id, const ListRequest& request);
  void keep(Waiting waiting);

  PerProcess<Shelf> inner_shelf_;
};

}  // namespace s3dlio::file
