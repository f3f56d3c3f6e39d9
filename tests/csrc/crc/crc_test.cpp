#include "engine/crc/crc.h"

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <string_view>
#include <vector>

#include "engine/crc/crc_impl.h"

using namespace s3dlio;

namespace {

constexpr std::array kKinds{ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme};
constexpr std::array kSets{crc::Instructions::kTable, crc::Instructions::kPclmul, crc::Instructions::kVpclmul,
                           crc::Instructions::kPmull};

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::byte> random_bytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> data(size);
  for (auto& byte : data) byte = static_cast<std::byte>(random());
  return data;
}

// One bit at a time, straight from the definition; shares nothing with the code under test.
uint64_t bitwise(ChecksumKind kind, uint64_t state, std::span<const std::byte> data) {
  const uint64_t polynomial = kind == ChecksumKind::kCrc32    ? 0xEDB88320ull
                              : kind == ChecksumKind::kCrc32c ? 0x82F63B78ull
                                                              : 0x9A6C9329AC4BC9B5ull;
  for (const std::byte byte : data) {
    state ^= std::to_integer<uint64_t>(byte);
    for (int bit = 0; bit < 8; ++bit) state = (state & 1) ? (state >> 1) ^ polynomial : state >> 1;
  }
  return state;
}

}  // namespace

TEST_CASE("the published check values hold") {
  const auto check = bytes_of("123456789");
  CHECK(crc_update(ChecksumKind::kCrc32, 0, check) == 0xCBF43926u);
  CHECK(crc_update(ChecksumKind::kCrc32c, 0, check) == 0xE3069283u);
  CHECK(crc_update(ChecksumKind::kCrc64Nvme, 0, check) == 0xAE8B14860A799888ull);
  for (const auto kind : kKinds) CHECK(crc_update(kind, 0, {}) == 0);
  CHECK(crc_update(ChecksumKind::kNone, 0, check) == 0);
}

TEST_CASE("every implementation agrees with the definition at every size and alignment") {
  const auto data = random_bytes(2100, 1);
  for (const auto kind : kKinds) {
    const uint64_t start = kind == ChecksumKind::kCrc64Nvme ? 0x0123456789ABCDEFull : 0x89ABCDEFull;
    for (size_t offset = 0; offset < 64; offset += (offset < 17 ? 1 : 13)) {
      uint64_t expected = start;
      for (size_t size = 0; size <= 2000; ++size) {
        if (size > 0) expected = bitwise(kind, expected, {data.data() + offset + size - 1, 1});
        for (const auto set : kSets) {
          if (!crc::supported(set)) continue;
          const uint64_t got = crc::update_function(kind, set)(start, data.data() + offset, size);
          if (got != expected) {
            FAIL(crc_name(kind), " ", crc::name_of(set), " size ", size, " offset ", offset);
          }
        }
      }
    }
  }
}

TEST_CASE("large sizes around the folding strides agree with the table") {
  const auto data = random_bytes((1 << 20) + 4096, 2);
  for (const auto kind : kKinds) {
    for (const size_t size : {4095ul, 4096ul, 65535ul, 65537ul, 99999ul, 1048576ul, 1048577ul + 300}) {
      const uint64_t expected = crc::update_function(kind, crc::Instructions::kTable)(7, data.data() + 3, size);
      for (const auto set : kSets) {
        if (crc::supported(set)) CHECK(crc::update_function(kind, set)(7, data.data() + 3, size) == expected);
      }
    }
  }
}

TEST_CASE("a message may be fed in pieces") {
  const auto data = random_bytes(5000, 3);
  const std::span all(data);
  for (const auto kind : kKinds) {
    const uint64_t whole = crc_update(kind, 0, all);
    for (const size_t cut : {0ul, 1ul, 15ul, 16ul, 511ul, 512ul, 2500ul, 4999ul, 5000ul}) {
      CHECK(crc_update(kind, crc_update(kind, 0, all.first(cut)), all.subspan(cut)) == whole);
    }
  }
}

TEST_CASE("combine joins the checksums of neighbours") {
  const auto data = random_bytes(5000, 4);
  const std::span all(data);
  for (const auto kind : kKinds) {
    const uint64_t whole = crc_update(kind, 0, all);
    for (const size_t cut : {0ul, 1ul, 100ul, 2500ul, 4096ul, 4999ul, 5000ul}) {
      const uint64_t first = crc_update(kind, 0, all.first(cut));
      const uint64_t second = crc_update(kind, 0, all.subspan(cut));
      CHECK(crc_combine(kind, first, second, all.size() - cut) == whole);
    }
  }
}

TEST_CASE("combine knows sizes no test could feed") {
  for (const auto kind : kKinds) {
    // (a, n) then (b, m) then (c, k) gives the same whichever pair is joined first.
    const uint64_t n = 1ull << 42, m = (1ull << 40) + 12345, a = 0x1234, b = 0x5678, c = 0x9ABC;
    const uint64_t left = crc_combine(kind, crc_combine(kind, a, b, n), c, m);
    const uint64_t right = crc_combine(kind, a, crc_combine(kind, b, c, m), n + m);
    CHECK(left == right);
    CHECK(crc_combine(kind, a, b, ~0ull) != crc_combine(kind, a, b, ~0ull >> 1));
  }
}

TEST_CASE("base64 is the big-endian form S3 uses") {
  CHECK(crc_to_base64(ChecksumKind::kCrc32, 0xCBF43926u) == "y/Q5Jg==");
  CHECK(crc_to_base64(ChecksumKind::kCrc32c, 0xE3069283u) == "4waSgw==");
  CHECK(crc_to_base64(ChecksumKind::kCrc64Nvme, 0xAE8B14860A799888ull) == "rosUhgp5mIg=");
  std::mt19937_64 random(5);
  for (int i = 0; i < 1000; ++i) {
    for (const auto kind : kKinds) {
      const uint64_t value = kind == ChecksumKind::kCrc64Nvme ? random() : random() & 0xFFFFFFFFu;
      CHECK(crc_from_base64(kind, crc_to_base64(kind, value)) == value);
    }
  }
}

TEST_CASE("what is not that checksum's base64 is refused") {
  CHECK_FALSE(crc_from_base64(ChecksumKind::kCrc32, ""));
  CHECK_FALSE(crc_from_base64(ChecksumKind::kCrc32, "y/Q5Jg"));
  CHECK_FALSE(crc_from_base64(ChecksumKind::kCrc32, "y/Q5Jh=="));  // padding bits not zero
  CHECK_FALSE(crc_from_base64(ChecksumKind::kCrc32, "y/Q5Jg=A"));
  CHECK_FALSE(crc_from_base64(ChecksumKind::kCrc32, "y/Q5J*=="));
  CHECK_FALSE(crc_from_base64(ChecksumKind::kCrc32, "y/Q5Jg==-2"));
  CHECK_FALSE(crc_from_base64(ChecksumKind::kCrc32, "rosUhgp5mIg="));
  CHECK_FALSE(crc_from_base64(ChecksumKind::kCrc64Nvme, "y/Q5Jg=="));
  CHECK_FALSE(crc_from_base64(ChecksumKind::kNone, "y/Q5Jg=="));
}

TEST_CASE("names say what is used") {
  CHECK(crc_name(ChecksumKind::kCrc64Nvme) == "crc64nvme");
  CHECK(crc_name(ChecksumKind::kNone) == "none");
  const bool folds = crc::supported(crc::Instructions::kPclmul) || crc::supported(crc::Instructions::kPmull);
  CHECK((crc_implementation(ChecksumKind::kCrc32) != "table") == folds);
}
