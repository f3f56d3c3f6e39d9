#include "engine/store/file/block_run.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/memory/buffer.h"
#include "engine/stats/stats.h"

namespace s3dlio::file {
namespace {

// Small blocks travel together: the change of thread costs more than reading them.
constexpr size_t kBatchBytes = size_t{1} << 20, kBatchBlocks = 32;

class BlockRun : public std::enable_shared_from_this<BlockRun> {
 public:
  BlockRun(FileIo& io, int fd, BlockPlan plan, CancelFlag cancel, std::function<bool()> may_go_on,
           std::function<void(RunResult)> done)
      : inner_io_(io),
        inner_fd_(fd),
        inner_plan_(std::move(plan)),
        inner_cancel_(std::move(cancel)),
        inner_may_go_on_(std::move(may_go_on)),
        inner_done_(std::move(done)) {}

  void start(uint32_t lanes) {
    inner_lanes_ = std::max(lanes, 1u);
    for (uint32_t i = inner_lanes_; i > 0; --i) go_on();  // the count falls only as lanes end
  }

 private:
  struct Batch {
    std::atomic<size_t> open;
    std::vector<Buffer> bounces;
  };

  // The next batch of this lane; the last lane to find none tells that all is done.
  void go_on() {
    const auto [first, last] = claim();
    if (first == last) {
      if (inner_lanes_.fetch_sub(1, std::memory_order_acq_rel) == 1) inner_done_(inner_result_);
      return;
    }
    if (first > 0 && inner_may_go_on_ && !inner_may_go_on_()) {
      fail({0, true, inner_plan_.blocks[first].offset});
      return go_on();
    }
    auto batch = std::make_shared<Batch>();
    batch->open = last - first;
    std::vector<IoRequest> requests;
    requests.reserve(last - first);
    for (size_t i = first; i < last; ++i) requests.push_back(request_for(inner_plan_.blocks[i], batch));
    if (std::any_of(requests.begin(), requests.end(), [](const IoRequest& request) { return !request.data; })) {
      fail({ENOMEM, false, inner_plan_.blocks[first].offset});  // no memory for a bounce
      return go_on();
    }
    inner_io_.submit(std::move(requests));
  }

  std::pair<size_t, size_t> claim() {
    std::lock_guard lock(inner_mutex_);
    if (inner_cancel_ && inner_cancel_->load(std::memory_order_relaxed) && !inner_failed_) {
      inner_failed_ = inner_next_ < inner_plan_.blocks.size();
      if (inner_failed_) inner_result_ = {ECANCELED, false, 0};
    }
    const size_t first = inner_next_, count = inner_plan_.blocks.size();
    if (inner_failed_) return {first, first};
    size_t bytes = 0;
    while (inner_next_ < count && inner_next_ - first < kBatchBlocks &&
           (inner_next_ == first || bytes + inner_plan_.blocks[inner_next_].size <= kBatchBytes)) {
      bytes += inner_plan_.blocks[inner_next_++].size;
    }
    return {first, inner_next_};
  }

  IoRequest request_for(const Block& block, const std::shared_ptr<Batch>& batch) {
    IoRequest request;
    request.fd = inner_fd_;
    request.is_write = inner_plan_.is_write;
    request.offset = block.offset;
    request.size = block.size;
    request.enough = block.enough;
    request.alignment = inner_plan_.alignment;
    request.data = block.data ? block.data : bounce_for(block, *batch);
    count_request();
    request.done = [self = shared_from_this(), batch, &block, data = request.data](int64_t moved) {
      self->on_moved(block, data, moved, batch);
    };
    return request;
  }

  std::byte* bounce_for(const Block& block, Batch& batch) {
    Result<Buffer> bounce = BufferPool::instance().allocate(block.size);
    if (!bounce.ok()) return nullptr;
    std::byte* const data = bounce->data();
    if (inner_plan_.is_write) {
      const Extent& extent = inner_plan_.extents[block.first_extent];
      std::memcpy(data, extent.data, extent.size);
      std::memset(data + extent.size, 0, block.size - extent.size);
      count_bounced(extent.size);
    }
    batch.bounces.push_back(std::move(*bounce));
    return data;
  }

  void on_moved(const Block& block, std::byte* data, int64_t moved, const std::shared_ptr<Batch>& batch) {
    if (moved == -EINVAL && inner_plan_.alignment > 1 && make_buffered()) {
      std::vector<IoRequest> again(1);
      again[0] = {inner_fd_, inner_plan_.is_write, block.offset, data, block.size, block.enough, 1, {}};
      again[0].done = [self = shared_from_this(), batch, &block, data](int64_t result) {
        self->settle(block, data, result, batch);
      };
      return thread_io().submit(std::move(again));
    }
    settle(block, data, moved, batch);
  }

  void settle(const Block& block, std::byte* data, int64_t moved, const std::shared_ptr<Batch>& batch) {
    if (moved < 0) {
      fail({static_cast<int>(-moved), false, block.offset});
    } else if (static_cast<size_t>(moved) < block.enough) {
      fail({0, true, block.offset});
    } else if (!block.data && !inner_plan_.is_write) {
      copy_out(block, data);
    }
    if (batch->open.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      batch->bounces.clear();
      go_on();
    }
  }

  void copy_out(const Block& block, const std::byte* bounce) {
    for (uint32_t i = 0; i < block.extent_count; ++i) {
      const Extent& extent = inner_plan_.extents[block.first_extent + i];
      std::memcpy(extent.data, bounce + (extent.offset - block.offset), extent.size);
      count_bounced(extent.size);
    }
  }

  // The file system took O_DIRECT at open and refuses it now. False when it had been made buffered before this call
  // failed in the same way twice; several blocks in flight may each come here once.
  bool make_buffered() {
    const int flags = fcntl(inner_fd_, F_GETFL);
    if (flags < 0) return false;
    if (flags & O_DIRECT) {
      if (fcntl(inner_fd_, F_SETFL, flags & ~O_DIRECT) != 0) return false;
      count(counters().direct_fallbacks);
    }
    return true;
  }

  void fail(RunResult result) {
    std::lock_guard lock(inner_mutex_);
    if (!inner_failed_) inner_result_ = result;
    inner_failed_ = true;
  }

  void count_request() const {
    const bool direct = inner_plan_.alignment > 1;
    Counters& all = counters();
    if (inner_plan_.is_write) {
      count(all.file_writes);
      if (direct) count(all.direct_writes);
    } else {
      count(all.file_reads);
      if (direct) count(all.direct_reads);
    }
  }
  static void count_bounced(size_t bytes) {
    count(counters().direct_bounce_bytes, bytes);
    count(counters().bytes_copied, bytes);
  }

  FileIo& inner_io_;
  const int inner_fd_;
  const BlockPlan inner_plan_;
  const CancelFlag inner_cancel_;
  const std::function<bool()> inner_may_go_on_;
  const std::function<void(RunResult)> inner_done_;
  std::atomic<uint32_t> inner_lanes_{0};
  std::mutex inner_mutex_;  // guards what follows
  size_t inner_next_ = 0;
  bool inner_failed_ = false;
  RunResult inner_result_;
};

}  // namespace

bool is_one_batch(const BlockPlan& plan) {
  size_t bytes = 0;
  for (const Block& block : plan.blocks) bytes += block.size;
  return plan.blocks.size() <= 1 ? bytes <= 2 * kBatchBytes
                                 : plan.blocks.size() <= kBatchBlocks && bytes <= kBatchBytes;
}

void run_blocks(FileIo& io, int fd, BlockPlan plan, uint32_t lanes, CancelFlag cancel, std::function<bool()> go_on,
                std::function<void(RunResult)> done) {
  const size_t blocks = plan.blocks.size();
  std::make_shared<BlockRun>(io, fd, std::move(plan), std::move(cancel), std::move(go_on), std::move(done))
      ->start(static_cast<uint32_t>(std::clamp<size_t>(blocks, 1, lanes)));
}

}  // namespace s3dlio::file
