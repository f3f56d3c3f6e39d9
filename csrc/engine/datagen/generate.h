// Made-up object contents for benchmarks and tests: exact in size, repeatable, and as compressible and repetitive as
// asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/base/result.h"

namespace s3dlio {

// What one object's contents shall be. Equal specs give equal bytes on every machine and in every release.
struct DataSpec {
  uint64_t size = 0;           // bytes, exact
  uint64_t seed = 0;           // of a whole data set
  uint64_t object_index = 0;   // objects of one seed differ from each other by this alone
  double dedup = 1;            // D: of n blocks, round(n / D) are unique (at least one)
  double compress = 1;         // C: zstd shrinks unique data C : 1; 1 is incompressible
  uint64_t block_size = 4096;  // bytes; what `dedup` counts, and in each of which `compress` holds
};

// The contents of one object; any part of it can be asked for at any time and comes out the same.
//
// dedup: equal blocks lie as far apart as the object allows, unique_blocks() * block_size. A compressor whose window is
// wider than that finds them and shrinks the data further than `compress` says.
// compress: each block alternates runs of random bytes and of zeros, so a compressor of small records sees the same
// ratio. Every block keeps at least 8 random bytes, so that no two are equal by chance: the ratio ends near block_size
// / 16.
//
// Immutable after make(); any thread may fill from it.
class DataGenerator {
 public:
  // kInvalidArgument: dedup or compress below 1 or not finite, block_size outside [kMinBlockSize, kMaxBlockSize].
  static Result<DataGenerator> make(const DataSpec& spec);

  static constexpr uint64_t kMinBlockSize = 512;
  static constexpr uint64_t kMaxBlockSize = uint64_t{64} << 20;

  // Writes the object's bytes [offset, offset + out.size()), which the caller keeps inside [0, size()).
  void fill(uint64_t offset, std::span<std::byte> out) const;

  uint64_t size() const { return inner_spec_.size; }
  uint64_t block_count() const { return inner_block_count_; }  // the last one may be short
  uint64_t unique_blocks() const { return inner_unique_blocks_; }

 private:
  explicit DataGenerator(const DataSpec& spec);

  struct Layout {  // how one block divides: `runs` equal segments, each random at its front and zero behind
    uint64_t length = 0;
    uint64_t random_bytes = 0;
    uint64_t runs = 1;
  };
  Layout layout_of(uint64_t block) const;
  void fill_block(uint64_t block, uint64_t begin, std::span<std::byte> out) const;

  DataSpec inner_spec_;
  uint64_t inner_block_count_ = 0;
  uint64_t inner_unique_blocks_ = 0;
  uint64_t inner_object_key_ = 0;
};

}  // namespace s3dlio
