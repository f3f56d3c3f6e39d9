// torch.ops.s3dlio.*: reading into tensors, seen by torch.compile and the profiler. torch lets go of the GIL around
// every op. docs/torch_ops.md says what each promises; s3dlio_torch/ops.py is their Python face.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "engine/fetch/store_handles.h"
#include "engine/memory/huge_pages.h"
#include "engine/process/interrupt.h"
#include "engine/process/per_process.h"
#include "engine/store/file/file_store.h"
#include "engine/transfer/read/slab.h"
#include "fill.h"

namespace s3dlio::torch_ops {
namespace {

using torch::headeronly::ScalarType;

void set_offset(Source& source, std::string_view operation, int64_t offset) {
  auto checked = transfer::offset_of(offset);
  if (!checked) raise(source, operation, checked.error().code, std::move(checked.error().message));
  source.offset = *checked;
}

Source source_of(int64_t handle, const std::string& key, int64_t offset, std::string_view operation) {
  auto place = fetch::find_store(static_cast<uint64_t>(handle));
  if (!place) {
    place.error().operation = operation;
    place.error().uri = key;
    raise(std::move(place).error());
  }
  Source source{place->store, place->prefix + key};
  set_offset(source, operation, offset);
  return source;
}

// ---- read_ranges ----

template <class T>
T checked(const Source& source, Result<T> result) {
  if (!result) raise(source, "read_ranges", result.error().code, std::move(result.error().message));
  return std::move(result).value();
}

std::vector<transfer::Span> spans_of(const Source& source, const std::vector<int64_t>& starts,
                                     const std::vector<int64_t>& ends) {
  if (starts.size() != ends.size()) {
    raise(source, "read_ranges", ErrorCode::kInvalidArgument,
          std::to_string(starts.size()) + " starts need as many ends; found " + std::to_string(ends.size()));
  }
  std::vector<transfer::Span> spans;
  for (size_t i = 0; i < starts.size(); ++i) spans.push_back(checked(source, transfer::span_of(starts[i], ends[i])));
  return spans;
}

Tensor read_ranges(int64_t store, std::string key, std::vector<int64_t> starts, std::vector<int64_t> ends,
                   bool pin_memory) {
  const Source source = source_of(store, key, 0, "read_ranges");
  const auto spans = spans_of(source, starts, ends);
  const transfer::Slab layout = checked(source, transfer::lay_out(spans, 1));
  const Tensor slab =
      empty_on_cpu(source, "read_ranges", static_cast<int64_t>(layout.size), ScalarType::Byte, pin_memory);
  if (spans.empty()) return slab;
  std::vector<RangeInto> ranges;
  const auto memory = bytes_of(slab);
  if (!pin_memory) prefer_huge_pages(memory);
  for (size_t i = 0; i < spans.size(); ++i) {
    ranges.push_back({spans[i].start, memory.subspan(layout.places[i], checked(source, transfer::size_of(spans[i])))});
  }
  auto read = wait_interruptibly(source.store->get_ranges(source.key, ranges, {}));
  if (!read) {
    read.error().operation = "read_ranges";
    raise(std::move(read).error());
  }
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (read->bytes_read[i] == ranges[i].out.size()) continue;
    raise(source, "read_ranges", ErrorCode::kRangeNotSatisfiable,
          "the range [" + std::to_string(starts[i]) + ", " + std::to_string(ends[i]) +
              ") ends past the object, which has " + std::to_string(read->object_size) + " bytes");
  }
  return slab;
}

// ---- read_into ----

void read_into(int64_t store, std::string key, Tensor out, int64_t offset) {
  fill(source_of(store, key, offset, "read_into"), "read_into", out);
}

// ---- read_file_direct ----

struct DirectStore {
  Result<std::shared_ptr<ObjectStore>> store = file::open_file({"/", true, "direct"}, Tuning());
};
PerProcess<DirectStore> direct_store;

Source direct_source(const std::string& path, int64_t offset) {
  Source source;
  Error error;
  error.operation = "read_file_direct";
  error.uri = "direct://" + path;
  if (!direct_store.get().store) {
    error.code = direct_store.get().store.error().code;
    error.message = direct_store.get().store.error().message;
    raise(std::move(error));
  }
  char* resolved = ::realpath(path.c_str(), nullptr);  // the store follows no link that leads anywhere else
  if (resolved == nullptr) {
    error.code = errno == EACCES ? ErrorCode::kAccessDenied : ErrorCode::kNotFound;
    error.message = std::string("cannot be opened: ") + std::strerror(errno);
    raise(std::move(error));
  }
  source.store = direct_store.get().store.value();
  source.key = resolved + 1;  // below "/"
  std::free(resolved);
  set_offset(source, "read_file_direct", offset);
  return source;
}

void read_file_direct(std::string path, Tensor out, int64_t offset) {
  fill(direct_source(path, offset), "read_file_direct", out);
}

}  // namespace
}  // namespace s3dlio::torch_ops

STABLE_TORCH_LIBRARY(s3dlio, library) {
  library.def("read_ranges(int store, str key, int[] starts, int[] ends, bool pin_memory=False) -> Tensor");
  library.def("read_into(int store, str key, Tensor(a!) out, int offset=0) -> ()");
  library.def("read_file_direct(str path, Tensor(a!) out, int offset=0) -> ()");
}

// One kernel for every device: where the tensor lies is looked at inside.
STABLE_TORCH_LIBRARY_IMPL(s3dlio, CompositeExplicitAutograd, library) {
  library.impl("read_ranges", TORCH_BOX(&s3dlio::torch_ops::read_ranges));
  library.impl("read_into", TORCH_BOX(&s3dlio::torch_ops::read_into));
  library.impl("read_file_direct", TORCH_BOX(&s3dlio::torch_ops::read_file_direct));
}
