#include "text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace s3dlio_bench {
namespace {

constexpr std::array<std::pair<std::string_view, char>, 5> kEntities{
    {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};

std::string format_time(time_t time, const char* format) {
  tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  return {text.data(), strftime(text.data(), text.size(), format, &parts)};
}

}  // namespace

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return result;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string concat(std::initializer_list<std::string_view> pieces) {
  std::string result;
  for (const std::string_view piece : pieces) result += piece;
  return result;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    const auto code = text[at] == '%' && at + 2 < text.size() ? parse_number<unsigned char>(text.substr(at + 1, 2), 16)
                                                              : std::nullopt;
    if (code) {
      result += static_cast<char>(*code);
      at += 2;
    } else {
      result += plus_is_space && text[at] == '+' ? ' ' : text[at];
    }
  }
  return result;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string result;
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if ((std::isalnum(code) != 0 && code < 0x80) || std::string_view("-._~/").find(letter) != std::string_view::npos) {
      result += letter;
    } else {
      result += {'%', kHex[code >> 4], kHex[code & 15]};
    }
  }
  return result;
}

std::string xml_escape(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char letter : text) {
    const auto* const entity =
        std::find_if(kEntities.begin(), kEntities.end(), [letter](const auto& one) { return one.second == letter; });
    if (entity != kEntities.end()) {
      result += entity->first;
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      result += "&#" + std::to_string(static_cast<int>(letter)) + ";";
    } else {
      result += letter;
    }
  }
  return result;
}

std::string xml_unescape(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto* const entity = std::find_if(kEntities.begin(), kEntities.end(),
                                            [text](const auto& one) { return text.starts_with(one.first); });
    const size_t end = text.find(';');
    if (entity != kEntities.end()) {
      result += entity->second;
      text.remove_prefix(entity->first.size());
    } else if (text.starts_with("&#") && end != std::string_view::npos) {  // control characters only
      const bool hex = text.starts_with("&#x");
      const auto code = parse_number<unsigned char>(text.substr(hex ? 3 : 2, end - (hex ? 3 : 2)), hex ? 16 : 10);
      result += static_cast<char>(code.value_or('?'));
      text.remove_prefix(end + 1);
    } else {
      result += text.front();
      text.remove_prefix(1);
    }
  }
  return result;
}

std::string element(std::string_view name, std::string_view text) {
  return concat({"<", name, ">", xml_escape(text), "</", name, ">"});
}

std::vector<std::string_view> elements_of(std::string_view document, std::string_view name) {
  const std::string opening = concat({"<", name, ">"});
  const std::string closing = concat({"</", name, ">"});
  std::vector<std::string_view> found;
  for (size_t at = document.find(opening); at != std::string_view::npos; at = document.find(opening, at)) {
    at += opening.size();
    const size_t end = document.find(closing, at);
    if (end == std::string_view::npos) break;
    found.push_back(document.substr(at, end - at));
    at = end;
  }
  return found;
}

std::string first_element(std::string_view document, std::string_view name) {
  const auto all = elements_of(document, name);
  return all.empty() ? std::string() : xml_unescape(all.front());
}

std::string iso_date(time_t time) { return format_time(time, "%Y-%m-%dT%H:%M:%S.000Z"); }
std::string http_date(time_t time) { return format_time(time, "%a, %d %b %Y %H:%M:%S GMT"); }

}  // namespace s3dlio_bench
