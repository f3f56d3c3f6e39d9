// How a read or an upload is cut into requests. Pure arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/object_store.h"
#include "engine/transfer/dialect/dialect.h"

namespace s3dlio::transfer {

struct Segment {
  std::byte* data = nullptr;  // null: these bytes are received and thrown away
  uint64_t size = 0;
};

// Bytes [start, end) of the object and where they go, in order; the segments' sizes add up to end - start.
struct PartPlan {
  uint64_t start = 0;
  uint64_t end = 0;
  std::vector<Segment> segments;
};

// The size of the parts an object was uploaded in, told from the "-N" at the end of its etag; 0: unknown or not in
// parts.
uint64_t stored_part_size(std::string_view etag, uint64_t object_size);

// Cuts [start, end) at about `part_size`, at the borders of stored parts where those are known (`stored` > 0), so that
// one request meets one stored part. `memory` holds the byte at `start`. No part is shorter than a quarter of part_size
// unless the whole is.
std::vector<PartPlan> cut_parts(uint64_t start, uint64_t end, std::byte* memory, uint64_t part_size, uint64_t stored);

// Bytes that two ranges share are received once, into the first, and copied from there when all is read.
struct Duplicate {
  const std::byte* from;
  std::byte* to;
  uint64_t size;
  uint64_t offset;  // in the object: those past its end are not copied
};
struct ScatterPlan {
  std::vector<PartPlan> parts;  // ascending
  std::vector<Duplicate> duplicates;
  uint64_t coalesced = 0;  // ranges that share a request with another
};
// Sorts, joins ranges that lie less than `gap` apart, cuts at `part_size`. Empty ranges are left out.
ScatterPlan plan_scatter(std::span<const RangeInto> ranges, uint64_t gap, uint64_t part_size);

// Drops what lies at or past `object_size`.
void trim(PartPlan& plan, uint64_t object_size);
// Where to go on after the first `written` bytes that have a destination have arrived: the offset in the object of the
// next byte that is wanted, and the segments from there. `written` less than all.
PartPlan rest_of(const PartPlan& plan, uint64_t written);
uint64_t wanted_bytes(const PartPlan& plan);  // those with a destination

// ---- uploads ----
// A part size that fits `size` bytes into the allowed number of parts: `wanted` or larger. 0: the object is too large
// for the store.
uint64_t upload_part_size(uint64_t size, uint64_t wanted, const Limits& limits);
// For an upload of unknown length: the size of part `number` (from 1); grows so that the last allowed part is far away.
uint64_t growing_part_size(uint32_t number, uint64_t wanted, const Limits& limits);

}  // namespace s3dlio::transfer
