// redact(): collects the spans of text that are secret (by the name before them, as URL userinfo, or as a registered
// literal), merges them and writes "***" for each. Text without any is copied once.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/log.h"
#include "engine/base/secrets.h"

namespace s3dlio {
namespace {

using Spans = std::vector<std::pair<size_t, size_t>>;  // [begin, end) of `text`

enum class ValueKind { kNone, kWord, kLine };

// Lower case, '_' written as '-'. Each is followed in the wild by one of = : > and their percent-encoded forms.
constexpr std::array kLineNames = {"authorization", "proxy-authorization", "x-ms-copy-source-authorization", "cookie",
                                   "set-cookie"};
constexpr std::array kWordNames = {"x-amz-security-token",
                                   "x-amz-session-token",
                                   "x-amz-s3session-token",
                                   "x-amz-signature",
                                   "x-amz-credential",
                                   "x-amz-server-side-encryption-customer-key",
                                   "x-amz-server-side-encryption-customer-key-md5",
                                   "x-amz-copy-source-server-side-encryption-customer-key",
                                   "x-amz-copy-source-server-side-encryption-customer-key-md5",
                                   "x-aws-ec2-metadata-token",
                                   "x-goog-signature",
                                   "x-goog-credential",
                                   "x-goog-encryption-key",
                                   "x-goog-encryption-key-sha256",
                                   "x-goog-copy-source-encryption-key",
                                   "x-goog-iam-authorization-token",
                                   "x-ms-encryption-key",
                                   "x-ms-encryption-key-sha256",
                                   "sig",
                                   "signature",
                                   "signatureprovided",
                                   "credential",
                                   "sessiontoken",
                                   "session-token",
                                   "aws-session-token",
                                   "securitytoken",
                                   "security-token",
                                   "aws-security-token",
                                   "secretaccesskey",
                                   "secret-access-key",
                                   "aws-secret-access-key",
                                   "secret-key",
                                   "secretkey",
                                   "customer-key",
                                   "accountkey",
                                   "account-key",
                                   "sharedaccesssignature",
                                   "sas-token",
                                   "access-token",
                                   "accesstoken",
                                   "refresh-token",
                                   "id-token",
                                   "client-secret",
                                   "password",
                                   "passwd"};
// Credentials written after their scheme, where no name stands before them.
constexpr std::array kSchemes = {"bearer", "sharedkey", "sharedkeylite"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '_' ? '-' : c; }
bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_quote(char c) { return c == '"' || c == '\''; }
bool ends_line(char c) { return c == '\r' || c == '\n'; }
bool ends_word(char c) {
  return is_blank(c) || ends_line(c) || is_quote(c) || c == '&' || c == ';' || c == ',' || c == '<' || c == '>' ||
         c == '\0';
}

template <class Names>
bool is_one_of(std::string_view name, const Names& names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view known) {
    return known.size() == name.size() &&
           std::equal(name.begin(), name.end(), known.begin(), [](char a, char b) { return lower(a) == b; });
  });
}

// The size of "%<code>", "%25<code>", ... at `at`; 0 when something else stands there.
size_t percent_code(std::string_view text, size_t at, std::string_view code) {
  if (at >= text.size() || text[at] != '%') return 0;
  size_t i = at + 1;
  while (text.substr(i, 2) == "25") i += 2;
  const std::string_view found = text.substr(i, 2);
  if (found.size() != 2 || lower(found[0]) != code[0] || lower(found[1]) != code[1]) return 0;
  return i + 2 - at;
}

// The name that ends just before `separator`, quotes and blanks between them skipped.
std::string_view name_before(std::string_view text, size_t separator) {
  size_t end = separator;
  while (end > 0 && (is_blank(text[end - 1]) || is_quote(text[end - 1]) || text[end - 1] == '\\')) --end;
  size_t begin = end;
  while (begin > 0 && is_name_char(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

ValueKind kind_of(std::string_view name) {
  if (name.size() < 3) return ValueKind::kNone;
  // In a percent-encoded text the digits of an encoded "&" or "?" touch the name: "%2526X-Amz-Signature%253D".
  for (size_t skip = 0; skip <= 6 && skip < name.size(); skip += 2) {
    const std::string_view tail = name.substr(skip);
    if (is_one_of(tail, kLineNames)) return ValueKind::kLine;
    if (is_one_of(tail, kWordNames)) return ValueKind::kWord;
  }
  return ValueKind::kNone;
}

// Skips what may stand between a separator and the value: blanks, the escape of a quote, opening brackets, b""
// prefixes.
size_t skip_lead(std::string_view text, size_t at) {
  while (at < text.size() && (is_blank(text[at]) || std::string_view("\\[({").find(text[at]) != text.npos)) ++at;
  if (at + 1 < text.size() && is_quote(text[at + 1]) && std::string_view("bBrRuU").find(text[at]) != text.npos) ++at;
  return at;
}

// The value that starts after a separator: quoted, or up to what can end it.
std::pair<size_t, size_t> value_after(std::string_view text, size_t at, ValueKind kind, bool encoded) {
  size_t begin = skip_lead(text, at);
  if (begin < text.size() && is_quote(text[begin])) {
    const bool escaped = begin > at && text[begin - 1] == '\\';  // a quote within a quoted text: \"name\": \"value\"
    const char quote = text[begin++];
    size_t end = begin;
    while (end < text.size() && text[end] != quote) end += !escaped && text[end] == '\\' ? 2 : 1;
    return {begin, std::min(end, text.size())};
  }
  size_t end = begin;
  while (end < text.size()) {
    const char c = text[end];
    if (kind == ValueKind::kLine ? ends_line(c) : ends_word(c)) break;
    if (encoded && percent_code(text, end, "26")) break;
    ++end;
  }
  return {begin, end};
}

// Takes the value behind a separator if the name in front of it is known.
void take_named(std::string_view text, size_t separator, size_t after, bool encoded, Spans& spans) {
  const ValueKind kind = kind_of(name_before(text, separator));
  if (kind == ValueKind::kNone) return;
  const auto value = value_after(text, after, kind, encoded);
  if (value.second > value.first) spans.push_back(value);
}

void take_scheme(std::string_view text, size_t blank, Spans& spans) {
  if (blank == 0 || !is_name_char(text[blank - 1])) return;
  size_t begin = blank;
  while (begin > 0 && is_name_char(text[begin - 1])) --begin;
  if (!is_one_of(text.substr(begin, blank - begin), kSchemes)) return;
  const auto value = value_after(text, blank, ValueKind::kWord, false);
  if (value.second > value.first) spans.push_back(value);
}

// scheme://user:password@host. A raw "/" in the password would end the authority for a strict parser: whatever stands
// before an "@" and looks like "user:not-a-port" is hidden as well.
void take_userinfo(std::string_view text, size_t begin, Spans& spans) {
  size_t authority_end = begin;
  while (authority_end < text.size() && !ends_word(text[authority_end]) && text[authority_end] != '/' &&
         text[authority_end] != '?') {
    ++authority_end;
  }
  size_t at = text.substr(0, authority_end).rfind('@');
  if (at == std::string_view::npos || at < begin) {
    const std::string_view authority = text.substr(begin, authority_end - begin);
    const size_t colon = authority.find(':');
    if (authority.starts_with('[') || colon == std::string_view::npos) return;
    const std::string_view port = authority.substr(colon + 1);
    if (std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }) && !port.empty()) return;
    size_t end = authority_end;
    while (end < text.size() && !is_blank(text[end]) && !ends_line(text[end]) && !is_quote(text[end])) ++end;
    at = text.substr(0, end).rfind('@');
    if (at == std::string_view::npos || at < begin) return;
  }
  if (at > begin) spans.emplace_back(begin, at);
}

// The same, percent-encoded: scheme%3A%2F%2Fuser%3Apassword%40host. `colon` is where "%3A" stands.
void take_encoded_userinfo(std::string_view text, size_t colon, size_t colon_size, Spans& spans) {
  size_t begin = colon + colon_size;
  for (int slash = 0; slash < 2; ++slash) {
    const size_t size = percent_code(text, begin, "2f");
    if (!size) return;
    begin += size;
  }
  size_t at = begin;
  for (size_t i = begin; i < text.size() && !ends_word(text[i]) && !percent_code(text, i, "2f"); ++i) {
    if (percent_code(text, i, "40")) at = i;
  }
  if (at > begin) spans.emplace_back(begin, at);
}

// Elements of a printed tuple: ('authorization', 'Bearer ...').
void take_after_comma(std::string_view text, size_t comma, Spans& spans) {
  if (comma > 0 && is_quote(text[comma - 1])) take_named(text, comma, comma + 1, false, spans);
}

void take_element(std::string_view text, size_t close, Spans& spans) {
  const std::string_view name = name_before(text, close);
  const size_t begin = static_cast<size_t>(name.data() - text.data());
  if (begin > 0 && text[begin - 1] == '/') return;  // a closing tag
  size_t after = close + 1;
  while (after < text.size() && ends_line(text[after])) ++after;
  take_named(text, close, after, false, spans);
}

void take_encoded(std::string_view text, size_t at, Spans& spans) {
  if (const size_t size = percent_code(text, at, "3d")) take_named(text, at, at + size, true, spans);
  if (const size_t size = percent_code(text, at, "3a")) {
    take_encoded_userinfo(text, at, size, spans);
    take_named(text, at, at + size, true, spans);
  }
}

void take_patterns(std::string_view text, Spans& spans) {
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case ':':
        if (text.substr(i, 3) == "://") {
          take_userinfo(text, i + 3, spans);
        } else {
          take_named(text, i, i + 1, false, spans);
        }
        break;
      case '=':
        take_named(text, i, i + 1, false, spans);
        break;
      case '>':
        take_element(text, i, spans);
        break;
      case ',':
        take_after_comma(text, i, spans);
        break;
      case ' ':
      case '\t':
        take_scheme(text, i, spans);
        break;
      case '%':
        take_encoded(text, i, spans);
        break;
      default:
        break;
    }
  }
}

std::string blank_out(std::string_view text, Spans& spans) {
  std::sort(spans.begin(), spans.end());
  std::string safe;
  size_t done = 0;
  for (size_t i = 0; i < spans.size();) {
    const size_t begin = spans[i].first;
    size_t end = spans[i].second;
    for (++i; i < spans.size() && spans[i].first <= end; ++i) end = std::max(end, spans[i].second);
    safe.append(text.substr(done, begin - done)).append("***");
    done = end;
  }
  return safe.append(text.substr(done));
}

}  // namespace

std::string redact(std::string_view text) {
  Spans spans;
  take_patterns(text, spans);
  find_registered_secrets(text, [&](size_t begin, size_t end) { spans.emplace_back(begin, end); });
  return spans.empty() ? std::string(text) : blank_out(text, spans);
}

}  // namespace s3dlio
