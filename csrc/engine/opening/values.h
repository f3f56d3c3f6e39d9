// Values of options as text, read and written as s3dlio_core reads and writes them.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/result.h"

namespace s3dlio::opening {

// `name` is the option or the variable, for the messages; they show the value, so never pass a secret.
Result<bool> parse_truth(std::string_view name, std::string_view text);
Result<uint64_t> parse_size(std::string_view name, std::string_view text);
Result<std::chrono::nanoseconds> parse_seconds(std::string_view name, std::string_view text);

std::string text_of_seconds(std::chrono::nanoseconds duration);  // the shortest that reads back as the same
inline std::string text_of_truth(bool value) { return value ? "true" : "false"; }

// An enum as the words that are written for it.
template <class Enum, size_t Count>
struct Words {
  std::array<std::pair<std::string_view, Enum>, Count> all;

  Result<Enum> parse(std::string_view name, std::string_view word) const {
    std::string expected;
    for (const auto& [each, value] : all) {
      if (word == each) return value;
      expected.append(expected.empty() ? "\"" : ", \"").append(each).append("\"");
    }
    return make_error(ErrorCode::kInvalidArgument, std::string(name) + " is \"" + std::string(word.substr(0, 40)) +
                                                       "\"; expected one of " + expected);
  }
  std::string name_of(Enum wanted) const {
    for (const auto& [each, value] : all) {
      if (value == wanted) return std::string(each);
    }
    return "";
  }
};

// kInvalidArgument: what would break out of a header. The message does not show the value, which may be a secret.
Result<Unit> check_header_value(std::string_view name, std::string_view value);

}  // namespace s3dlio::opening
