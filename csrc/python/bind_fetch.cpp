// The stream of objects read ahead of their consumer.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <mutex>
#include <tuple>

#include "bind.h"
#include "engine/fetch/fetch_stream.h"
#include "engine/process/fork.h"
#include "errors.h"
#include "lifecycle.h"
#include "number.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

// Shared between the Python object and the registry that cancels at exit.
class Stream final : public Cancellable {
 public:
  explicit Stream(std::unique_ptr<fetch::FetchStream> stream) : inner_stream_(std::move(stream)) {}

  // Any thread; GIL released. nullopt: nothing yet. Empty: over.
  std::optional<std::vector<fetch::Fetched>> next(size_t max_count) {
    std::lock_guard lock(inner_consumer_);
    if (inner_cancelled_) return std::vector<fetch::Fetched>();
    return inner_stream_->next(max_count, kWaitSlice);
  }
  void push(std::vector<fetch::FetchItem> items) { inner_stream_->push(std::move(items)); }
  void finish() { inner_stream_->finish(); }
  void cancel() override {
    inner_cancelled_ = true;
    inner_stream_->cancel();
  }
  bool wait_for(std::chrono::nanoseconds) override { return true; }  // its memory is the engine's own

 private:
  std::mutex inner_consumer_;  // one at a time may wait
  std::atomic<bool> inner_cancelled_{false};
  std::unique_ptr<fetch::FetchStream> inner_stream_;
};

// key, size, start, end, etag
using Item = std::tuple<nb::str, std::optional<Number>, Number, Number, std::string>;

class NativeFetchStream {
 public:
  NativeFetchStream(std::unique_ptr<fetch::FetchStream> stream, std::string prefix)
      : inner_stream_(std::make_shared<Stream>(std::move(stream))),
        inner_prefix_(std::move(prefix)),
        inner_generation_(fork_generation()) {
    remember(inner_stream_);
  }
  NativeFetchStream(NativeFetchStream&&) noexcept = default;
  NativeFetchStream& operator=(NativeFetchStream&&) = delete;
  ~NativeFetchStream() { close(); }

  void push(const std::vector<Item>& items) {
    const std::shared_ptr<Stream> stream = usable();
    std::vector<fetch::FetchItem> wanted;
    wanted.reserve(items.size());
    for (const auto& [key, size, start, end, etag] : items) {
      wanted.push_back(
          {NativeStore::full_key(inner_prefix_, key), get(size, "size"), start.get("start"), end.get("end"), etag});
    }
    const Unlocked unlocked;
    stream->push(std::move(wanted));
  }
  void finish() { usable()->finish(); }
  // [(index, Buffer or exception), ...]; empty when all were taken.
  nb::list next(Number max_count) {
    const auto most = max_count.get_as<size_t>("max_count");
    const std::shared_ptr<Stream> stream = usable();
    for (;;) {
      std::optional<std::vector<fetch::Fetched>> batch;
      {
        const Unlocked unlocked;
        batch = stream->next(most);
      }
      if (batch) return to_python(std::move(*batch));
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
    }
  }
  void close() {
    if (!inner_stream_) return;
    std::shared_ptr<Stream> stream = std::move(inner_stream_);
    inner_stream_.reset();
    if (inner_generation_ != fork_generation()) {  // its threads and locks stayed in the parent
      new std::shared_ptr<Stream>(std::move(stream));
      return;
    }
    const Unlocked unlocked;
    stream->cancel();
    stream.reset();  // waits until nothing is written any more
  }

 private:
  std::shared_ptr<Stream> usable() const {
    if (!inner_stream_) raise_error(ErrorCode::kClosed, "the stream is closed");
    if (inner_generation_ != fork_generation()) raise_error(ErrorCode::kClosed, "the stream was opened before fork()");
    return inner_stream_;
  }
  static nb::list to_python(std::vector<fetch::Fetched> batch) {
    nb::list items;
    for (fetch::Fetched& fetched : batch) {
      nb::object object =
          fetched.object.ok() ? nb::cast(std::move(fetched.object).value().data) : exception_of(fetched.object.error());
      items.append(nb::make_tuple(fetched.index, object));
    }
    return items;
  }

  std::shared_ptr<Stream> inner_stream_;
  std::string inner_prefix_;
  uint64_t inner_generation_;
};

NativeFetchStream open_stream(NativeStore& store, Number window_bytes, Number window_requests, bool in_order) {
  const fetch::FetchOptions options{window_bytes.get("window_bytes"),
                                    window_requests.get_as<uint32_t>("window_requests"), in_order};
  return {fetch::open_fetch_stream(store.shared(), options), store.prefix()};
}

}  // namespace

void bind_fetch(nb::module_& module, StoreClass& store) {
  nb::class_<NativeFetchStream>(module, "NativeFetchStream")
      .def("push", &NativeFetchStream::push, "items"_a,
           nb::sig("def push(self, items: collections.abc.Sequence[tuple[str, int | None, int, int, str]]) -> None"),
           "What to fetch next, behind what was pushed before: (key, size or None, start, end or 0 for the object's "
           "end).")
      .def("finish", &NativeFetchStream::finish, "No item follows.")
      .def("next", &NativeFetchStream::next, "max_count"_a,
           nb::sig("def next(self, max_count: int) -> list[tuple[int, Buffer | s3dlio_core.errors.StorageError]]"),
           "At least one, only those already there beyond the first; empty: all were taken, and none follows.")
      .def("close", &NativeFetchStream::close, "Cancels what is under way and waits for it.");
  store.def("open_fetch_stream", &open_stream, "window_bytes"_a, "window_requests"_a, "in_order"_a);
}

}  // namespace s3dlio::python
