#include "fill.h"

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <optional>
#include <stdexcept>
#include <utility>

#include "engine/base/last_error.h"
#include "engine/process/interrupt.h"

namespace s3dlio::torch_ops {
namespace {

using torch::headeronly::DeviceType;
using torch::headeronly::ScalarType;
using torch::stable::Device;

constexpr uint64_t kChunkBytes = 16 << 20;
constexpr size_t kChunksAhead = 4;

uint64_t size_of(const Tensor& tensor) { return static_cast<uint64_t>(tensor.numel()) * tensor.element_size(); }

template <class T>
T value_or_raise(Result<T> result, std::string_view operation) {
  if (result) return std::move(result).value();
  result.error().operation = operation;
  raise(std::move(result).error());
}

void check_read(const Source& source, std::string_view operation, uint64_t offset, uint64_t wanted,
                const ReadResult& read) {
  if (read.bytes_read == wanted) return;
  raise(source, operation, ErrorCode::kRangeNotSatisfiable,
        "the tensor takes bytes [" + std::to_string(offset) + ", " + std::to_string(offset + wanted) +
            "), the object has " + std::to_string(read.object_size) + " bytes");
}

// A tensor keeps its shape when its storage is freed or made smaller (resize_, as FSDP does between the uses of a
// parameter).
void check_storage(const Source& source, std::string_view operation, const Tensor& out) {
  int64_t stored = 0;
  int64_t before = 0;  // elements in front of it
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_storage_size(out.get(), &stored));
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_storage_offset(out.get(), &before));
  const auto needed = (static_cast<uint64_t>(before) + static_cast<uint64_t>(out.numel())) * out.element_size();
  if (out.numel() == 0 || needed <= static_cast<uint64_t>(stored)) return;
  raise(source, operation, ErrorCode::kInvalidArgument,
        "out: its storage holds " + std::to_string(stored) + " bytes, the tensor takes " + std::to_string(needed) +
            ": it was freed or made smaller (resize_); give it memory again first");
}

// Part of the destination on its way: read into memory of its own, to be copied when it is there.
class Chunk {
 public:
  Chunk(const Source& source, std::string_view operation, int64_t first, int64_t count, const Tensor& like, bool pinned,
        const std::string& etag)
      : first_(first),
        count_(count),
        offset_(source.offset + static_cast<uint64_t>(first) * like.element_size()),
        staging_(empty_on_cpu(source, operation, count, like.scalar_type(), pinned)) {
    GetOptions options;
    options.if_match = etag;
    read_ = source.store->get_into(source.key, offset_, bytes_of(staging_), std::move(options));
  }
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;
  ~Chunk() {
    if (taken_) return;
    read_.cancel();
    static_cast<void>(read_.wait());  // until then the engine writes to the memory
  }

  // Waits for the bytes and copies them; gives the object's etag.
  std::string finish(const Source& source, std::string_view operation, const Tensor& flat, bool pinned) {
    taken_ = true;
    const ReadResult read = value_or_raise(wait_interruptibly(read_), operation);
    check_read(source, operation, offset_, size_of(staging_), read);
    Tensor whole = flat;
    Tensor part = torch::stable::narrow(whole, 0, first_, count_);
    // The allocator of pinned memory gives `staging_` to another only when this copy is done.
    torch::stable::copy_(part, staging_, pinned);
    return read.etag;
  }

 private:
  const int64_t first_, count_;  // elements
  const uint64_t offset_;        // bytes of the object
  Tensor staging_;
  Future<ReadResult> read_;
  bool taken_ = false;
};

void fill_staged(const Source& source, std::string_view operation, const Tensor& out, bool pinned) {
  const int64_t all = -1;
  const Tensor flat = torch::stable::reshape(out, {&all, 1});
  const int64_t total = flat.numel();
  const int64_t step = std::max<int64_t>(1, static_cast<int64_t>(kChunkBytes / out.element_size()));
  std::deque<Chunk> ahead;
  std::string etag;
  int64_t next = 0;
  while (next < total || !ahead.empty()) {
    // The first answer tells which generation of the object all others must be of.
    const size_t most = etag.empty() ? 1 : kChunksAhead;
    while (next < total && ahead.size() < most) {
      const int64_t count = std::min(step, total - next);
      ahead.emplace_back(source, operation, next, count, out, pinned, etag);
      next += count;
    }
    etag = ahead.front().finish(source, operation, flat, pinned);
    ahead.pop_front();
  }
}

// For tests on machines without an accelerator: the staged way, in memory that is not pinned.
bool staging_is_forced() {
  const char* value = std::getenv("S3DLIO_TORCH_FORCE_STAGING");
  return value != nullptr && *value == '1';
}

}  // namespace

void raise(Error error) {
  std::string text = error.operation + " " + error.uri + ": " + error.message;
  remember_error(std::move(error));
  throw std::runtime_error(std::move(text));
}

void raise(const Source& source, std::string_view operation, ErrorCode code, std::string message) {
  Error error = make_error(code, std::move(message));
  error.operation = operation;
  if (source.store) error.uri = source.store->uri_of(source.key);
  raise(std::move(error));
}

std::span<std::byte> bytes_of(const Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.mutable_data_ptr()), size_of(tensor)};
}

Tensor empty_on_cpu(const Source& source, std::string_view operation, int64_t count, ScalarType type, bool pinned) {
  try {
    return torch::stable::empty({&count, 1}, type, std::nullopt, Device(DeviceType::CPU), pinned);
  } catch (const std::exception&) {  // torch's text names its own source files, and no size
    raise(source, operation, ErrorCode::kNoSpace,
          "the system has no " + std::string(pinned ? "pinned " : "") + "memory for a tensor of " +
              std::to_string(count) + " elements");
  }
}

void fill(const Source& source, std::string_view operation, const Tensor& out) {
  if (!out.is_contiguous()) {
    raise(source, operation, ErrorCode::kInvalidArgument, "out: expected a contiguous tensor; call .contiguous()");
  }
  check_storage(source, operation, out);
  if (!out.is_cpu()) return fill_staged(source, operation, out, true);
  if (staging_is_forced() && out.numel() > 0) return fill_staged(source, operation, out, false);
  const auto bytes = bytes_of(out);
  auto read = wait_interruptibly(source.store->get_into(source.key, source.offset, bytes, {}));
  check_read(source, operation, source.offset, bytes.size(), value_or_raise(std::move(read), operation));
}

}  // namespace s3dlio::torch_ops
