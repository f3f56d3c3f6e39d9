#include "engine/sign/sigv4.h"

#include <algorithm>
#include <array>
#include <vector>

namespace s3dlio::sign {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_space(char c) { return c == ' ' || c == '\t'; }

bool less_ignoring_case(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return static_cast<unsigned char>(lower(x)) < static_cast<unsigned char>(lower(y));
  });
}
bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

void append_lower(std::string& out, std::string_view text) {
  const size_t start = out.size();
  out.append(text);
  std::transform(out.begin() + static_cast<std::ptrdiff_t>(start), out.end(),
                 out.begin() + static_cast<std::ptrdiff_t>(start), lower);
}

// Outer spaces go, inner runs become one.
void append_trimmed(std::string& out, std::string_view value) {
  while (!value.empty() && is_space(value.front())) value.remove_prefix(1);
  while (!value.empty() && is_space(value.back())) value.remove_suffix(1);
  bool after_space = false;
  for (const char c : value) {
    const bool space = is_space(c);
    if (!space) out += c;
    if (space && !after_space) out += ' ';
    after_space = space;
  }
}

// Pairs sorted by name, then value; a name alone becomes "name=".
void append_canonical_query(std::string& out, std::string_view query) {
  if (query.empty()) return;
  std::vector<HeaderView> pairs;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      pairs.emplace_back(pair, std::string_view{});
    } else {
      pairs.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
  }
  std::sort(pairs.begin(), pairs.end());
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (i > 0) out += '&';
    out.append(pairs[i].first).append("=").append(pairs[i].second);
  }
}

// "name:value\n" for each signed header and the list of their names.
void append_canonical_headers(std::string& out, std::string& names, std::span<const HeaderView> headers) {
  std::array<HeaderView, 24> few;
  std::vector<HeaderView> many;
  std::span<HeaderView> sorted(few.data(), 0);
  if (headers.size() > few.size()) {
    many.resize(headers.size());
    sorted = std::span(many.data(), 0);
  }
  for (const HeaderView& header : headers) {
    if (!is_signed_header(header.first)) continue;
    sorted = std::span(sorted.data(), sorted.size() + 1);
    sorted.back() = header;
  }
  // Insertion keeps repeated names in the order they are sent.
  for (size_t i = 1; i < sorted.size(); ++i) {
    for (size_t j = i; j > 0 && less_ignoring_case(sorted[j].first, sorted[j - 1].first); --j) {
      std::swap(sorted[j], sorted[j - 1]);
    }
  }
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && equal_ignoring_case(sorted[i].first, sorted[i - 1].first)) {
      out.back() = ',';  // the line goes on with the next value
      append_trimmed(out, sorted[i].second);
      out += '\n';
      continue;
    }
    append_lower(out, sorted[i].first);
    out += ':';
    append_trimmed(out, sorted[i].second);
    out += '\n';
    if (!names.empty()) names += ';';
    append_lower(names, sorted[i].first);
  }
}

void append_canonical(std::string& out, std::string& names, const SignedParts& parts) {
  out.append(parts.method).append("\n").append(parts.path).append("\n");
  append_canonical_query(out, parts.query);
  out += '\n';
  append_canonical_headers(out, names, parts.headers);
  out += '\n';
  out.append(names).append("\n").append(parts.payload_hash);
}

void append_scope(std::string& out, std::string_view date, const SigningIdentity& who) {
  out.append(date).append("/").append(who.region).append("/").append(who.service).append("/aws4_request");
}

void append_string_to_sign(std::string& out, const Timestamp& time, const SigningIdentity& who,
                           std::string_view canonical) {
  out.append(kAlgorithm).append("\n").append(time.full()).append("\n");
  append_scope(out, time.date(), who);
  out += '\n';
  append_hex(out, sha256(bytes_of(canonical)));
}

}  // namespace

Timestamp::Timestamp(std::chrono::system_clock::time_point moment) {
  using namespace std::chrono;
  const auto seconds_since = floor<seconds>(moment);
  const auto day = floor<days>(seconds_since);
  const year_month_day date(day);
  const hh_mm_ss clock(seconds_since - day);
  const auto put = [this](size_t at, unsigned value, int digits) {
    for (int i = digits - 1; i >= 0; --i, value /= 10)
      inner_text_[at + static_cast<size_t>(i)] = static_cast<char>('0' + value % 10);
  };
  put(0, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put(4, static_cast<unsigned>(date.month()), 2);
  put(6, static_cast<unsigned>(date.day()), 2);
  inner_text_[8] = 'T';
  put(9, static_cast<unsigned>(clock.hours().count()), 2);
  put(11, static_cast<unsigned>(clock.minutes().count()), 2);
  put(13, static_cast<unsigned>(clock.seconds().count()), 2);
  inner_text_[15] = 'Z';
}

bool is_signed_header(std::string_view name) {
  constexpr std::array<std::string_view, 10> kLeftOut{
      "accept-encoding", "authorization",     "connection",     "content-length", "expect", "keep-alive", "te",
      "user-agent",      "transfer-encoding", "x-amzn-trace-id"};
  return std::none_of(kLeftOut.begin(), kLeftOut.end(),
                      [name](std::string_view left_out) { return equal_ignoring_case(name, left_out); });
}

std::string canonical_request(const SignedParts& parts, std::string* signed_headers) {
  std::string out;
  std::string names;
  append_canonical(out, names, parts);
  if (signed_headers) *signed_headers = std::move(names);
  return out;
}

std::string string_to_sign(const Timestamp& time, const SigningIdentity& who, std::string_view canonical) {
  std::string out;
  append_string_to_sign(out, time, who, canonical);
  return out;
}

struct SigV4Signer::Derived {
  std::string secret, date, region, service;
  HmacKey key;

  Derived(const SigningIdentity& who, std::string_view day)
      : secret(who.secret_access_key), date(day), region(who.region), service(who.service), key(derive()) {}
  bool fits(const SigningIdentity& who, std::string_view day) const {
    return day == date && who.region == region && who.service == service && who.secret_access_key == secret;
  }

 private:
  HmacKey derive() const {
    Sha256Digest step = HmacKey("AWS4" + secret).sign(date);
    for (const std::string_view part :
         {std::string_view(region), std::string_view(service), std::string_view("aws4_request")}) {
      step = HmacKey(text_of(step)).sign(part);
    }
    return HmacKey(text_of(step));
  }
};

std::shared_ptr<const SigV4Signer::Derived> SigV4Signer::derived_key(const SigningIdentity& who,
                                                                     std::string_view date) const {
  {
    std::lock_guard lock(inner_mutex_);
    if (inner_last_ && inner_last_->fits(who, date)) return inner_last_;
    if (inner_previous_ && inner_previous_->fits(who, date)) return inner_previous_;
  }
  auto fresh = std::make_shared<const Derived>(who, date);
  std::lock_guard lock(inner_mutex_);
  inner_previous_ = std::exchange(inner_last_, fresh);
  return fresh;
}

std::string SigV4Signer::authorization(const SignedParts& parts, const SigningIdentity& who,
                                       const Timestamp& time) const {
  // Scratch of this thread: a signature a request would otherwise cost three allocations.
  thread_local std::string canonical;
  thread_local std::string names;
  thread_local std::string to_sign;
  canonical.clear();
  names.clear();
  to_sign.clear();
  append_canonical(canonical, names, parts);
  append_string_to_sign(to_sign, time, who, canonical);
  const Sha256Digest signature = derived_key(who, time.date())->key.sign(to_sign);

  std::string out;
  out.reserve(kAlgorithm.size() + who.access_key_id.size() + who.region.size() + names.size() + 160);
  out.append(kAlgorithm).append(" Credential=").append(who.access_key_id).append("/");
  append_scope(out, time.date(), who);
  out.append(",SignedHeaders=").append(names).append(",Signature=");
  append_hex(out, signature);
  return out;
}

}  // namespace s3dlio::sign
