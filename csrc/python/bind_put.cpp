// put and the writer: bytes go out from the caller's own memory.
#include <nanobind/stl/string.h>

#include "bind.h"
#include "engine/process/fork.h"
#include "lifecycle.h"
#include "memory_view.h"
#include "pending.h"
#include "values.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

// The engine may copy or checksum what it is given before it returns; other threads need not wait for that.
constexpr size_t kWorthUnlocking = 64 << 10;

template <class Start>
auto unlocked_if_large(size_t size, const Start& start) {
  if (size < kWorthUnlocking) return start();
  const Unlocked unlocked;
  return start();
}

Pending put(NativeStore& store, nb::handle key, nb::handle data, const PutOptions& options) {
  return store.call("put", key, [&](ObjectStore& engine, const std::string& full) {
    std::vector<Memory> held;
    held.push_back(Memory::readable(data, "data"));
    const auto bytes = held[0].const_bytes();
    auto future = unlocked_if_large(bytes.size(), [&] { return engine.put(full, bytes, options); });
    return make_pending(std::move(future), std::move(held),
                        [](PutResult&& result) { return nb::cast(std::move(result)); });
  });
}

nb::object nothing(Unit&&) { return nb::none(); }

// One thread at a time, as the engine's: a second one that comes while a write is not over, or on its way into the
// engine, is refused. Dropped without close(): the engine aborts.
class NativeWriter {
 public:
  explicit NativeWriter(std::unique_ptr<ObjectWriter> writer)
      : inner_writer_(std::move(writer)), inner_generation_(fork_generation()) {}
  NativeWriter(NativeWriter&&) noexcept = default;
  NativeWriter& operator=(NativeWriter&&) = delete;
  ~NativeWriter() { drop(); }

  // Aborts without waiting; the end of the process waits for that.
  void drop() {
    if (!inner_writer_) return;
    if (inner_generation_ != fork_generation()) {
      new std::shared_ptr<ObjectWriter>(std::move(inner_writer_));  // the parent's; its threads and locks are not here
      return;
    }
    const Unlocked unlocked;
    inner_writer_.reset();
  }

  Pending write(nb::handle data) {
    std::vector<Memory> held;
    held.push_back(Memory::readable(data, "data"));
    const std::shared_ptr<ObjectWriter> writer = usable();  // kept here: another thread may drop() meanwhile
    check_alone("write");
    const auto bytes = held[0].const_bytes();
    inner_inside_ = true;
    auto future = unlocked_if_large(bytes.size(), [&] { return writer->write(bytes); });
    inner_inside_ = false;
    inner_write_ = future;
    return make_pending(std::move(future), std::move(held), nothing);
  }
  Pending close() {
    const std::shared_ptr<ObjectWriter>& writer = usable();
    check_alone("close");
    return make_pending(writer->close(), [](PutResult&& result) { return nb::cast(std::move(result)); });
  }
  // Also while a write is not over, which then fails.
  Pending abort() {
    const std::shared_ptr<ObjectWriter>& writer = usable();
    if (inner_inside_) refuse("abort");
    return make_pending(writer->abort(), nothing);
  }
  uint64_t bytes_written() {
    const std::shared_ptr<ObjectWriter>& writer = usable();
    if (inner_inside_) refuse("bytes_written");
    return writer->bytes_written();
  }

 private:
  const std::shared_ptr<ObjectWriter>& usable() const {
    if (inner_generation_ != fork_generation()) raise_error(ErrorCode::kClosed, "the writer was opened before fork()");
    if (!inner_writer_) raise_error(ErrorCode::kClosed, "the writer was dropped");
    return inner_writer_;
  }
  void check_alone(const char* what) const {
    if (inner_inside_ || (inner_write_.valid() && !inner_write_.is_ready())) refuse(what);
  }
  [[noreturn]] static void refuse(const char* what) {
    raise_error(ErrorCode::kConcurrentUse,
                std::string(what) + "() while a write is not over: a writer is for one thread at a time");
  }

  std::shared_ptr<ObjectWriter> inner_writer_;
  uint64_t inner_generation_;
  bool inner_inside_ = false;  // with the GIL: a thread is on its way into write() without it
  Future<Unit> inner_write_;   // the last one
};

NativeWriter open_writer(NativeStore& store, nb::handle key, const PutOptions& options) {
  return store.call("open_writer", key, [&](ObjectStore& engine, const std::string& full) {
    auto writer = [&] {
      const Unlocked unlocked;
      return engine.open_writer(full, options);
    }();
    return NativeWriter(value_or_raise(std::move(writer)));
  });
}

}  // namespace

void bind_put(nb::module_& module, StoreClass& store) {
  nb::class_<NativeWriter>(module, "NativeWriter", nb::is_weak_referenceable())
      .def("write", &NativeWriter::write, "data"_a.none(), nb::sig("def write(self, data: object) -> Pending[None]"))
      .def("close", &NativeWriter::close, nb::sig("def close(self) -> Pending[PutResult]"))
      .def("abort", &NativeWriter::abort, nb::sig("def abort(self) -> Pending[None]"))
      .def("drop", &NativeWriter::drop, "Aborts, and waits for nothing but at the end of the process.")
      .def("bytes_written", &NativeWriter::bytes_written);
  store
      .def("put", &put, "key"_a.none(), "data"_a.none(), "options"_a,
           nb::sig("def put(self, key: str, data: object, options: PutOptions) -> Pending[PutResult]"))
      .def("open_writer", &open_writer, "key"_a.none(), "options"_a,
           nb::sig("def open_writer(self, key: str, options: PutOptions) -> NativeWriter"));
}

}  // namespace s3dlio::python
