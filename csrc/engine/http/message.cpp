#include "engine/http/message.h"

#include "engine/http/text.h"

namespace s3dlio::http {

void Headers::set(std::string_view name, std::string value) {
  std::erase_if(inner_, [&](const auto& header) { return equal_ignoring_case(header.first, name); });
  inner_.emplace_back(std::string(name), std::move(value));
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [key, value] : inner_) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return std::nullopt;
}

size_t Headers::count(std::string_view name) const {
  size_t found = 0;
  for (const auto& header : inner_) found += equal_ignoring_case(header.first, name) ? 1 : 0;
  return found;
}

uint64_t Request::body_size() const {
  if (!document.empty()) return document.size();
  uint64_t size = 0;
  for (const auto& piece : payload) size += piece.size();
  return size;
}

}  // namespace s3dlio::http
