#include "engine/store/file/file_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "engine/base/log.h"
#include "engine/memory/size_class.h"
#include "engine/stats/stats.h"
#include "engine/store/file/context.h"
#include "engine/store/file/file_error.h"
#include "engine/store/file/file_syscalls.h"
#include "engine/store/file/file_writer.h"
#include "engine/store/file/list_page.h"
#include "engine/store/file/manage.h"
#include "engine/store/file/read_file.h"
#include "engine/store/file/worker_pool.h"
#include "engine/store/file/write_file.h"

namespace s3dlio::file {
namespace {

Error past_end(uint64_t start, uint64_t size) {
  return make_error(ErrorCode::kRangeNotSatisfiable, "the range starts at byte " + std::to_string(start) +
                                                         ", the object has " + std::to_string(size) + " bytes");
}

// One call on its way: names the operation in its errors, hears of cancellation, and is answered whatever happens.
template <class T>
struct Call {
  Promise<T> promise;
  CancelFlag cancel = std::make_shared<std::atomic<bool>>(false);
  std::string operation, uri;

  Call(std::string operation_name, std::string of_uri) : operation(std::move(operation_name)), uri(std::move(of_uri)) {
    promise.on_cancel([cancel = cancel] { cancel->store(true, std::memory_order_relaxed); });
  }

  Error place(Error error) const {
    error.operation = operation;
    error.uri = uri;
    error.message = redact(error.message);
    return error;
  }
  void set(Result<T> result) const { promise.set(result.ok() ? std::move(result) : place(std::move(result).error())); }

  // Runs `work` on a worker thread; `work` itself sees to it that set() is called.
  template <class Work>
  Future<T> start(Work work) const {
    run_on_worker([call = *this, work = std::move(work)]() mutable {
      try {
        if (call.cancel->load(std::memory_order_relaxed)) return call.set(cancelled_error());
        work(call);
      } catch (const std::bad_alloc&) {
        call.set(make_error(ErrorCode::kNoSpace, "the system has no memory left"));
      } catch (const std::exception& failure) {
        call.set(make_error(ErrorCode::kInternal, failure.what()));
      }
    });
    return promise.future();
  }
};

// A range into memory of ours. With O_DIRECT the memory begins where the aligned block does, so that nothing is copied.
struct OwnRange {
  uint64_t start = 0;
  std::optional<uint64_t> end;
  Buffer data;

  Result<ReadJob::Wanted> want(const FileInfo& info, Alignment alignment) {
    if (start > 0 && start >= info.size) return past_end(start, info.size);
    const uint64_t stop = std::min(end.value_or(info.size), info.size);
    const uint64_t lead = start % alignment.offset;
    const uint64_t covered = stop - start + lead;
    const uint64_t room = memory::round_up(covered, alignment.offset) - covered;
    Result<Buffer> buffer = BufferPool::instance().allocate(covered + room);
    if (!buffer.ok()) return std::move(buffer).error();
    ReadJob::Wanted wanted;
    wanted.room_behind = room;
    if (covered > 0) wanted.extents.push_back({start - lead, buffer->data(), covered});
    data = stop > start ? buffer->slice(lead, stop - start) : Buffer();
    return wanted;
  }
};

class FileStore : public ObjectStore {
 public:
  explicit FileStore(Context context) : inner_context_(std::make_shared<const Context>(std::move(context))) {
    allow_workers(inner_context_->tuning.file_threads);
    // Made here rather than at first use: a fork in the middle of that would leave the child waiting for it for ever.
    static_cast<void>(thread_io());
    static_cast<void>(inline_io());
    static_cast<void>(syscalls());
  }

  Future<FetchedObject> get(std::string key, GetOptions options) override {
    return read_own("get", std::move(key), 0, std::nullopt, std::move(options));
  }

  Future<FetchedObject> get_range(std::string key, uint64_t start, std::optional<uint64_t> end,
                                  GetOptions options) override {
    if (end && *end <= start) {
      const Call<FetchedObject> call("get_range", uri_of(key));
      call.set(make_error(ErrorCode::kInvalidArgument, "the range [" + std::to_string(start) + ", " +
                                                           std::to_string(*end) + ") is empty or runs backwards"));
      return call.promise.future();
    }
    return read_own("get_range", std::move(key), start, end, std::move(options));
  }

  Future<ReadResult> get_into(std::string key, uint64_t offset, std::span<std::byte> out, GetOptions options) override {
    const Call<ReadResult> call("get_into", uri_of(key));
    return call.start([context = inner_context_, key = std::move(key), offset, out,
                       options = std::move(options)](const Call<ReadResult>& mine) {
      auto read = std::make_shared<uint64_t>(0);
      const auto want = [offset, out, read](const FileInfo& info, Alignment) -> Result<ReadJob::Wanted> {
        if (offset > 0 && offset >= info.size) return past_end(offset, info.size);
        *read = std::min<uint64_t>(out.size(), info.size - offset);
        ReadJob::Wanted wanted;
        if (*read > 0) wanted.extents.push_back({offset, out.data(), static_cast<size_t>(*read)});
        return wanted;
      };
      start_read({context, key, options, mine.cancel, want, [mine, read](Result<FileInfo> info) {
                    if (!info.ok()) return mine.set(std::move(info).error());
                    mine.set(ReadResult{*read, info->size, info->etag()});
                  }});
    });
  }

  Future<RangesResult> get_ranges(std::string key, std::vector<RangeInto> ranges, GetOptions options) override {
    const Call<RangesResult> call("get_ranges", uri_of(key));
    return call.start([context = inner_context_, key = std::move(key), ranges = std::move(ranges),
                       options = std::move(options)](const Call<RangesResult>& mine) {
      auto read = std::make_shared<std::vector<uint64_t>>(ranges.size(), 0);
      const auto want = [&ranges, read](const FileInfo& info, Alignment) -> Result<ReadJob::Wanted> {
        ReadJob::Wanted wanted;
        for (size_t i = 0; i < ranges.size(); ++i) {
          const RangeInto& range = ranges[i];
          if (range.out.empty()) continue;  // asks for nothing, wherever it stands
          if (range.offset > 0 && range.offset >= info.size) return past_end(range.offset, info.size);
          (*read)[i] = std::min<uint64_t>(range.out.size(), info.size - range.offset);
          if ((*read)[i] > 0) {
            wanted.extents.push_back({range.offset, range.out.data(), static_cast<size_t>((*read)[i])});
          }
        }
        return wanted;
      };
      start_read({context, key, options, mine.cancel, want, [mine, read](Result<FileInfo> info) {
                    if (!info.ok()) return mine.set(std::move(info).error());
                    mine.set(RangesResult{std::move(*read), info->size, info->etag()});
                  }});
    });
  }

  Future<PutResult> put(std::string key, std::span<const std::byte> data, PutOptions options) override {
    const Call<PutResult> call("put", uri_of(key));
    return call.start([context = inner_context_, key = std::move(key), data,
                       options = std::move(options)](const Call<PutResult>& mine) {
      start_write({context, key, data, options, mine.cancel,
                   [mine](Result<PutResult> result) { mine.set(std::move(result)); }});
    });
  }

  Result<std::unique_ptr<ObjectWriter>> open_writer(std::string key, PutOptions options) override {
    const Call<Unit> call("open_writer", uri_of(key));
    return open_file_writer(inner_context_, std::move(key), std::move(options),
                            [call](Error error) { return call.place(std::move(error)); });
  }

  Future<ObjectMeta> head(std::string key, std::string version_id) override {
    return answer<ObjectMeta>(
        "head", uri_of(key), [context = inner_context_, key, version_id = std::move(version_id)](const CancelFlag&) {
          if (!version_id.empty()) {
            return Result<ObjectMeta>(make_error(ErrorCode::kUnsupported, "file stores keep no versions"));
          }
          return head_object(*context, key);
        });
  }

  Future<ListPage> list_page(ListRequest request) override {
    return answer<ListPage>("list", uri_of(request.prefix),
                            [context = inner_context_, pages = inner_pages_, request](const CancelFlag&) {
                              return pages->page(*context, request);
                            });
  }

  Future<std::vector<DeleteOutcome>> delete_many(std::vector<std::string> keys) override {
    using Outcomes = std::vector<DeleteOutcome>;
    return answer<Outcomes>("delete", uri_of(""),
                            [context = inner_context_, keys = std::move(keys),
                             self_uri = uri_of("")](const CancelFlag&) -> Result<Outcomes> {
                              Outcomes outcomes = delete_objects(*context, keys);
                              for (DeleteOutcome& outcome : outcomes) {
                                if (!outcome.error) continue;
                                outcome.error->operation = "delete";
                                outcome.error->uri = self_uri + outcome.key;
                              }
                              return outcomes;
                            });
  }

  Future<PutResult> copy(CopyRequest request, PutOptions options) override {
    return answer<PutResult>("copy", uri_of(request.key),
                             [context = inner_context_, request, options = std::move(options)](
                                 const CancelFlag& cancel) { return copy_object(context, request, options, cancel); });
  }

  Future<Unit> create_bucket() override {
    return answer<Unit>("create_bucket", uri_of(""),
                        [context = inner_context_](const CancelFlag&) { return create_root(*context); });
  }

  Future<Unit> delete_bucket() override {
    return answer<Unit>("delete_bucket", uri_of(""),
                        [context = inner_context_](const CancelFlag&) { return delete_root(*context); });
  }

  Future<std::vector<BucketInfo>> list_buckets() override {
    const Call<std::vector<BucketInfo>> call("list_buckets", uri_of(""));
    call.set(make_error(ErrorCode::kUnsupported, "file stores have no buckets: the root folder is the only one"));
    return call.promise.future();
  }

  Future<uint64_t> sweep_uploads(std::string prefix, std::chrono::seconds age) override {
    return answer<uint64_t>("sweep_uploads", uri_of(prefix),
                            [context = inner_context_, prefix, age](const CancelFlag&) {
                              return sweep_temporaries(*context, prefix, age);
                            });
  }

  std::string uri_of(const std::string& key) const override {
    return inner_context_->scheme + "://" + inner_context_->root + "/" + key;
  }

 private:
  template <class T, class Work>
  static Future<T> answer(std::string operation, std::string uri, Work work) {
    return Call<T>(std::move(operation), std::move(uri)).start([work = std::move(work)](const Call<T>& mine) {
      mine.set(work(mine.cancel));
    });
  }

  Future<FetchedObject> read_own(const char* operation, std::string key, uint64_t start, std::optional<uint64_t> end,
                                 GetOptions options) {
    const Call<FetchedObject> call(operation, uri_of(key));
    return call.start([context = inner_context_, key = std::move(key), start, end,
                       options = std::move(options)](const Call<FetchedObject>& mine) {
      auto own = std::make_shared<OwnRange>(OwnRange{start, end, {}});
      start_read({context, key, options, mine.cancel,
                  [own](const FileInfo& info, Alignment alignment) { return own->want(info, alignment); },
                  [mine, own, key](Result<FileInfo> info) {
                    if (!info.ok()) return mine.set(std::move(info).error());
                    mine.set(FetchedObject{std::move(own->data), meta_of(key, *info)});
                  }});
    });
  }

  const std::shared_ptr<const Context> inner_context_;
  const std::shared_ptr<ListPages> inner_pages_ = std::make_shared<ListPages>();
};

}  // namespace

Result<std::shared_ptr<ObjectStore>> open_file(FileOptions options, Tuning tuning) {
  const auto refuse = [&](ErrorCode code, const std::string& why) {
    Error error = make_error(code, redact("the root \"" + options.root + "\" " + why));
    error.operation = "open";
    error.uri = redact(options.scheme + "://" + options.root);
    return error;
  };
  if (!options.root.starts_with('/')) return refuse(ErrorCode::kInvalidArgument, "is not an absolute path");
  if (options.root.find('\0') != std::string::npos) return refuse(ErrorCode::kInvalidArgument, "has a NUL byte");
  struct stat status;
  if (::stat(options.root.c_str(), &status) == 0 && !S_ISDIR(status.st_mode)) {
    return refuse(ErrorCode::kNotADirectory, "is a file; a store's root is a folder");
  }
  while (options.root.ends_with('/')) options.root.pop_back();
  Context context{std::move(options.root), std::move(options.scheme), options.direct, tuning};
  return std::shared_ptr<ObjectStore>(std::make_shared<FileStore>(std::move(context)));
}

}  // namespace s3dlio::file
