// Bytes of one object into a tensor, wherever the tensor lies. Throws what torch turns into a RuntimeError; the
// engine's error is remembered (engine/base/last_error.h) for s3dlio_torch/ops.py to raise as its own class.
#pragma once

#include <torch/csrc/stable/tensor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "engine/object_store.h"

namespace s3dlio::torch_ops {

using torch::stable::Tensor;

struct Source {
  std::shared_ptr<ObjectStore> store;
  std::string key;
  uint64_t offset = 0;
};

[[noreturn]] void raise(Error error);
[[noreturn]] void raise(const Source& source, std::string_view operation, ErrorCode code, std::string message);

// The memory of a contiguous tensor on the CPU.
std::span<std::byte> bytes_of(const Tensor& tensor);

// A new tensor of shape [count]. kNoSpace where there is no memory for it.
Tensor empty_on_cpu(const Source& source, std::string_view operation, int64_t count, torch::headeronly::ScalarType type,
                    bool pinned);

// Fills all of `out`, which is contiguous, from source.offset on; kRangeNotSatisfiable where the object ends before.
// On the CPU the bytes arrive in the tensor's own memory. On an accelerator they pass through pinned memory in chunks,
// several of them being read while one is copied; the copies are put on the caller's current stream, in order, and are
// not waited for. kInvalidArgument where its storage was freed.
void fill(const Source& source, std::string_view operation, const Tensor& out);

}  // namespace s3dlio::torch_ops
