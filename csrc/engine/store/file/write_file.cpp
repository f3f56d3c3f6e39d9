#include "engine/store/file/write_file.h"

#include <cerrno>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/store/file/file_error.h"
#include "engine/store/file/worker_pool.h"

namespace s3dlio::file {
namespace {

struct Writing {
  WriteJob job;
  std::unique_ptr<Temporary> file;
};

void finish_write(const std::shared_ptr<Writing>& writing, const RunResult& run) {
  const uint64_t size = writing->job.data.size();
  Result<PutResult> result = cancelled_error();
  if (run.error_number && run.error_number != ECANCELED) {
    result = writing->file->error_of(run.error_number, "writing at byte " + std::to_string(run.offset), size);
  } else if (run.error_number == 0) {
    result = writing->file->commit(size);
  }
  if (result.ok()) count(counters().bytes_sent, size);
  writing->file.reset();
  writing->job.finish(std::move(result));
}

}  // namespace

FileIo& write_engine(const Context& context, const BlockPlan& plan) {
  FileIo& io = choose_io(plan.alignment > 1, context.tuning.io_uring);
  return &io == &thread_io() && is_one_batch(plan) ? inline_io() : io;
}

Depth depth_for_write(const Context& context, bool direct, uint64_t total_bytes) {
  FileIo& io = choose_io(direct, context.tuning.io_uring);
  Depth depth = depth_for(context, io, total_bytes);
  // The kernel lets one thread at a time copy into a file's page cache; others would spin until it is their turn.
  if (&io == &thread_io()) depth.lanes = 1;
  return depth;
}

void start_write(WriteJob job) {
  if (job.cancel && job.cancel->load(std::memory_order_relaxed)) return job.finish(cancelled_error());
  auto file = Temporary::create(job.context, job.key, job.options);
  if (!file.ok()) return job.finish(std::move(file).error());
  auto writing = std::make_shared<Writing>(Writing{std::move(job), std::move(*file)});
  const std::span<const std::byte> data = writing->job.data;
  if (Result<Unit> reserved = writing->file->reserve(data.size()); !reserved.ok()) {
    writing->file.reset();
    return writing->job.finish(std::move(reserved).error());
  }
  const Context& context = *writing->job.context;
  const Alignment alignment = writing->file->alignment();
  const Depth depth = depth_for_write(context, alignment.offset > 1, data.size());
  BlockPlan plan = plan_write(0, data, alignment, depth.block_bytes);
  FileIo& io = write_engine(context, plan);
  run_blocks(
      io, writing->file->fd(), std::move(plan), depth.lanes, writing->job.cancel, {}, [writing, &io](RunResult run) {
        if (&io == &inline_io()) return finish_write(writing, run);
        run_on_worker([writing, run] { finish_write(writing, run); });  // syncing blocks; the ring's thread must not
      });
}

}  // namespace s3dlio::file
