// Where the ends of many calls gather, so that Python wakes up once for all of them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pending.h"

namespace s3dlio::python {

// One thread (or one asyncio loop) takes; engine threads push.
class CompletionPort {
 public:
  explicit CompletionPort(bool with_fd);
  int fileno() const;
  void add(Pending& pending, uint64_t token);
  std::vector<uint64_t> take();
  std::vector<uint64_t> wait();

 private:
  struct Queue;
  std::shared_ptr<Queue> inner_queue_;  // shared with the calls: a late end meets a queue, not freed memory
};

}  // namespace s3dlio::python
