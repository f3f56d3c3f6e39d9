#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "engine/memory/buffer.h"
#include "engine/stats/stats.h"
#include "engine/store/file/file_error.h"
#include "engine/store/file/file_io.h"
#include "engine/store/file/file_syscalls.h"
#include "engine/store/file/manage.h"
#include "engine/store/file/open_object.h"
#include "engine/store/file/temporary.h"

namespace s3dlio::file {
namespace {

// Between two looks at the cancel flag.
constexpr uint64_t kStep = uint64_t{64} << 20;
constexpr size_t kCopyBuffer = size_t{4} << 20;

bool is_cancelled(const CancelFlag& cancel) { return cancel && cancel->load(std::memory_order_relaxed); }

// Bytes the kernel copied by itself, or -errno. Short at the end of the source.
int64_t copy_in_kernel(int from, int to, uint64_t size, const CancelFlag& cancel) {
  off_t from_offset = 0, to_offset = 0;
  while (static_cast<uint64_t>(from_offset) < size && !is_cancelled(cancel)) {
    const uint64_t step = std::min(size - static_cast<uint64_t>(from_offset), kStep);
    const ssize_t copied = syscalls().copy_file_range(from, &from_offset, to, &to_offset, static_cast<size_t>(step), 0);
    if (copied < 0 && errno != EINTR) return -errno;
    if (copied == 0) break;
  }
  return from_offset;
}

int64_t move_fully(bool is_write, int fd, uint64_t offset, std::byte* data, size_t size) {
  int64_t result = 0;
  std::vector<IoRequest> one(1);
  one[0] = {fd, is_write, offset, data, size, size, 1, [&](int64_t moved) { result = moved; }};
  inline_io().submit(std::move(one));
  return result;
}

int64_t copy_through_memory(int from, int to, uint64_t size, const CancelFlag& cancel) {
  Result<Buffer> buffer = BufferPool::instance().allocate(kCopyBuffer);
  if (!buffer.ok()) return -ENOMEM;
  uint64_t done = 0;
  while (done < size && !is_cancelled(cancel)) {
    const auto step = static_cast<size_t>(std::min<uint64_t>(size - done, kCopyBuffer));
    const int64_t got = move_fully(false, from, done, buffer->data(), step);
    if (got <= 0) return got < 0 ? got : static_cast<int64_t>(done);
    const int64_t put = move_fully(true, to, done, buffer->data(), static_cast<size_t>(got));
    if (put < 0) return put;
    count(counters().bytes_copied, static_cast<uint64_t>(put));
    done += static_cast<uint64_t>(put);
  }
  return static_cast<int64_t>(done);
}

bool kernel_cannot(int64_t result) {
  return result == -EXDEV || result == -EINVAL || result == -ENOSYS || result == -EOPNOTSUPP || result == -EPERM ||
         result == -ETXTBSY;
}

Context buffered(const Context& context, const std::string& source_root) {
  Context other = context;
  other.direct = false;
  if (!source_root.empty()) other.root = source_root;
  while (other.root.ends_with('/')) other.root.pop_back();
  return other;
}

}  // namespace

Result<PutResult> copy_object(const std::shared_ptr<const Context>& context, const CopyRequest& request,
                              const PutOptions& options, const CancelFlag& cancel) {
  if (!request.source_bucket.empty() && !request.source_bucket.starts_with('/')) {
    return make_error(
        ErrorCode::kInvalidArgument,
        "the source of a copy between file stores is an absolute folder, not \"" + request.source_bucket + "\"");
  }
  GetOptions source_options;
  source_options.version_id = request.source_version_id;
  source_options.if_match = request.source_if_match;
  Result<OpenObject> source =
      open_object(buffered(*context, request.source_bucket), request.source_key, source_options);
  if (!source.ok()) {
    source.error().message = "the source \"" + request.source_key + "\": " + source.error().message;
    return std::move(source).error();
  }
  auto target_context = std::make_shared<const Context>(buffered(*context, ""));
  Result<std::unique_ptr<Temporary>> target = Temporary::create(target_context, request.key, options);
  if (!target.ok()) return std::move(target).error();
  const uint64_t size = source->info.size;
  const int from = source->fd.get(), to = (*target)->fd();
  int64_t copied = copy_in_kernel(from, to, size, cancel);
  if (kernel_cannot(copied)) copied = copy_through_memory(from, to, size, cancel);
  if (is_cancelled(cancel)) return cancelled_error();
  if (copied < 0) return (*target)->error_of(static_cast<int>(-copied), "copying", size);
  const Result<std::string> change = change_since(from, source->info);
  if (!change.ok()) return change.error();
  if (!change->empty()) return changed_error(*change);
  if (static_cast<uint64_t>(copied) != size) return changed_error("it ended at byte " + std::to_string(copied));
  return (*target)->commit(size);
}

}  // namespace s3dlio::file
