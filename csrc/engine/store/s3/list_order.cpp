#include "engine/store/s3/list_order.h"

#include <algorithm>

#include "engine/text/percent.h"

namespace s3dlio::s3 {
namespace {

// Where a byte stands in an order, so that comparing names byte by byte is comparing them in that order.
unsigned rank(ListOrder order, char c) {
  const auto byte = static_cast<unsigned char>(c);
  switch (order) {
    case ListOrder::kBytes:
      return byte;
    case ListOrder::kFolders:
      return c == '/' ? 0 : byte + 1u;
    case ListOrder::kUtf16:  // 0xEE and 0xEF begin U+E000 to U+FFFF, 0xF0 to 0xF4 what lies beyond: surrogates
      return byte >= 0xF0 ? byte - 2u : byte >= 0xEE ? byte + 0x10u : byte;
  }
  return byte;
}

template <class Names, class NameOf>
std::pair<std::string_view, std::string_view> ends_of(ListOrder order, const Names& names, NameOf name_of) {
  const auto before = [&](const auto& a, const auto& b) { return comes_before(order, name_of(a), name_of(b)); };
  const auto [least, greatest] = std::minmax_element(names.begin(), names.end(), before);
  return {name_of(*least), name_of(*greatest)};
}

// Whether `names` lie behind `last`, which becomes their end.
template <class Names, class NameOf>
bool goes_on(ListOrder order, const Names& names, NameOf name_of, std::string& last, std::string& culprit) {
  if (names.empty()) return true;
  const auto [first, end] = ends_of(order, names, name_of);
  if (!last.empty() && !comes_before(order, last, first)) {
    culprit = first;
    return false;
  }
  last = end;
  return true;
}

}  // namespace

bool comes_before(ListOrder order, std::string_view a, std::string_view b) {
  const auto differ = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (differ.second == b.end()) return false;
  return differ.first == a.end() || rank(order, *differ.first) < rank(order, *differ.second);
}

std::optional<std::string> ListProgress::take(const ListDocument& page) {
  const auto key_of = [](const ObjectMeta& object) -> std::string_view { return object.key; };
  const auto itself = [](const std::string& name) -> std::string_view { return name; };
  std::string culprit;
  for (size_t i = 0; i < kListOrders; ++i) {
    if (!(inner_possible_ >> i & 1u)) continue;
    const auto order = static_cast<ListOrder>(i);
    if (!goes_on(order, page.objects, key_of, inner_last_[i].key, culprit) ||
        !goes_on(order, page.common_prefixes, itself, inner_last_[i].prefix, culprit)) {
      inner_possible_ &= ~(1u << i);
      inner_last_[i] = {};
    }
  }
  if (inner_possible_ != 0) return std::nullopt;
  return culprit;
}

bool ListProgress::has_listed(std::string_view common_prefix) const {
  return std::any_of(inner_last_.begin(), inner_last_.end(),
                     [&](const Last& last) { return !last.prefix.empty() && last.prefix == common_prefix; });
}

std::string ListProgress::text() const {
  std::string out(1, static_cast<char>('0' + inner_possible_));
  for (const Last& last : inner_last_) {
    for (const std::string* name : {&last.key, &last.prefix}) {
      out += ',';
      // "." stays as it is in percent-encoding, but ends a word of the token.
      for (const char c : text::encoded(*name)) c == '.' ? out.append("%2E") : out.append(1, c);
    }
  }
  return out;
}

bool ListProgress::parse(std::string_view text) {
  if (text.empty() || text[0] < '1' || text[0] >= static_cast<char>('0' + (1 << kListOrders))) return false;
  inner_possible_ = static_cast<unsigned>(text[0] - '0');
  text.remove_prefix(1);
  for (Last& last : inner_last_) {
    for (std::string* name : {&last.key, &last.prefix}) {
      if (!text.starts_with(',')) return false;
      text.remove_prefix(1);
      const size_t end = std::min(text.find(','), text.size());
      auto plain = text::decoded(text.substr(0, end));
      if (!plain) return false;
      *name = *std::move(plain);
      text.remove_prefix(end);
    }
  }
  return text.empty();
}

}  // namespace s3dlio::s3
