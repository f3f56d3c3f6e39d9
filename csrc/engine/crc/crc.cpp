#include "engine/crc/crc.h"

#include <array>

#include "engine/crc/crc_impl.h"

namespace s3dlio {
namespace crc {
namespace {

// a * b mod P, all three reflected in the width of P.
template <ChecksumKind kKind>
constexpr uint64_t multiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  for (uint64_t bit = uint64_t{1} << (Polynomial<kKind>::kBits - 1); bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = times_x<kKind>(b);
  }
  return product;
}

// x^(2^k) mod P for every bit k of a size given in bits (64-bit count of bytes, times 8).
template <ChecksumKind kKind>
constexpr auto make_squares() {
  std::array<uint64_t, 67> squares{};
  squares[0] = uint64_t{1} << (Polynomial<kKind>::kBits - 2);  // x
  for (size_t k = 1; k < squares.size(); ++k) squares[k] = multiply<kKind>(squares[k - 1], squares[k - 1]);
  return squares;
}
template <ChecksumKind kKind>
constexpr auto kSquares = make_squares<kKind>();

// Inversion at start and end cancels out, so finished values combine like raw ones.
template <ChecksumKind kKind>
uint64_t combine(uint64_t first, uint64_t second, uint64_t second_size) {
  for (size_t k = 3; second_size != 0; ++k, second_size >>= 1) {
    if (second_size & 1) first = multiply<kKind>(kSquares<kKind>[k], first);
  }
  return first ^ second;
}

Instructions best_instructions() {
  for (const auto set : {Instructions::kVpclmul, Instructions::kPclmul, Instructions::kPmull}) {
    if (supported(set)) return set;
  }
  return Instructions::kTable;
}

struct Chosen {
  Instructions set = best_instructions();
  UpdateFunction crc32 = update_function(ChecksumKind::kCrc32, set);
  UpdateFunction crc32c = update_function(ChecksumKind::kCrc32c, set);
  UpdateFunction crc64nvme = update_function(ChecksumKind::kCrc64Nvme, set);
};
const Chosen& chosen() {
  static const Chosen once;
  return once;
}

size_t width_bytes(ChecksumKind kind) { return kind == ChecksumKind::kCrc64Nvme ? 8 : 4; }

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace
}  // namespace crc

uint64_t crc_update(ChecksumKind kind, uint64_t value, std::span<const std::byte> data) {
  const crc::Chosen& with = crc::chosen();
  constexpr uint64_t k32 = 0xFFFFFFFFu;
  switch (kind) {
    case ChecksumKind::kCrc32:
      return with.crc32(value ^ k32, data.data(), data.size()) ^ k32;
    case ChecksumKind::kCrc32c:
      return with.crc32c(value ^ k32, data.data(), data.size()) ^ k32;
    case ChecksumKind::kCrc64Nvme:
      return ~with.crc64nvme(~value, data.data(), data.size());
    case ChecksumKind::kNone:
      break;
  }
  return 0;
}

uint64_t crc_combine(ChecksumKind kind, uint64_t first, uint64_t second, uint64_t second_size) {
  switch (kind) {
    case ChecksumKind::kCrc32:
      return crc::combine<ChecksumKind::kCrc32>(first, second, second_size);
    case ChecksumKind::kCrc32c:
      return crc::combine<ChecksumKind::kCrc32c>(first, second, second_size);
    case ChecksumKind::kCrc64Nvme:
      return crc::combine<ChecksumKind::kCrc64Nvme>(first, second, second_size);
    case ChecksumKind::kNone:
      break;
  }
  return 0;
}

std::string crc_to_base64(ChecksumKind kind, uint64_t value) {
  if (kind == ChecksumKind::kNone) return {};
  const size_t bytes = crc::width_bytes(kind);
  std::string text;
  for (size_t at = 0; at < bytes; at += 3) {
    uint32_t group = 0;  // 24 bits, short ones filled with zeros
    for (size_t i = 0; i < 3; ++i) {
      const size_t byte = at + i;
      group = (group << 8) | (byte < bytes ? static_cast<uint32_t>((value >> (8 * (bytes - 1 - byte))) & 0xFF) : 0);
    }
    for (size_t i = 0; i < 4; ++i) {
      text += at + i <= bytes ? crc::kAlphabet[(group >> (18 - 6 * i)) & 63] : '=';
    }
  }
  return text;
}

std::optional<uint64_t> crc_from_base64(ChecksumKind kind, std::string_view text) {
  if (kind == ChecksumKind::kNone) return std::nullopt;
  const size_t bytes = crc::width_bytes(kind);
  const size_t digits = (bytes * 8 + 5) / 6;
  if (text.size() != (bytes + 2) / 3 * 4) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const size_t digit = crc::kAlphabet.find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    if (i + 1 < digits) {
      value = (value << 6) | digit;
      continue;
    }
    const unsigned used = static_cast<unsigned>(bytes * 8 - 6 * i);  // bits of the last digit that belong to the value
    if ((digit & ((1u << (6 - used)) - 1)) != 0) return std::nullopt;
    value = (value << used) | (digit >> (6 - used));
  }
  if (text.substr(digits).find_first_not_of('=') != std::string_view::npos) return std::nullopt;
  return value;
}

std::string_view crc_name(ChecksumKind kind) {
  switch (kind) {
    case ChecksumKind::kCrc32:
      return "crc32";
    case ChecksumKind::kCrc32c:
      return "crc32c";
    case ChecksumKind::kCrc64Nvme:
      return "crc64nvme";
    case ChecksumKind::kNone:
      break;
  }
  return "none";
}

std::string_view crc_implementation(ChecksumKind kind) {
  return kind == ChecksumKind::kNone ? "none" : crc::name_of(crc::chosen().set);
}

}  // namespace s3dlio
