// Counters and the memory pool.
#include <nanobind/stl/string_view.h>

#include "bind.h"
#include "engine/crc/crc.h"
#include "engine/memory/buffer.h"
#include "engine/stats/stats.h"
#include "lifecycle.h"
#include "memory_view.h"
#include "number.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

nb::dict stats() {
  nb::dict all;
  for (const auto& [name, value] : counters_snapshot()) all[name.c_str()] = value;
  const BufferPoolUsage usage = BufferPool::instance().usage();
  all["pool_in_use_bytes"] = usage.in_use_bytes;
  all["pool_idle_bytes"] = usage.idle_bytes;
  all["pool_cap_bytes"] = usage.cap_bytes;
  return all;
}

}  // namespace

void bind_stats(nb::module_& module) {
  module.def("stats", &stats, nb::sig("def stats() -> dict[str, int]"));
  module.def("reset_stats", &counters_reset);
  module.def("set_pool_cap_bytes", [](Number cap) { BufferPool::instance().set_cap_bytes(cap.get("cap")); }, "cap"_a);
  module.def("trim_pool", [] {
    const Unlocked unlocked;
    BufferPool::instance().trim();
  });
  module.def(
      "crc_implementations",
      [] {
        nb::dict all;
        for (const ChecksumKind kind : {ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme}) {
          all[nb::cast(crc_name(kind))] = crc_implementation(kind);
        }
        return all;
      },
      nb::sig("def crc_implementations() -> dict[str, str]"), "What computes each checksum on this machine.");
}

}  // namespace s3dlio::python
