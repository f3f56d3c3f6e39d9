// Buffer: engine memory in Python's hands, without a copy.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstring>

#include "bind.h"
#include "dlpack.h"
#include "engine/memory/buffer.h"
#include "engine/memory/huge_pages.h"
#include "errors.h"
#include "lifecycle.h"
#include "memory_view.h"
#include "number.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

// Readers of an empty buffer still want an address.
std::byte kNothing[1];
void* address_of(const Buffer& buffer) { return buffer.size() == 0 ? kNothing : buffer.data(); }

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const auto* buffer = nb::inst_ptr<Buffer>(nb::handle(self));
  return PyBuffer_FillInfo(view, self, address_of(*buffer), static_cast<Py_ssize_t>(buffer->size()), /*readonly=*/0,
                           flags);
}

// The memory of `out`, as something memoryview() takes: torch tensors have no buffer protocol of their own.
struct Window {
  Memory memory;
  size_t size;
};
int get_window_buffer(PyObject* self, Py_buffer* view, int flags) {
  const auto* window = nb::inst_ptr<Window>(nb::handle(self));
  void* address = window->size == 0 ? kNothing : window->memory.bytes().data();
  return PyBuffer_FillInfo(view, self, address, static_cast<Py_ssize_t>(window->size), /*readonly=*/0, flags);
}

PyType_Slot buffer_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)}, {0, nullptr}};
PyType_Slot window_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(get_window_buffer)}, {0, nullptr}};

nb::object memoryview_of(nb::handle object) {
  nb::object view = nb::steal(PyMemoryView_FromObject(object.ptr()));
  if (!view.is_valid()) throw nb::python_error();
  return view;
}

// ---- DLPack ----
template <class ManagedType>
struct Export {  // one allocation: the structure the consumer sees, and what keeps the memory alive
  ManagedType managed{};
  Buffer buffer;
  int64_t shape = 0;
  int64_t stride = 1;
};

template <class ManagedType>
nb::object export_capsule(const Buffer& buffer, const char* name) {
  auto exported = std::make_unique<Export<ManagedType>>();
  exported->buffer = buffer;
  exported->shape = static_cast<int64_t>(buffer.size());
  exported->managed.tensor = {address_of(buffer), {dlpack::kCpu, 0}, 1, {dlpack::kUnsigned, 8, 1},
                              &exported->shape,   &exported->stride, 0};
  exported->managed.context = exported.get();
  exported->managed.deleter = [](ManagedType* self) { delete static_cast<Export<ManagedType>*>(self->context); };
  if constexpr (std::is_same_v<ManagedType, dlpack::ManagedVersioned>) exported->managed.version = {1, 0};
  // The consumer renames the capsule and calls the deleter itself; one that was never consumed is ours to free.
  PyObject* capsule = PyCapsule_New(&exported->managed, name, [](PyObject* self) {
    const char* current = PyCapsule_GetName(self);
    if (current == nullptr || std::string_view(current).starts_with("used_")) return;
    auto* managed = static_cast<ManagedType*>(PyCapsule_GetPointer(self, current));
    managed->deleter(managed);
  });
  if (capsule == nullptr) throw nb::python_error();
  exported.release();
  return nb::steal(capsule);
}

nb::object to_dlpack(const Buffer& buffer, nb::handle stream, std::optional<std::pair<int, int>> max_version,
                     std::optional<std::pair<int, int>> dl_device, std::optional<bool> copy) {
  const bool other_device = dl_device && *dl_device != std::pair<int, int>(dlpack::kCpu, 0);
  if (!stream.is_none() || other_device || copy.value_or(false)) {
    PyErr_SetString(PyExc_BufferError, "a Buffer is shared as it lies in CPU memory: no stream, other device or copy");
    throw nb::python_error();
  }
  if (max_version && max_version->first >= 1)
    return export_capsule<dlpack::ManagedVersioned>(buffer, "dltensor_versioned");
  return export_capsule<dlpack::Managed>(buffer, "dltensor");
}

// ---- sequence ----
nb::object item_of(const Buffer& buffer, nb::handle index) {
  const auto size = static_cast<Py_ssize_t>(buffer.size());
  if (PySlice_Check(index.ptr())) {
    Py_ssize_t start = 0;
    Py_ssize_t stop = 0;
    Py_ssize_t step = 0;
    if (PySlice_Unpack(index.ptr(), &start, &stop, &step) != 0) throw nb::python_error();
    const Py_ssize_t count = PySlice_AdjustIndices(size, &start, &stop, step);
    if (step != 1)
      raise_error(ErrorCode::kInvalidArgument, "a Buffer is sliced in steps of 1; use memoryview() for others");
    return nb::cast(buffer.slice(static_cast<size_t>(start), static_cast<size_t>(count)));
  }
  Py_ssize_t position = PyNumber_AsSsize_t(index.ptr(), PyExc_IndexError);
  if (position == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
  if (position < 0) position += size;
  if (position < 0 || position >= size) {
    PyErr_Format(PyExc_IndexError, "byte %zd of a Buffer of %zd bytes", position, size);
    throw nb::python_error();
  }
  return nb::int_(std::to_integer<int>(buffer.data()[position]));
}

nb::object is_equal(const Buffer& buffer, nb::handle other) {
  if (!PyObject_CheckBuffer(other.ptr())) return nb::borrow(Py_NotImplemented);
  const Memory memory = Memory::readable(other, "other");
  const auto bytes = memory.const_bytes();
  return nb::bool_(bytes.size() == buffer.size() &&
                   (bytes.empty() || std::memcmp(bytes.data(), buffer.data(), bytes.size()) == 0));
}

nb::bytes to_bytes(const Buffer& buffer) { return nb::bytes(address_of(buffer), buffer.size()); }

Buffer allocate(Number given_size) {
  const auto size = given_size.get_as<size_t>("size");
  auto buffer = [&] {
    const Unlocked unlocked;
    return BufferPool::instance().allocate(size);
  }();
  return value_or_raise(std::move(buffer));
}

Buffer copy_of(nb::handle data) {
  const Memory memory = Memory::readable(data, "data");
  Buffer buffer = allocate(Number{memory.bytes().size()});
  if (buffer.size() != 0) std::memcpy(buffer.data(), memory.bytes().data(), buffer.size());
  return buffer;
}

}  // namespace

void bind_buffer(nb::module_& module) {
  auto buffer = nb::class_<Buffer>(
      module, "Buffer", nb::type_slots(buffer_slots),
      "Bytes in engine memory: uint8, shape [n], on the CPU, 4 KiB aligned (slices keep their offset), "
      "writable, freed for reuse when the last view of it dies.");
  buffer
      .def(
          "__init__", [](Buffer* self, nb::handle data) { new (self) Buffer(copy_of(data)); }, "data"_a.none(),
          nb::sig("def __init__(self, data: object) -> None"), "A copy of any contiguous memory, tensors included.")
      .def("__len__", &Buffer::size)
      .def("__getitem__", &item_of, "index"_a, nb::sig("def __getitem__(self, index: int, /) -> int"))
      .def("__getitem__", &item_of, "index"_a, nb::sig("def __getitem__(self, index: slice, /) -> Buffer"))
      .def("__eq__", &is_equal, "other"_a.none(), nb::is_operator(),
           nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__bytes__", &to_bytes)
      .def("to_bytes", &to_bytes, "A copy.")
      .def(
          "memoryview", [](nb::handle self) { return memoryview_of(self); },
          nb::sig("def memoryview(self) -> builtins.memoryview"), "The same memory: format \"B\", writable.")
      .def("__dlpack__", &to_dlpack, nb::kw_only(), "stream"_a.none() = nb::none(), "max_version"_a = nb::none(),
           "dl_device"_a = nb::none(), "copy"_a = nb::none(),
           nb::sig("def __dlpack__(self, *, stream: object = None, max_version: tuple[int, int] | None = None, "
                   "dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> typing.Any"))
      .def("__dlpack_device__", [](const Buffer&) { return std::pair<int, int>(dlpack::kCpu, 0); })
      .def(
          "__reduce__",
          [](nb::handle self) {
            return nb::make_tuple(nb::borrow(reinterpret_cast<PyObject*>(Py_TYPE(self.ptr()))),
                                  nb::make_tuple(to_bytes(nb::cast<const Buffer&>(self))));
          },
          nb::sig("def __reduce__(self) -> tuple[typing.Any, ...]"))
      .def("__repr__", [](const Buffer& self) { return "Buffer(" + std::to_string(self.size()) + " bytes)"; });
  buffer.attr("__hash__") = nb::none();  // it can be written to

  static_cast<void>(
      nb::class_<Window>(module, "Window", nb::type_slots(window_slots), "What window() gives a view of."));
  module.def(
      "window",
      [](nb::handle object, Number given_size) {
        const auto size = given_size.get_as<size_t>("size");
        Memory memory = Memory::writable(object, "out");
        static_cast<void>(memory.first(size, "out"));
        return memoryview_of(nb::cast(Window{std::move(memory), size}));
      },
      "object"_a.none(), "size"_a, nb::sig("def window(object: object, size: int) -> memoryview"),
      "A view of the first `size` bytes of any writable memory, tensors included.");
  module.def(
      "memory_size", [](nb::handle object, const char* what) { return Memory::readable(object, what).bytes().size(); },
      "object"_a.none(), "what"_a, nb::sig("def memory_size(object: object, what: str) -> int"),
      "Bytes of memory of a buffer or tensor; the errors of passing it to a verb.");
  module.def(
      "prefer_huge_pages", [](nb::handle object) { prefer_huge_pages(Memory::writable(object, "memory").bytes()); },
      "memory"_a.none(), nb::sig("def prefer_huge_pages(memory: object) -> None"),
      "Ask the system to back memory by huge pages; for fresh memory that is about to be filled.");
  module.def("allocate", &allocate, "size"_a, "Memory from the engine's pool; its contents are unspecified.");
}

}  // namespace s3dlio::python
