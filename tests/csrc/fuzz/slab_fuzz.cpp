// rooms: transfer
// Whatever numbers a door is given: either they are refused, or every range has its own place in the memory that was
// asked for, and the requests planned for them write to these places and nowhere else.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "engine/transfer/read/plan.h"
#include "engine/transfer/read/slab.h"

namespace {

using s3dlio::RangeInto;
using s3dlio::transfer::kMaxObjectBytes;
using s3dlio::transfer::PartPlan;
using s3dlio::transfer::Segment;
using s3dlio::transfer::Slab;
using s3dlio::transfer::Span;
using Wide = unsigned __int128;

constexpr uint64_t kMostMemory = 1 << 16;

void require(bool condition) {
  if (!condition) std::abort();
}

class Numbers {
 public:
  Numbers(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  // Small numbers and those near the ends of 31, 32, 63 and 64 bits come up as often as any.
  uint64_t next() {
    constexpr uint64_t kEdges[] = {0, 0, 0, 1ULL << 31, 1ULL << 32, 1ULL << 62, 1ULL << 63, UINT64_MAX};
    const uint64_t kind = byte();
    if (kind & 0x80) return static_cast<uint64_t>(byte()) << 56 | byte() << 32 | byte() << 16 | byte();
    return kEdges[kind % 8] + (static_cast<uint64_t>(byte()) << 8 | byte()) - (kind & 0x40 ? 512 : 0);
  }

 private:
  uint64_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  const uint8_t* data_;
  size_t size_;
};

bool is_sound(const Span& span) { return span.end > span.start && span.start <= kMaxObjectBytes; }

Wide needed(const std::vector<Span>& spans, uint64_t alignment) {
  Wide total = 0;
  for (const Span& span : spans) {
    const Wide size = span.end - span.start;
    total += (size + alignment - 1) / alignment * alignment;
  }
  return total;
}

void check_part(const PartPlan& part, const std::vector<std::byte>& memory) {
  require(part.start < part.end);
  Wide sum = 0;
  for (const Segment& segment : part.segments) {
    sum += segment.size;
    if (segment.data == nullptr) continue;
    require(segment.data >= memory.data() && segment.data + segment.size <= memory.data() + memory.size());
  }
  require(sum == part.end - part.start);
}

void check_plan(const std::vector<Span>& spans, const Slab& slab, uint64_t gap, uint64_t part_size) {
  std::vector<std::byte> memory(slab.size);
  std::vector<RangeInto> ranges;
  for (size_t i = 0; i < spans.size(); ++i) {
    ranges.push_back({spans[i].start, std::span(memory).subspan(slab.places[i], spans[i].end - spans[i].start)});
  }
  auto plan = s3dlio::transfer::plan_scatter(ranges, gap, part_size);
  uint64_t wanted = 0;
  for (const PartPlan& part : plan.parts) {
    check_part(part, memory);
    for (const Segment& segment : part.segments) {
      if (segment.data != nullptr) std::memset(segment.data, 1, segment.size);
    }
    wanted += s3dlio::transfer::wanted_bytes(part);
  }
  for (const auto& copy : plan.duplicates) {
    std::memcpy(copy.to, copy.from, copy.size);
    wanted += copy.size;
  }
  uint64_t asked = 0;
  for (const RangeInto& range : ranges) {
    asked += range.out.size();
    require(std::all_of(range.out.begin(), range.out.end(), [](std::byte byte) { return byte == std::byte{1}; }));
  }
  require(wanted == asked);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Numbers numbers(data, size);
  const uint64_t alignment = std::max<uint64_t>(1, numbers.next() % 4097);
  const uint64_t gap = numbers.next();
  const uint64_t part_size = std::max<uint64_t>(1, numbers.next());
  std::vector<Span> spans;
  while (!numbers.empty() && spans.size() < 64) {
    const uint64_t start = numbers.next();
    spans.push_back({start, numbers.next()});
    if (spans.back().end < start && start - spans.back().end < 1024) std::swap(spans.back().start, spans.back().end);
  }
  const auto slab = s3dlio::transfer::lay_out(spans, alignment);
  const bool sound = std::all_of(spans.begin(), spans.end(), is_sound);
  require(slab.ok() == (sound && needed(spans, alignment) <= kMaxObjectBytes));
  if (!slab) return 0;
  require(slab->places.size() == spans.size() && slab->size == needed(spans, alignment));
  Wide reached = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    require(slab->places[i] % alignment == 0 && slab->places[i] >= reached);
    reached = static_cast<Wide>(slab->places[i]) + (spans[i].end - spans[i].start);
    require(reached <= slab->size);
  }
  // Parts of a few bytes are as many as there are bytes.
  if (slab->size <= kMostMemory && !spans.empty()) check_plan(spans, *slab, gap, std::max<uint64_t>(part_size, 16));
  return 0;
}
