// put and the writer: bytes go out from the caller's own memory.
#include <nanobind/stl/string.h>

#include "bind.h"
#include "engine/base/fork.h"
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
  nb::gil_scoped_release unlocked;
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

// One thread at a time. Dropped without close(): the engine aborts.
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
    nb::gil_scoped_release unlocked;
    inner_writer_.reset();
  }

  Pending write(nb::handle data) {
    std::vector<Memory> held;
    held.push_back(Memory::readable(data, "data"));
    const std::shared_ptr<ObjectWriter> writer = usable();
    const auto bytes = held[0].const_bytes();
    auto future = unlocked_if_large(bytes.size(), [&] { return writer->write(bytes); });
    return make_pending(std::move(future), std::move(held), nothing);
  }
  Pending close() {
    return make_pending(usable()->close(), [](PutResult&& result) { return nb::cast(std::move(result)); });
  }
  Pending abort() { return make_pending(usable()->abort(), nothing); }
  uint64_t bytes_written() { return usable()->bytes_written(); }

 private:
  const std::shared_ptr<ObjectWriter>& usable() const {
    if (inner_generation_ != fork_generation()) raise_error(ErrorCode::kClosed, "the writer was opened before fork()");
    if (!inner_writer_) raise_error(ErrorCode::kClosed, "the writer was dropped");
    return inner_writer_;
  }

  std::shared_ptr<ObjectWriter> inner_writer_;
  uint64_t inner_generation_;
};

NativeWriter open_writer(NativeStore& store, nb::handle key, const PutOptions& options) {
  return store.call("open_writer", key, [&](ObjectStore& engine, const std::string& full) {
    auto writer = [&] {
      nb::gil_scoped_release unlocked;
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
