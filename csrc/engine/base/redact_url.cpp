#include "engine/base/redact_url.h"

#include <algorithm>

#include "engine/base/log.h"

namespace s3dlio {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 20 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '.';
  });
}

bool is_port(std::string_view text) {
  return text.size() <= 6 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string redact_url(std::string_view url) {
  std::string shown;
  const size_t scheme = url.find("://");
  if (scheme != std::string_view::npos && is_word(url.substr(0, scheme))) {
    shown = url.substr(0, scheme + 3);
    url.remove_prefix(scheme + 3);
  }
  if (const size_t at = url.rfind('@'); at != std::string_view::npos) {
    // A password may hold every mark that would end the authority; and a query may hold this one.
    if (url.find_first_of("?#&=") < at) return redact(shown + "***");
    shown += "***@";
    url.remove_prefix(at + 1);
  }
  const size_t query = std::min(url.find_first_of("?#&="), url.size());
  const bool has_query = query < url.size();
  url = url.substr(0, query);
  const size_t authority = std::min(url.find('/'), url.size());
  const size_t after_address = url.starts_with('[') ? std::min(url.find(']'), authority) : 0;
  const size_t colon = url.substr(0, authority).find(':', after_address);
  if (colon != std::string_view::npos && !is_port(url.substr(colon + 1, authority - colon - 1))) {
    shown.append(url.substr(0, colon)).append(":***");  // a password, up to who knows where
  } else {
    shown += url;
  }
  if (has_query) shown += "?***";
  if (shown.size() > 200) shown.resize(200);
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = '?';
  }
  return redact(shown);
}

}  // namespace s3dlio
