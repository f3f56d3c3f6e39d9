// Checksums over memory of Python's; s3dlio_core/checksum.py is their face.
#include <nanobind/stl/string.h>

#include <algorithm>
#include <string>

#include "bind.h"
#include "engine/crc/crc.h"
#include "errors.h"
#include "lifecycle.h"
#include "memory_view.h"
#include "number.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

// Letting go of the GIL and taking it again costs more than the checksum of less than this.
constexpr size_t kWorthUnlocking = 8 << 10;

template <class Work>
auto unlocked_if_large(size_t size, const Work& work) {
  if (size < kWorthUnlocking) return work();
  const Unlocked unlocked;
  return work();
}

template <ChecksumKind kKind, class Value>
Value crc(nb::handle data, Value value) {
  const Memory memory = Memory::readable(data, "data");
  const auto bytes = memory.const_bytes();
  return unlocked_if_large(bytes.size(), [&] { return static_cast<Value>(crc_update(kKind, value, bytes)); });
}

nb::bytes crc32_blocks(nb::handle data, Number given_block_size) {
  const uint64_t block_size = given_block_size.get("block_size");
  if (block_size == 0) raise_error(ErrorCode::kInvalidArgument, "block_size is 0; expected at least 1");
  const Memory memory = Memory::readable(data, "data");
  const auto bytes = memory.const_bytes();
  std::string values;
  unlocked_if_large(bytes.size(), [&] {
    values.reserve(bytes.size() / block_size * 4 + 4);
    for (auto rest = bytes; !rest.empty();) {
      const auto block = rest.first(std::min<size_t>(block_size, rest.size()));
      rest = rest.subspan(block.size());
      const uint64_t value = crc_update(ChecksumKind::kCrc32, 0, block);
      for (int shift = 0; shift < 32; shift += 8) values += static_cast<char>((value >> shift) & 0xFF);
    }
  });
  return nb::bytes(values.data(), values.size());
}

uint32_t crc32_combine(uint32_t first, uint32_t second, Number second_size) {
  return static_cast<uint32_t>(crc_combine(ChecksumKind::kCrc32, first, second, second_size.get("second_size")));
}

}  // namespace

void bind_checksum(nb::module_& module) {
  module.def("crc32", &crc<ChecksumKind::kCrc32, uint32_t>, "data"_a.none(), "value"_a = 0,
             nb::sig("def crc32(data: object, value: int = 0) -> int"));
  module.def("crc32c", &crc<ChecksumKind::kCrc32c, uint32_t>, "data"_a.none(), "value"_a = 0,
             nb::sig("def crc32c(data: object, value: int = 0) -> int"));
  module.def("crc64nvme", &crc<ChecksumKind::kCrc64Nvme, uint64_t>, "data"_a.none(), "value"_a = 0,
             nb::sig("def crc64nvme(data: object, value: int = 0) -> int"));
  module.def("crc32_blocks", &crc32_blocks, "data"_a.none(), "block_size"_a,
             nb::sig("def crc32_blocks(data: object, block_size: int) -> bytes"),
             "Four little-endian bytes a block; the last block may be shorter.");
  module.def("crc32_combine", &crc32_combine, "first"_a, "second"_a, "second_size"_a);
}

}  // namespace s3dlio::python
