// Memory that belongs to a Python object, as the engine wants it: a pointer, a size, and something that keeps it alive.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace s3dlio::python {

namespace nb = nanobind;

// Move only; GIL held when made and when dropped. Accepts our Buffer, whatever has the buffer protocol, and tensors by
// DLPack or __array_interface__ (torch on the CPU, also pinned, any dtype; jax; numpy with foreign dtypes).
class Memory {
 public:
  // TypeError: no memory in it. InvalidArgumentError: not contiguous, on an accelerator, requires grad, its storage was
  // freed. `what` names the argument in messages.
  static Memory readable(nb::handle object, const char* what);
  // The same, and InvalidArgumentError for memory that may not be written.
  static Memory writable(nb::handle object, const char* what);

  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&&) = delete;
  ~Memory();

  std::span<std::byte> bytes() const { return inner_bytes_; }
  std::span<const std::byte> const_bytes() const { return inner_bytes_; }
  bool is_writable() const { return inner_writable_; }
  // The first `size` bytes; InvalidArgumentError if there are fewer.
  std::span<std::byte> first(size_t size, const char* what) const;

 private:
  Memory() = default;
  static Memory from_object(nb::handle object, const char* what);
  static bool from_buffer_protocol(nb::handle object, const char* what, Memory& memory);
  static bool from_dlpack(nb::handle object, const char* what, Memory& memory);
  static bool from_array_interface(nb::handle object, const char* what, Memory& memory);
  static void read_array_interface(nb::handle object, const char* what, Memory& memory);

  std::span<std::byte> inner_bytes_;
  bool inner_writable_ = false;
  std::function<void()> inner_release_;
};

// InvalidArgumentError where two of the places share a byte: whatever is written there last would be left, in no order.
void refuse_overlap(std::vector<std::span<std::byte>> places, const char* what);

// "torch.Tensor", "bytes", ...: for messages.
std::string type_name_of(nb::handle object);

}  // namespace s3dlio::python
