#include "engine/datagen/generate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace s3dlio {
namespace {

DataGenerator generator(const DataSpec& spec) {
  auto made = DataGenerator::make(spec);
  REQUIRE(made.ok());
  return std::move(made).value();
}

std::vector<std::byte> contents(const DataSpec& spec) {
  std::vector<std::byte> bytes(spec.size);
  generator(spec).fill(0, bytes);
  return bytes;
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::set<std::string> distinct_blocks(const DataSpec& spec) {
  const auto bytes = contents(spec);
  std::set<std::string> blocks;
  for (size_t at = 0; at < bytes.size(); at += spec.block_size) {
    blocks.insert(text_of(std::span(bytes).subspan(at, std::min<size_t>(spec.block_size, bytes.size() - at))));
  }
  return blocks;
}

size_t zeros_in(std::span<const std::byte> bytes) {
  return static_cast<size_t>(std::count(bytes.begin(), bytes.end(), std::byte{0}));
}

TEST_CASE("any part comes out as it does in the whole") {
  for (const double compress : {1.0, 1.3, 4.0, 300.0}) {
    for (const double dedup : {1.0, 3.0}) {
      const uint64_t block_size = dedup == 1 ? 4096 : 10'000;
      const DataSpec spec{
          .size = 50'003, .seed = 7, .object_index = 2, .dedup = dedup, .compress = compress, .block_size = block_size};
      const auto whole = contents(spec);
      const auto part_source = generator(spec);
      for (const size_t step : {1u, 7u, 64u, 4095u, 4096u, 9001u}) {
        std::vector<std::byte> joined(spec.size, std::byte{0xEE});
        for (size_t at = 0; at < joined.size(); at += step) {
          part_source.fill(at, std::span(joined).subspan(at, std::min(step, joined.size() - at)));
        }
        CHECK_MESSAGE(joined == whole, "step ", step, " compress ", compress, " dedup ", dedup);
      }
    }
  }
}

TEST_CASE("fill stays inside its span") {
  const auto source = generator({.size = 20'000, .compress = 3});
  for (const size_t size : {0u, 1u, 3u, 9u, 4097u}) {
    std::vector<std::byte> guarded(size + 32, std::byte{0xA5});
    source.fill(4091, std::span(guarded).subspan(16, size));
    const std::span all(guarded);
    for (const auto guard : {all.first(16), all.last(16)}) {
      CHECK(std::all_of(guard.begin(), guard.end(), [](std::byte b) { return b == std::byte{0xA5}; }));
    }
  }
}

TEST_CASE("seed and index make the contents, each by itself") {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    for (uint64_t index = 0; index < 40; ++index) {
      seen.insert(text_of(contents({.size = 64, .seed = seed, .object_index = index, .compress = 2})));
    }
  }
  CHECK(seen.size() == 1600);
  const DataSpec again{.size = 9999, .seed = 3, .object_index = 5};
  CHECK(contents(again) == contents(again));
}

TEST_CASE("round(n / dedup) blocks are unique") {
  for (const double dedup : {1.0, 1.5, 2.0, 3.0, 7.0, 1000.0}) {
    for (const double compress : {1.0, 5.0}) {
      for (const uint64_t blocks : {1u, 2u, 8u, 101u}) {
        const DataSpec spec{.size = blocks * 4096, .seed = 1, .dedup = dedup, .compress = compress};
        const auto expected = std::max<long>(1, std::lround(static_cast<double>(blocks) / dedup));
        CHECK(distinct_blocks(spec).size() == static_cast<size_t>(expected));
        CHECK(generator(spec).unique_blocks() == static_cast<uint64_t>(expected));
      }
    }
  }
}

TEST_CASE("zeros are spread through every block") {
  for (const double compress : {1.25, 2.0, 8.0}) {
    // Read as if by something that sees 4096 bytes at a time, whatever the block size.
    const DataSpec spec{
        .size = 64 * 4096, .seed = 9, .compress = compress, .block_size = compress < 4 ? 65536u : 4096u};
    const auto bytes = contents(spec);
    for (size_t at = 0; at < bytes.size(); at += 4096) {
      const auto zeros = static_cast<double>(zeros_in(std::span(bytes).subspan(at, 4096)));
      const double share = 1 - 1 / compress;
      CHECK(zeros / 4096 == doctest::Approx(share).epsilon(0.08));
    }
  }
}

TEST_CASE("without compress every byte value is equally likely") {
  const auto bytes = contents({.size = 1 << 20, .seed = 4});
  std::array<double, 256> counts{};
  for (const std::byte b : bytes) ++counts[static_cast<size_t>(b)];
  double chi_square = 0;
  for (const double count : counts) chi_square += (count - 4096) * (count - 4096) / 4096;
  CHECK(chi_square < 400);  // 255 degrees of freedom: 1 in 10^8 is above 400
  CHECK(chi_square > 130);
}

TEST_CASE("even the smallest share leaves blocks that differ") {
  CHECK(distinct_blocks({.size = 4096 * 300, .compress = 1e9}).size() == 300);
}

TEST_CASE("sizes that fit no block") {
  CHECK(contents({.size = 0}).empty());
  CHECK(generator({.size = 0}).block_count() == 0);
  CHECK(contents({.size = 1}).size() == 1);
  CHECK(generator({.size = 4097}).block_count() == 2);
  const auto huge = generator({.size = UINT64_MAX, .dedup = 2, .compress = 3});
  std::array<std::byte, 16> first{}, second{};
  huge.fill(UINT64_MAX - 16, first);
  huge.fill(UINT64_MAX - 16, second);
  CHECK(first == second);
}

TEST_CASE("what cannot be made is refused") {
  const auto code_of = [](const DataSpec& spec) {
    const auto made = DataGenerator::make(spec);
    return made.ok() ? std::string("made") : std::string(made.error().message);
  };
  const std::string from_one = "a number from 1";
  for (const double bad : {0.0, 0.99, -1.0, static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
    CHECK(code_of({.size = 1, .dedup = bad}).find(from_one) != std::string::npos);
    CHECK(code_of({.size = 1, .compress = bad}).find(from_one) != std::string::npos);
  }
  CHECK(code_of({.size = 1, .block_size = 511}).find("512 to") != std::string::npos);
  CHECK(code_of({.size = 1, .block_size = (64 << 20) + 1}).find("512 to") != std::string::npos);
  CHECK(code_of({.size = 1, .block_size = 512}) == "made");
}

// A data set named by its seed must be the same next year and on another machine.
TEST_CASE("the bytes of a seed never change") {
  const auto plain = contents({.size = 16, .seed = 1});
  const auto sparse = contents({.size = 10'000, .seed = 1, .object_index = 3, .dedup = 2, .compress = 2.5});
  uint64_t sum = 0;
  for (const std::byte b : sparse) sum = sum * 31 + static_cast<uint64_t>(b);
  uint64_t front = 0;
  std::memcpy(&front, plain.data(), 8);
  CHECK(front == 16211036847678748334u);
  CHECK(sum == 17873466471951853526u);
}

}  // namespace
}  // namespace s3dlio
