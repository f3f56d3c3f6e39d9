#include "engine/store/file/read_file.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "engine/stats/stats.h"
#include "engine/store/file/file_error.h"

namespace s3dlio::file {
namespace {

struct Reading {  // what has to live until the last byte is there
  ReadJob job;
  OpenObject object;
  uint64_t wanted_bytes = 0;
};

Result<FileInfo> outcome(const Reading& reading, const RunResult& run) {
  if (run.error_number == ECANCELED) return cancelled_error();
  if (run.error_number) return errno_error(run.error_number, "reading at byte " + std::to_string(run.offset));
  const Result<std::string> change = change_since(reading.object.fd.get(), reading.object.info);  // F6
  if (!change.ok()) return change.error();
  if (!change->empty()) return changed_error(*change);
  if (run.short_read) {
    return changed_error("it ended in the block at byte " + std::to_string(run.offset) +
                         ", and its size is said to be the same; those of /sys are shorter than they say");
  }
  return reading.object.info;
}

FileIo& engine_for(const Reading& reading, const BlockPlan& plan) {
  const bool direct = plan.alignment > 1;
  FileIo& io = choose_io(direct, reading.job.context->tuning.io_uring);
  if (&io != &thread_io()) {
    fcntl(reading.object.fd.get(), F_SETFL, direct ? O_DIRECT : 0);  // without O_NONBLOCK, which the ring would obey
    return io;
  }
  return is_one_batch(plan) ? inline_io() : io;
}

}  // namespace

void start_read(ReadJob job) {
  if (job.cancel && job.cancel->load(std::memory_order_relaxed)) return job.finish(cancelled_error());
  Result<OpenObject> object = open_object(*job.context, job.key, job.options);
  if (!object.ok()) return job.finish(std::move(object).error());
  auto reading = std::make_shared<Reading>(Reading{std::move(job), std::move(*object), 0});
  const OpenObject& file = reading->object;
  Result<ReadJob::Wanted> wanted = reading->job.want(file.info, file.alignment);
  if (!wanted.ok()) return reading->job.finish(std::move(wanted).error());
  for (const Extent& extent : wanted->extents) reading->wanted_bytes += extent.size;
  const FileIo& likely = choose_io(file.alignment.offset > 1, reading->job.context->tuning.io_uring);
  const Depth depth = depth_for(*reading->job.context, likely, reading->wanted_bytes);
  BlockPlan plan = plan_read(wanted->extents, file.info.size, file.alignment, depth.block_bytes, wanted->room_behind);
  FileIo& io = engine_for(*reading, plan);
  const auto is_whole = [reading] {
    const Result<std::string> change = change_since(reading->object.fd.get(), reading->object.info);
    return change.ok() && change->empty();
  };
  const bool in_one = plan.blocks.size() <= 1;
  run_blocks(io, file.fd.get(), std::move(plan), depth.lanes, reading->job.cancel,
             in_one ? std::function<bool()>() : is_whole, [reading](RunResult run) {
               Result<FileInfo> result = outcome(*reading, run);
               if (result.ok()) count(counters().bytes_received, reading->wanted_bytes);
               reading->object.fd.reset();
               reading->job.finish(std::move(result));
             });
}

}  // namespace s3dlio::file
