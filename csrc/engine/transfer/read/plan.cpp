#include "engine/transfer/read/plan.h"

#include <algorithm>
#include <charconv>

namespace s3dlio::transfer {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kPage = 4096;

uint64_t div_ceil(uint64_t value, uint64_t by) { return value / by + (value % by != 0 ? 1 : 0); }
uint64_t round_up(uint64_t value, uint64_t to) { return div_ceil(value, to) * to; }

// The first border after `position`.
uint64_t next_border(uint64_t position, uint64_t part_size, uint64_t stored) {
  if (stored == 0) return position + part_size;
  if (stored <= part_size) {
    const uint64_t unit = stored * (part_size / stored);
    return (position / unit + 1) * unit;
  }
  const uint64_t piece = round_up(div_ceil(stored, div_ceil(stored, part_size)), kPage);
  const uint64_t base = position / stored * stored;
  return std::min(base + stored, base + ((position - base) / piece + 1) * piece);
}

void append(PartPlan& part, std::byte* data, uint64_t size) {
  if (size == 0) return;
  if (!part.segments.empty()) {  // neighbours in the object that are neighbours in memory become one
    Segment& last = part.segments.back();
    if ((data == nullptr && last.data == nullptr) ||
        (data != nullptr && last.data != nullptr && last.data + last.size == data)) {
      last.size += size;
      part.end += size;
      return;
    }
  }
  part.segments.push_back({data, size});
  part.end += size;
}

// Bytes already assigned to a destination, ascending and without overlap.
struct Assigned {
  uint64_t start;
  uint64_t end;
  std::byte* data;
};

void copy_from_assigned(const std::vector<Assigned>& assigned, uint64_t start, uint64_t end, std::byte* to,
                        std::vector<Duplicate>& duplicates) {
  auto found = std::upper_bound(assigned.begin(), assigned.end(), start,
                                [](uint64_t position, const Assigned& each) { return position < each.end; });
  for (; start < end; ++found) {
    const uint64_t size = std::min(end, found->end) - start;
    duplicates.push_back({found->data + (start - found->start), to, size, start});
    start += size;
    to += size;
  }
}

// Cuts off what stands at the end of a part without a destination.
void drop_trailing_gap(PartPlan& part) {
  while (!part.segments.empty() && part.segments.back().data == nullptr) {
    part.end -= part.segments.back().size;
    part.segments.pop_back();
  }
}

}  // namespace

uint64_t stored_part_size(std::string_view etag, uint64_t object_size) {
  while (!etag.empty() && etag.back() == '"') etag.remove_suffix(1);
  const size_t dash = etag.rfind('-');
  if (dash == std::string_view::npos || dash + 1 == etag.size()) return 0;
  uint64_t parts = 0;
  const char* last = etag.data() + etag.size();
  const auto [end, failure] = std::from_chars(etag.data() + dash + 1, last, parts);
  if (failure != std::errc() || end != last || parts < 2 || parts > 100'000 || object_size < parts) return 0;
  // Uploaders choose whole mebibytes nearly always; if none explains N parts, they chose something else.
  const uint64_t guess = round_up(div_ceil(object_size, parts), kMiB);
  return div_ceil(object_size, guess) == parts ? guess : 0;
}

std::vector<PartPlan> cut_parts(uint64_t start, uint64_t end, std::byte* memory, uint64_t part_size, uint64_t stored) {
  std::vector<PartPlan> parts;
  uint64_t position = start;
  while (position < end) {
    uint64_t border = next_border(position, part_size, stored);
    if (border - position < part_size / 4) border = next_border(border, part_size, stored);
    if (border >= end || end - border < part_size / 4) border = end;
    parts.push_back({position, border, {{memory + (position - start), border - position}}});
    position = border;
  }
  return parts;
}

ScatterPlan plan_scatter(std::span<const RangeInto> ranges, uint64_t gap, uint64_t part_size) {
  std::vector<const RangeInto*> sorted;
  for (const RangeInto& range : ranges) {
    if (!range.out.empty()) sorted.push_back(&range);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });

  ScatterPlan plan;
  std::vector<Assigned> assigned;
  std::vector<uint32_t> sharers;  // per part
  const auto open_part = [&](uint64_t start) {
    plan.parts.push_back({start, start, {}});
    sharers.push_back(0);
  };
  uint64_t reached = 0;  // every byte before it that is wanted has a place
  for (const RangeInto* range : sorted) {
    uint64_t start = range->offset;
    const uint64_t end = start + range->out.size();
    std::byte* data = range->out.data();
    if (!plan.parts.empty() && start < reached) {
      const uint64_t shared_end = std::min(end, reached);
      copy_from_assigned(assigned, start, shared_end, data, plan.duplicates);
      data += shared_end - start;
      start = shared_end;
      ++plan.coalesced;
      if (start == end) continue;
    }
    assigned.push_back({start, end, data});
    if (plan.parts.empty() || start - reached > gap || plan.parts.back().end - plan.parts.back().start >= part_size) {
      open_part(start);
    } else if (start > reached) {
      append(plan.parts.back(), nullptr, start - reached);
    }
    ++sharers.back();
    while (start < end) {
      PartPlan* part = &plan.parts.back();
      if (part->end - part->start >= part_size) {
        drop_trailing_gap(*part);
        open_part(start);
        part = &plan.parts.back();
        ++sharers.back();
      }
      const uint64_t size = std::min(end - start, part_size - (part->end - part->start));
      append(*part, data, size);
      data += size;
      start += size;
    }
    reached = end;
  }
  for (PartPlan& part : plan.parts) drop_trailing_gap(part);
  for (const uint32_t count : sharers) plan.coalesced += count > 1 ? count : 0;
  return plan;
}

void trim(PartPlan& plan, uint64_t object_size) {
  while (!plan.segments.empty() && plan.end > object_size) {
    Segment& last = plan.segments.back();
    const uint64_t cut = std::min(last.size, plan.end - object_size);
    last.size -= cut;
    plan.end -= cut;
    if (last.size == 0) plan.segments.pop_back();
  }
  drop_trailing_gap(plan);
}

PartPlan rest_of(const PartPlan& plan, uint64_t written) {
  PartPlan rest{plan.start, plan.end, {}};
  bool skipping = true;
  for (const Segment& segment : plan.segments) {
    if (!skipping) {
      rest.segments.push_back(segment);
      continue;
    }
    if (segment.data == nullptr || segment.size <= written) {
      rest.start += segment.size;
      if (segment.data != nullptr) written -= segment.size;
      continue;
    }
    rest.start += written;
    rest.segments.push_back({segment.data + written, segment.size - written});
    skipping = false;
  }
  return rest;
}

uint64_t wanted_bytes(const PartPlan& plan) {
  uint64_t bytes = 0;
  for (const Segment& segment : plan.segments) bytes += segment.data != nullptr ? segment.size : 0;
  return bytes;
}

uint64_t upload_part_size(uint64_t size, uint64_t wanted, const Limits& limits) {
  uint64_t part = std::clamp(wanted, limits.min_part_size, limits.max_part_size);
  if (div_ceil(size, part) > limits.max_parts) part = div_ceil(size, limits.max_parts);
  if (part >= kMiB && part > wanted) part = round_up(part, kMiB);
  return part > limits.max_part_size ? 0 : part;
}

uint64_t growing_part_size(uint32_t number, uint64_t wanted, const Limits& limits) {
  // Doubles ten times on the way to the last part: 8 MiB becomes 8 GiB, 10,000 parts hold 8 TiB.
  const uint32_t doublings =
      static_cast<uint32_t>(static_cast<uint64_t>(number - 1) * 10 / std::max(1u, limits.max_parts));
  const uint64_t part = std::clamp(wanted, limits.min_part_size, limits.max_part_size);
  return std::min(part << std::min(doublings, 20u), limits.max_part_size);
}

}  // namespace s3dlio::transfer
