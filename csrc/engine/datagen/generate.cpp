#include "engine/datagen/generate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "engine/datagen/random_stream.h"

namespace s3dlio {
namespace {

// Shorter random runs would cost zstd more to describe than they are worth; shorter segments would only cost time.
constexpr double kShortestRun = 256;
constexpr uint64_t kShortestSegment = 512;
// What zstd's own bookkeeping takes, in bytes (measured over levels 1 to 19): a run of zeros, and a frame. Random bytes
// give way to it, or small objects and high ratios would fall short.
constexpr uint64_t kRunOverhead = 3;
constexpr uint64_t kFrameOverhead = 15;
// Enough that blocks of one data set never meet by chance.
constexpr uint64_t kLeastRandom = 8;
// Fractions of a byte, in 1/65536, carried from block to block so that the whole object has its exact share.
constexpr uint64_t kFraction = uint64_t{1} << 16;

bool is_ratio(double value) { return std::isfinite(value) && value >= 1; }

uint64_t minus(uint64_t value, uint64_t less) { return value > less ? value - less : 0; }

}  // namespace

Result<DataGenerator> DataGenerator::make(const DataSpec& spec) {
  const auto refuse = [](const std::string& found, const std::string& expected) {
    return make_error(ErrorCode::kInvalidArgument, found + "; expected " + expected);
  };
  if (!is_ratio(spec.dedup)) return refuse("dedup is " + std::to_string(spec.dedup), "a number from 1");
  if (!is_ratio(spec.compress)) return refuse("compress is " + std::to_string(spec.compress), "a number from 1");
  if (spec.block_size < kMinBlockSize || spec.block_size > kMaxBlockSize) {
    return refuse("block_size is " + std::to_string(spec.block_size),
                  std::to_string(kMinBlockSize) + " to " + std::to_string(kMaxBlockSize) + " bytes");
  }
  return DataGenerator(spec);
}

DataGenerator::DataGenerator(const DataSpec& spec) : inner_spec_(spec) {
  inner_block_count_ = spec.size / spec.block_size + (spec.size % spec.block_size != 0 ? 1 : 0);
  const double unique = std::round(static_cast<double>(inner_block_count_) / spec.dedup);
  inner_unique_blocks_ = spec.dedup == 1 ? inner_block_count_ : static_cast<uint64_t>(unique);
  inner_unique_blocks_ = std::max<uint64_t>(inner_unique_blocks_, 1);
  // Mixed twice: neighbouring seeds with neighbouring indices must not meet.
  inner_object_key_ = mix64(mix64(spec.seed + 0x9e3779b97f4a7c15u) + spec.object_index);
}

DataGenerator::Layout DataGenerator::layout_of(uint64_t block) const {
  Layout layout;
  layout.length = std::min(inner_spec_.block_size, inner_spec_.size - block * inner_spec_.block_size);
  layout.random_bytes = layout.length;
  if (inner_spec_.compress == 1) return layout;

  const double share = static_cast<double>(layout.length) / inner_spec_.compress;
  layout.runs = std::clamp<uint64_t>(static_cast<uint64_t>(share / kShortestRun), 1,
                                     std::max<uint64_t>(layout.length / kShortestSegment, 1));
  const uint64_t content = block % inner_unique_blocks_;
  const uint64_t fixed = static_cast<uint64_t>(std::llround(share * kFraction));
  const uint64_t fraction = fixed % kFraction;
  const uint64_t carry = ((content * fraction) % kFraction + fraction) / kFraction;
  const uint64_t overhead = layout.runs * kRunOverhead + (content == 0 ? kFrameOverhead : 0);
  const uint64_t least = std::min(kLeastRandom, layout.length);
  layout.random_bytes = std::clamp(minus(fixed / kFraction + carry, overhead), least, layout.length);
  return layout;
}

void DataGenerator::fill_block(uint64_t block, uint64_t begin, std::span<std::byte> out) const {
  const Layout layout = layout_of(block);
  const RandomStream stream(inner_object_key_ ^ mix64(block % inner_unique_blocks_));
  if (inner_spec_.compress == 1) return stream.fill(begin, out);

  std::memset(out.data(), 0, out.size());
  const uint64_t end = begin + out.size();
  const uint64_t words_per_run = layout.random_bytes / layout.runs / 8 + 2;  // a run starts on a word of its own
  for (uint64_t run = begin * layout.runs / layout.length; run < layout.runs; ++run) {
    const uint64_t run_start = layout.length * run / layout.runs;
    if (run_start >= end) break;
    const uint64_t run_size = layout.random_bytes * (run + 1) / layout.runs - layout.random_bytes * run / layout.runs;
    const uint64_t segment_end = layout.length * (run + 1) / layout.runs;
    const uint64_t from = std::max(begin, run_start);
    const uint64_t to = std::min({end, run_start + run_size, segment_end});
    if (from >= to) continue;
    stream.fill(run * words_per_run * 8 + (from - run_start), out.subspan(from - begin, to - from));
  }
}

void DataGenerator::fill(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const uint64_t block = offset / inner_spec_.block_size;
    const uint64_t begin = offset % inner_spec_.block_size;
    const size_t count = std::min<uint64_t>(out.size(), inner_spec_.block_size - begin);
    fill_block(block, begin, out.first(count));
    out = out.subspan(count);
    offset += count;
  }
}

}  // namespace s3dlio
