#include "engine/opening/values.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

namespace s3dlio::opening {
namespace {

Error wrong(std::string_view name, std::string_view text, const char* expected) {
  return make_error(ErrorCode::kInvalidArgument,
                    std::string(name) + " is \"" + std::string(text.substr(0, 40)) + "\"; expected " + expected);
}

std::string lowered(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return out;
}

// "k", "mib", "gb", ...: 1024 to a power, or 1000 to it where a "b" follows without an "i". 0: no unit.
uint64_t scale_of(std::string_view unit) {
  if (unit.empty() || unit == "b" || unit == "ib") return 1;
  const size_t power = std::string_view("kmgt").find(unit.front());
  const std::string_view suffix = unit.substr(1);
  if (power == std::string_view::npos || (!suffix.empty() && suffix != "b" && suffix != "ib")) return 0;
  uint64_t scale = 1;
  for (size_t i = 0; i <= power; ++i) scale *= suffix == "b" ? 1000 : 1024;
  return scale;
}

}  // namespace

Result<bool> parse_truth(std::string_view name, std::string_view text) {
  const std::string word = lowered(text);
  for (const std::string_view yes : {"1", "true", "yes", "on"}) {
    if (word == yes) return true;
  }
  for (const std::string_view no : {"0", "false", "no", "off"}) {
    if (word == no) return false;
  }
  return wrong(name, text, "true or false");
}

Result<uint64_t> parse_size(std::string_view name, std::string_view text) {
  constexpr const char* kExpected = "a number, or a size such as 16MiB";
  const std::string all = lowered(text);
  const size_t end = std::min(all.find_first_not_of("0123456789."), all.size());
  const std::string_view digits = std::string_view(all).substr(0, end);
  size_t unit_at = std::min(all.find_first_not_of(" \t", end), all.size());
  const uint64_t scale = scale_of(std::string_view(all).substr(unit_at));
  const size_t dot = digits.find('.');
  const bool is_whole = dot == std::string_view::npos;
  if (digits.empty() || scale == 0 || dot == 0 ||
      (!is_whole && (dot + 1 == digits.size() || digits.find('.', dot + 1) != digits.npos))) {
    return wrong(name, text, kExpected);
  }
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  if (is_whole) {
    uint64_t value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (parsed.ec != std::errc{} || value > kMost / scale) return wrong(name, text, "a smaller number");
    return value * scale;
  }
  double value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  value *= static_cast<double>(scale);
  if (!(value < static_cast<double>(kMost))) return wrong(name, text, "a smaller number");
  return static_cast<uint64_t>(value);
}

Result<std::chrono::nanoseconds> parse_seconds(std::string_view name, std::string_view text) {
  const std::string all = lowered(text);
  double seconds = 0;
  const auto parsed = std::from_chars(all.data(), all.data() + all.size(), seconds);
  if (parsed.ec != std::errc{} || parsed.ptr != all.data() + all.size()) return wrong(name, text, "seconds");
  if (!(seconds >= 0)) return wrong(name, text, "0 or more");
  // About 290 years fit; the cap spares callers who mean "for ever" an overflow.
  return std::chrono::nanoseconds(static_cast<int64_t>(std::min(seconds, 1e9) * 1e9));
}

std::string text_of_seconds(std::chrono::nanoseconds duration) {
  std::array<char, 64> text{};
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto written = std::to_chars(text.data(), text.data() + text.size(), seconds);
  return {text.data(), written.ptr};
}

Result<Unit> check_header_value(std::string_view name, std::string_view value) {
  const bool is_sound = std::all_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= ' ' && byte != 0x7F;
  });
  if (is_sound) return Unit{};
  const bool at_the_end = value.find_last_not_of("\r\n \t") + 1 != value.size();
  return make_error(ErrorCode::kInvalidArgument, std::string(name) + " contains a control character" +
                                                     (at_the_end ? "; a line break at its end?" : ""));
}

}  // namespace s3dlio::opening
