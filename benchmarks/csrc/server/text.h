// Small text forms of the protocol: percent-encoding, XML, dates.
#pragma once

#include <charconv>
#include <ctime>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace s3dlio_bench {

std::string lower(std::string_view text);
std::string_view trim(std::string_view text);

std::string concat(std::initializer_list<std::string_view> pieces);

std::string percent_decode(std::string_view text, bool plus_is_space);
std::string percent_encode(std::string_view text);  // keeps unreserved characters and "/"

std::string xml_escape(std::string_view text);
std::string xml_unescape(std::string_view text);
// "<name>escaped text</name>"
std::string element(std::string_view name, std::string_view text);
// What stands between each "<name>" and the "</name>" after it, still escaped. Enough for the documents clients send.
std::vector<std::string_view> elements_of(std::string_view document, std::string_view name);
std::string first_element(std::string_view document, std::string_view name);  // unescaped; "" when absent

std::string iso_date(time_t time);   // "2026-01-02T03:04:05.000Z"
std::string http_date(time_t time);  // "Fri, 02 Jan 2026 03:04:05 GMT"

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace s3dlio_bench
