// get_many_into: a batch of objects, each to its place in one piece of memory.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <tuple>

#include "bind.h"
#include "engine/fetch/get_many.h"
#include "engine/transfer/read/slab.h"
#include "item_span.h"
#include "lifecycle.h"
#include "memory_view.h"
#include "pending.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

// key, size, start, end, etag
using Item = std::tuple<nb::str, std::optional<Number>, Number, Number, std::string>;

Pending get_many_into(NativeStore& store, const std::vector<Item>& items, nb::handle out,
                      const std::vector<Number>& given_offsets, Number window_requests) {
  return store.call_on_all("get_many_into", [&](const std::shared_ptr<ObjectStore>& engine) {
    std::vector<Memory> held;
    held.push_back(Memory::writable(out, "out"));
    const auto bytes = held[0].bytes();
    std::vector<uint64_t> offsets;
    for (const Number offset : given_offsets) offsets.push_back(offset.get("offsets"));
    if (const auto error = transfer::misplaced(offsets, items.size(), bytes.size())) raise_error(*error);
    const auto most = window_requests.get_as<uint32_t>("window_requests");
    std::vector<fetch::ReadItem> wanted;
    wanted.reserve(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      const auto& [key, size, start, end, etag] = items[i];
      const auto [first, last] = item_span(start, end);
      wanted.push_back({{store.full_key(key), get(size, "size"), first, last, etag},
                        bytes.subspan(offsets[i], offsets[i + 1] - offsets[i])});
    }
    auto future = [&] {
      const Unlocked unlocked;
      return fetch::get_many_into(engine, std::move(wanted), most);
    }();
    return make_pending(std::move(future), std::move(held),
                        [](std::vector<uint64_t>&& read) { return nb::cast(std::move(read)); });
  });
}

}  // namespace

void bind_get_many(StoreClass& store) {
  store.def("get_many_into", &get_many_into, "items"_a, "out"_a.none(), "offsets"_a, "window_requests"_a,
            nb::sig("def get_many_into(self, items: collections.abc.Sequence[tuple[str, int | None, int, int, str]], "
                    "out: object, offsets: collections.abc.Sequence[int], window_requests: int) -> "
                    "Pending[list[int]]"),
            "items: (key, size or None, start, end or 0 for the object's end, etag or \"\"); item i goes to "
            "out[offsets[i]:offsets[i + 1]], exactly.");
}

}  // namespace s3dlio::python
