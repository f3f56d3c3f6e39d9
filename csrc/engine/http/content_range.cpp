#include <limits>

#include "engine/http/message.h"
#include "engine/http/text.h"

namespace s3dlio::http {
namespace {

// "100" or "*".
bool parse_total(std::string_view text, std::optional<uint64_t>& total) {
  if (text == "*") return true;
  total = parse_number(text);
  return total.has_value();
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (text.size() < kUnit.size() || !equal_ignoring_case(text.substr(0, kUnit.size()), kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view span = text.substr(0, slash);
  ContentRange range;
  if (!parse_total(text.substr(slash + 1), range.total)) return std::nullopt;
  if (span == "*") {
    range.unsatisfied = true;
    return range.total ? std::optional(range) : std::nullopt;
  }
  const size_t dash = span.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_number(span.substr(0, dash));
  const auto last = parse_number(span.substr(dash + 1));
  if (!first || !last || *first > *last || *last == std::numeric_limits<uint64_t>::max()) return std::nullopt;
  if (range.total && *last >= *range.total) return std::nullopt;
  range.start = *first;
  range.end = *last + 1;
  return range;
}

}  // namespace s3dlio::http
