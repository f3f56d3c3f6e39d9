#include "memory_view.h"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "dlpack.h"
#include "errors.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

[[noreturn]] void reject(const char* what, nb::handle object, const std::string& found) {
  raise_error(ErrorCode::kInvalidArgument,
              std::string(what) + ": expected C-contiguous CPU memory, found a " + type_name_of(object) + " " + found);
}

constexpr int kAccelerator = -1;  // whichever

// Row-major, ignoring dimensions of one element, as numpy and torch see it.
bool is_contiguous(const dlpack::Tensor& tensor) {
  if (tensor.strides == nullptr) return true;
  int64_t expected = 1;
  for (int32_t axis = tensor.ndim - 1; axis >= 0; --axis) {
    if (tensor.shape[axis] == 0) return true;
  }
  for (int32_t axis = tensor.ndim - 1; axis >= 0; --axis) {
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != expected) return false;
    expected *= tensor.shape[axis];
  }
  return true;
}

// nullopt: more than memory can be.
std::optional<size_t> size_of(const dlpack::Tensor& tensor) {
  uint64_t bits = static_cast<uint64_t>(tensor.dtype.bits) * tensor.dtype.lanes;
  for (int32_t axis = 0; axis < tensor.ndim; ++axis) {
    if (tensor.shape[axis] < 0 || __builtin_mul_overflow(bits, static_cast<uint64_t>(tensor.shape[axis]), &bits)) {
      return std::nullopt;
    }
  }
  return bits / 8 + (bits % 8 != 0 ? 1 : 0);
}

// What a torch tensor says of its shape stays when its storage is freed or made smaller (resize_, as FSDP does between
// the uses of a parameter); its memory is then no longer there.
void check_storage(nb::handle object, const char* what, std::span<const std::byte> bytes) {
  if (bytes.empty() || !nb::hasattr(object, "untyped_storage")) return;
  uintptr_t start = 0;
  size_t size = 0;
  try {
    const nb::object storage = object.attr("untyped_storage")();
    start = nb::cast<uintptr_t>(storage.attr("data_ptr")());
    size = nb::cast<size_t>(storage.attr("nbytes")());
  } catch (nb::python_error& error) {
    reject(what, object, "whose memory cannot be had: " + text_of(error.value()));
  }
  const auto first = reinterpret_cast<uintptr_t>(bytes.data());
  if (first >= start && first - start <= size && bytes.size() <= size - (first - start)) return;
  reject(what, object,
         "of " + std::to_string(bytes.size()) + " bytes whose storage holds " + std::to_string(size) +
             ": it was freed or made smaller (resize_); give it memory again first");
}

// Takes the tensor out of a capsule, as its consumer must: renames it, and calls the deleter when done.
template <class ManagedType>
const dlpack::Tensor& consume(nb::handle capsule, const char* name, const char* used_name,
                              std::function<void()>& release) {
  auto* managed = static_cast<ManagedType*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (managed == nullptr || PyCapsule_SetName(capsule.ptr(), used_name) != 0) throw nb::python_error();
  release = [managed] {
    if (managed->deleter != nullptr) managed->deleter(managed);
  };
  return managed->tensor;
}

// torch.Tensor.__dlpack_device__ asks whether the memory is pinned, which fails in a forked process that has an
// accelerator (a DataLoader's worker); of a torch tensor the device's name says enough.
int dlpack_device_type(nb::handle object, const char* what) {
  try {
    if (nb::hasattr(object, "untyped_storage")) {
      const std::string name = nb::cast<std::string>(nb::str(object.attr("device").attr("type")));
      if (name == "cpu") return dlpack::kCpu;
      if (name != "meta") return kAccelerator;
    }
    const auto device = nb::cast<nb::tuple>(object.attr("__dlpack_device__")());
    return nb::cast<int>(nb::int_(device[0]));
  } catch (nb::python_error& error) {  // torch's meta device, for one
    reject(what, object, "whose memory cannot be had: " + text_of(error.value()));
  }
}

nb::object ask_for_capsule(nb::handle object) {
  try {
    return object.attr("__dlpack__")("max_version"_a = nb::make_tuple(1, 0));
  } catch (nb::python_error& error) {  // producers older than DLPack 1 do not know the argument
    if (!error.matches(PyExc_TypeError)) throw;
  }
  return object.attr("__dlpack__")();
}

}  // namespace

std::string type_name_of(nb::handle object) {
  const nb::handle type(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())));
  const std::string module = nb::cast<std::string>(nb::str(type.attr("__module__")));
  const std::string name = nb::cast<std::string>(nb::str(type.attr("__qualname__")));
  return module == "builtins" ? name : module + "." + name;
}

void refuse_overlap(std::vector<std::span<std::byte>> places, const char* what) {
  std::erase_if(places, [](const std::span<std::byte>& place) { return place.empty(); });
  std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.data() < b.data(); });
  for (size_t i = 1; i < places.size(); ++i) {
    if (places[i].data() >= places[i - 1].data() + places[i - 1].size()) continue;
    raise_error(ErrorCode::kInvalidArgument, std::string(what) + ": two of the memories to be filled overlap");
  }
}

Memory::Memory(Memory&& other) noexcept
    : inner_bytes_(std::exchange(other.inner_bytes_, {})),
      inner_writable_(other.inner_writable_),
      inner_release_(std::exchange(other.inner_release_, nullptr)) {}

Memory::~Memory() {
  if (inner_release_) inner_release_();
}

Memory Memory::readable(nb::handle object, const char* what) { return from_object(object, what); }

Memory Memory::writable(nb::handle object, const char* what) {
  Memory memory = from_object(object, what);
  if (!memory.inner_writable_) reject(what, object, "that is read-only");
  return memory;
}

std::span<std::byte> Memory::first(size_t size, const char* what) const {
  if (size > inner_bytes_.size()) {
    raise_error(ErrorCode::kInvalidArgument, std::string(what) + ": " + std::to_string(size) +
                                                 " bytes are needed, the memory holds " +
                                                 std::to_string(inner_bytes_.size()));
  }
  return inner_bytes_.first(size);
}

Memory Memory::from_object(nb::handle object, const char* what) {
  Memory memory;
  if (PyUnicode_Check(object.ptr())) {
    PyErr_Format(PyExc_TypeError, "%s: expected bytes-like memory or a tensor, found a str; encode it first", what);
    throw nb::python_error();
  }
  if (from_buffer_protocol(object, what, memory) || from_dlpack(object, what, memory) ||
      from_array_interface(object, what, memory)) {
    if (memory.inner_bytes_.data() == nullptr && !memory.inner_bytes_.empty()) {
      reject(what, object,
             "of " + std::to_string(memory.inner_bytes_.size()) + " bytes that has no memory: was its storage freed?");
    }
    return memory;
  }
  PyErr_Format(PyExc_TypeError, "%s: expected bytes-like memory or a tensor, found a %s", what,
               type_name_of(object).c_str());
  throw nb::python_error();
}

bool Memory::from_buffer_protocol(nb::handle object, const char* what, Memory& memory) {
  if (!PyObject_CheckBuffer(object.ptr())) return false;
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(object.ptr(), view.get(), PyBUF_STRIDES) != 0) {
    // numpy cannot describe foreign dtypes (bfloat16) here, but it can below; others say what is wrong.
    nb::python_error error;
    if (nb::hasattr(object, "__array_interface__") || nb::hasattr(object, "__dlpack__")) return false;
    reject(what, object, "whose memory cannot be had: " + text_of(error.value()));
  }
  const bool contiguous = PyBuffer_IsContiguous(view.get(), 'C') != 0;
  memory.inner_bytes_ = {static_cast<std::byte*>(view->buf), static_cast<size_t>(view->len)};
  memory.inner_writable_ = view->readonly == 0;
  memory.inner_release_ = [held = view.release()] {
    PyBuffer_Release(held);
    delete held;
  };
  if (!contiguous) reject(what, object, "that is not contiguous");
  return true;
}

bool Memory::from_dlpack(nb::handle object, const char* what, Memory& memory) {
  if (!nb::hasattr(object, "__dlpack__") || !nb::hasattr(object, "__dlpack_device__")) return false;
  const int device_type = dlpack_device_type(object, what);
  if (device_type != dlpack::kCpu && device_type != dlpack::kCudaHost) {
    reject(what, object, "on an accelerator; copy it to the CPU first (.cpu())");
  }
  nb::object capsule;
  try {
    capsule = ask_for_capsule(object);
  } catch (nb::python_error& error) {
    if (nb::hasattr(object, "__array_interface__")) return false;
    reject(what, object, "that cannot be shared: " + text_of(error.value()));
  }
  const bool versioned = PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned") != 0;
  const dlpack::Tensor* tensor = nullptr;
  if (versioned) {
    const auto* managed =
        static_cast<dlpack::ManagedVersioned*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
    // Writing into a copy would lose the bytes.
    memory.inner_writable_ = (managed->flags & (dlpack::kReadOnly | dlpack::kIsCopy)) == 0;
    tensor = &consume<dlpack::ManagedVersioned>(capsule, "dltensor_versioned", "used_dltensor_versioned",
                                                memory.inner_release_);
  } else {
    memory.inner_writable_ = true;  // the older form cannot say otherwise
    tensor = &consume<dlpack::Managed>(capsule, "dltensor", "used_dltensor", memory.inner_release_);
  }
  if (!is_contiguous(*tensor)) reject(what, object, "that is not contiguous; call .contiguous()");
  const auto size = size_of(*tensor);
  if (!size) reject(what, object, "of an impossible size");
  memory.inner_bytes_ = {static_cast<std::byte*>(tensor->data), *size};
  if (tensor->data != nullptr) memory.inner_bytes_ = {memory.inner_bytes_.data() + tensor->byte_offset, *size};
  check_storage(object, what, memory.inner_bytes_);
  return true;
}

bool Memory::from_array_interface(nb::handle object, const char* what, Memory& memory) {
  if (!nb::hasattr(object, "__array_interface__")) return false;
  try {
    read_array_interface(object, what, memory);
  } catch (nb::python_error&) {
    throw;
  } catch (const std::exception&) {  // a cast or a number that is not as the protocol has it
    reject(what, object, "whose __array_interface__ cannot be understood");
  }
  return true;
}

void Memory::read_array_interface(nb::handle object, const char* what, Memory& memory) {
  const auto interface = nb::cast<nb::dict>(object.attr("__array_interface__"));
  if (interface.contains("strides") && !interface["strides"].is_none()) reject(what, object, "that is not contiguous");
  const auto data = nb::cast<nb::tuple>(interface["data"]);
  size_t size = 0;
  {  // "<V2", "<f4", ...: the number is the bytes of one element
    const std::string type = nb::cast<std::string>(nb::str(interface["typestr"]));
    size = std::stoul(type.substr(2));
  }
  for (nb::handle extent : nb::cast<nb::tuple>(interface["shape"])) {
    if (__builtin_mul_overflow(size, nb::cast<size_t>(extent), &size)) reject(what, object, "of an impossible size");
  }
  memory.inner_bytes_ = {reinterpret_cast<std::byte*>(nb::cast<uintptr_t>(nb::object(data[0]))), size};
  memory.inner_writable_ = !nb::cast<bool>(nb::object(data[1]));
  memory.inner_release_ = [held = object.inc_ref()] { held.dec_ref(); };
}

}  // namespace s3dlio::python
