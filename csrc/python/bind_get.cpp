// get, get_range, get_into, get_ranges.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "bind.h"
#include "engine/memory/buffer.h"
#include "engine/transfer/read/slab.h"
#include "memory_view.h"
#include "number.h"
#include "pending.h"
#include "values.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

GetOptions options_of(std::optional<Number> size, std::string if_match, std::string version_id,
                      const std::string& verify) {
  return {get(size, "size"), std::move(if_match), std::move(version_id), verify_of(verify)};
}

nb::object buffer_of(FetchedObject&& fetched) { return nb::cast(std::move(fetched.data)); }

Pending get_whole(NativeStore& store, nb::handle key, std::optional<Number> size, std::string if_match,
                  std::string version_id, const std::string& verify) {
  return store.call("get", key, [&](ObjectStore& engine, std::string full) {
    GetOptions options = options_of(size, std::move(if_match), std::move(version_id), verify);
    return make_pending(engine.get(std::move(full), std::move(options)), buffer_of);
  });
}

// `start` as the engine takes it.
uint64_t offset_of(Number start, const char* what) { return value_or_raise(transfer::offset_of(start.get(what))); }

Pending get_range(NativeStore& store, nb::handle key, Number start, std::optional<Number> end,
                  std::optional<Number> size, std::string if_match, std::string version_id, const std::string& verify) {
  return store.call("get_range", key, [&](ObjectStore& engine, std::string full) {
    GetOptions options = options_of(size, std::move(if_match), std::move(version_id), verify);
    return make_pending(
        engine.get_range(std::move(full), offset_of(start, "start"), get(end, "end"), std::move(options)), buffer_of);
  });
}

Pending get_into(NativeStore& store, nb::handle key, nb::handle out, Number offset, std::optional<Number> limit,
                 std::string if_match, std::string version_id, const std::string& verify) {
  return store.call("get_into", key, [&](ObjectStore& engine, std::string full) {
    GetOptions options = options_of(std::nullopt, std::move(if_match), std::move(version_id), verify);
    std::vector<Memory> held;
    held.push_back(Memory::writable(out, "out"));
    const auto bytes = limit ? held[0].first(limit->get("limit"), "out") : held[0].bytes();
    auto future = engine.get_into(std::move(full), offset_of(offset, "offset"), bytes, std::move(options));
    return make_pending(std::move(future), std::move(held),
                        [](ReadResult&& read) { return nb::int_(read.bytes_read); });
  });
}

// Tensors made over a slice want aligned memory as much as over a whole buffer.
constexpr uint64_t kSliceAlignment = 64;

using GivenSpan = std::pair<Number, Number>;  // [first, second) of the object

std::vector<transfer::Span> spans_of(const std::vector<GivenSpan>& given) {
  std::vector<transfer::Span> spans;
  for (const auto& [start, end] : given) spans.push_back({start.get("start"), end.get("end")});
  return spans;
}

Pending get_ranges(NativeStore& store, nb::handle key, const std::vector<GivenSpan>& ranges, std::string if_match,
                   std::string version_id, const std::string& verify) {
  return store.call("get_ranges", key, [&](ObjectStore& engine, std::string full) {
    GetOptions options = options_of(std::nullopt, std::move(if_match), std::move(version_id), verify);
    const auto spans = spans_of(ranges);
    auto [places, total] = value_or_raise(transfer::lay_out(spans, kSliceAlignment));
    const Buffer slab = value_or_raise(BufferPool::instance().allocate(total));
    std::vector<RangeInto> targets;
    for (size_t index = 0; index < spans.size(); ++index) {
      const auto [start, end] = spans[index];
      targets.push_back({start, slab.span().subspan(places[index], end - start)});
    }
    auto future = engine.get_ranges(std::move(full), std::move(targets), std::move(options));
    return make_pending(std::move(future), [slab, places = std::move(places)](RangesResult&& read) {
      nb::list buffers;
      for (size_t index = 0; index < places.size(); ++index) {
        buffers.append(nb::cast(slab.slice(places[index], read.bytes_read[index])));
      }
      return buffers;
    });
  });
}

Pending get_ranges_into(NativeStore& store, nb::handle key, const std::vector<GivenSpan>& ranges, nb::sequence out,
                        std::string if_match, std::string version_id, const std::string& verify) {
  return store.call("get_ranges", key, [&](ObjectStore& engine, std::string full) {
    GetOptions options = options_of(std::nullopt, std::move(if_match), std::move(version_id), verify);
    std::vector<Memory> held;
    for (nb::handle target : out) held.push_back(Memory::writable(target, "out"));
    if (held.size() != ranges.size()) {
      raise_error(
          ErrorCode::kInvalidArgument,
          std::to_string(ranges.size()) + " ranges need as many destinations; found " + std::to_string(held.size()));
    }
    std::vector<RangeInto> targets;
    for (const transfer::Span& span : spans_of(ranges)) {
      const uint64_t size = value_or_raise(transfer::size_of(span));
      targets.push_back({span.start, held[targets.size()].first(size, "out")});
    }
    std::vector<std::span<std::byte>> places;
    for (const RangeInto& target : targets) places.push_back(target.out);
    refuse_overlap(std::move(places), "out");
    auto future = engine.get_ranges(std::move(full), std::move(targets), std::move(options));
    return make_pending(std::move(future), std::move(held),
                        [](RangesResult&& read) { return nb::cast(read.bytes_read); });
  });
}

}  // namespace

void bind_get(StoreClass& store) {
  store
      .def("get", &get_whole, "key"_a.none(), "size"_a.none(), "if_match"_a, "version_id"_a, "verify"_a,
           nb::sig("def get(self, key: str, size: int | None, if_match: str, version_id: str, verify: str) -> "
                   "Pending[Buffer]"))
      .def("get_range", &get_range, "key"_a.none(), "start"_a, "end"_a.none(), "size"_a.none(), "if_match"_a,
           "version_id"_a, "verify"_a,
           nb::sig("def get_range(self, key: str, start: int, end: int | None, size: int | None, if_match: str, "
                   "version_id: str, verify: str) -> Pending[Buffer]"))
      .def("get_into", &get_into, "key"_a.none(), "out"_a.none(), "offset"_a, "limit"_a.none(), "if_match"_a,
           "version_id"_a, "verify"_a,
           nb::sig("def get_into(self, key: str, out: object, offset: int, limit: int | None, if_match: str, "
                   "version_id: str, verify: str) -> Pending[int]"),
           "limit: fill only that many bytes of `out`.")
      .def("get_ranges", &get_ranges, "key"_a.none(), "ranges"_a, "if_match"_a, "version_id"_a, "verify"_a,
           nb::sig("def get_ranges(self, key: str, ranges: collections.abc.Sequence[tuple[int, int]], if_match: str, "
                   "version_id: str, verify: str) -> Pending[list[Buffer]]"),
           "Slices of one slab. Every end must lie above its start.")
      .def("get_ranges_into", &get_ranges_into, "key"_a.none(), "ranges"_a, "out"_a.none(), "if_match"_a,
           "version_id"_a, "verify"_a,
           nb::sig("def get_ranges_into(self, key: str, ranges: collections.abc.Sequence[tuple[int, int]], "
                   "out: collections.abc.Sequence[object], if_match: str, version_id: str, verify: str) -> "
                   "Pending[list[int]]"),
           "As many `out` as ranges. The result: bytes read of each.");
}

}  // namespace s3dlio::python
