// ETags as values: services spell one and the same in different ways.
#pragma once

#include <algorithm>
#include <string_view>

namespace s3dlio::transfer {

// Without quotes and the mark of a weak one.
inline std::string_view bare_etag(std::string_view etag) {
  if (etag.starts_with("W/") || etag.starts_with("w/")) etag.remove_prefix(2);
  if (etag.size() > 1 && etag.starts_with('"') && etag.ends_with('"')) etag = etag.substr(1, etag.size() - 2);
  return etag;
}

// Whether both name the same content. "" equals nothing.
inline bool same_etag(std::string_view one, std::string_view other) {
  one = bare_etag(one), other = bare_etag(other);
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return !one.empty() && std::equal(one.begin(), one.end(), other.begin(), other.end(),
                                    [&](char a, char b) { return lower(a) == lower(b); });
}

}  // namespace s3dlio::transfer
