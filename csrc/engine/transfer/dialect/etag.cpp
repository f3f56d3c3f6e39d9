#include "engine/transfer/dialect/etag.h"

#include <algorithm>

namespace s3dlio::transfer {
namespace {

std::string_view bare(std::string_view etag) {
  etag = strong_etag(etag);
  if (etag.starts_with('"')) etag.remove_prefix(1);
  if (etag.ends_with('"')) etag.remove_suffix(1);
  return etag;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// An MD5, alone or with the count of parts behind it. In other etags the case may tell two generations apart.
bool is_digest(std::string_view etag) {
  const std::string_view digits = etag.substr(0, std::min(etag.find('-'), etag.size()));
  return digits.size() >= 32 && std::all_of(digits.begin(), digits.end(), [](char c) {
           return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f');
         });
}

}  // namespace

std::string_view strong_etag(std::string_view etag) {
  if (etag.size() >= 2 && lower(etag[0]) == 'w' && etag[1] == '/') etag.remove_prefix(2);
  return etag;
}

bool matches_strictly(std::string_view etag) {
  if (etag == "*") return true;
  if (etag.size() < 2 || !etag.starts_with('"') || !etag.ends_with('"')) return false;
  return !is_digest(bare(etag)) || std::none_of(etag.begin(), etag.end(), [](char c) { return c != lower(c); });
}

bool same_etag(std::string_view a, std::string_view b) {
  a = bare(a);
  b = bare(b);
  if (a.empty() || b.empty()) return false;
  if (a == b) return true;
  return is_digest(a) && is_digest(b) &&
         std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace s3dlio::transfer
