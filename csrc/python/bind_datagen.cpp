// Made-up contents for benchmarks and tests; s3dlio_core/datagen.py is its face.
#include <nanobind/stl/string.h>

#include "bind.h"
#include "engine/datagen/generate.h"
#include "engine/memory/buffer.h"
#include "engine/transfer/read/slab.h"
#include "errors.h"
#include "lifecycle.h"
#include "memory_view.h"
#include "number.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

void fill(const DataGenerator& generator, Number given_offset, nb::handle out) {
  const uint64_t offset = given_offset.get("offset");
  const Memory memory = Memory::writable(out, "out");
  const auto bytes = memory.bytes();
  if (!transfer::is_inside(offset, bytes.size(), generator.size())) {
    raise_error(ErrorCode::kInvalidArgument, std::to_string(bytes.size()) + " bytes from byte " +
                                                 std::to_string(offset) + " on of generated data of " +
                                                 std::to_string(generator.size()) + " bytes");
  }
  const Unlocked unlocked;
  generator.fill(offset, bytes);
}

Buffer whole(const DataGenerator& generator) {
  Buffer buffer = value_or_raise(BufferPool::instance().allocate(generator.size()));
  const Unlocked unlocked;
  generator.fill(0, buffer.span());
  return buffer;
}

}  // namespace

void bind_datagen(nb::module_& module) {
  nb::class_<DataGenerator>(module, "DataGenerator", "The contents of one made-up object.")
      .def(nb::new_([](uint64_t size, uint64_t seed, uint64_t object_index, double dedup, double compress,
                       uint64_t block_size) {
             return value_or_raise(DataGenerator::make({size, seed, object_index, dedup, compress, block_size}));
           }),
           nb::kw_only(), "size"_a, "seed"_a = 0, "object_index"_a = 0, "dedup"_a = 1.0, "compress"_a = 1.0,
           "block_size"_a = 4096)
      .def("fill", &fill, "offset"_a, "out"_a.none(), nb::sig("def fill(self, offset: int, out: object) -> None"),
           "Writes bytes [offset, offset + size of `out`), which must lie inside the object.")
      .def("to_buffer", &whole, "The whole object.")
      .def_prop_ro("size", &DataGenerator::size)
      .def_prop_ro("block_count", &DataGenerator::block_count)
      .def_prop_ro("unique_blocks", &DataGenerator::unique_blocks);
}

}  // namespace s3dlio::python
