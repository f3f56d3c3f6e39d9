// Listing. The continuation token handed out is ours: besides the service's token it carries what is needed to notice a
// service that would list for ever or give a page twice, because the dialect keeps no state between pages.
#include <algorithm>
#include <charconv>

#include "engine/base/utf8.h"
#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"

namespace s3dlio::s3 {
namespace {

uint64_t fingerprint(std::string_view token) {
  return crc_update(ChecksumKind::kCrc64Nvme, token.size(), sign::bytes_of(token));
}

// Written as "<fingerprint>.<pages>.<next mark>.<last name, percent-encoded> <service token>". The fingerprint is that
// of an earlier token, taken anew after 1, 2, 4, 8, ... pages (Brent's method): a cycle of any length must meet it.
struct Continuation {
  uint64_t mark = 0;
  uint64_t pages = 0;      // since the start
  uint64_t next_mark = 1;  // the page at which the mark moves
  std::string last_name;   // the greatest key or common prefix so far
  std::string token;

  static std::optional<Continuation> parse(std::string_view text);
  std::string text() const;
};

bool take_number(std::string_view& text, uint64_t& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc{} || parsed.ptr == text.data() + text.size() || *parsed.ptr != '.') return false;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()) + 1);
  return true;
}

std::optional<Continuation> Continuation::parse(std::string_view text) {
  Continuation out;
  if (!take_number(text, out.mark) || !take_number(text, out.pages) || !take_number(text, out.next_mark))
    return std::nullopt;
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto name = sign::decoded(text.substr(0, space));
  if (!name) return std::nullopt;
  out.last_name = *std::move(name);
  out.token = text.substr(space + 1);
  return out;
}

std::string Continuation::text() const {
  return std::to_string(mark) + '.' + std::to_string(pages) + '.' + std::to_string(next_mark) + '.' +
         sign::encoded(last_name) + ' ' + token;
}

// A token that is not of our making is the service's.
Continuation continuation_of(const ListRequest& request) {
  auto parsed = Continuation::parse(request.continuation_token);
  if (parsed) return *std::move(parsed);
  Continuation plain;
  plain.token = request.continuation_token;
  return plain;
}

Error bad_listing(std::string what) {
  return make_error(ErrorCode::kProtocol, "the listing cannot be trusted: " + std::move(what));
}

std::string shown(std::string_view key) { return sign::encoded(key.substr(0, 200), sign::Slash::kKeep); }

// False if the service answers another question than the one that was asked.
std::optional<Error> check_names(const ListRequest& request, const ListDocument& list) {
  const auto outside = [&](std::string_view name) { return !name.starts_with(request.prefix); };
  for (const auto& object : list.objects) {
    if (outside(object.key))
      return bad_listing("it holds the key " + shown(object.key) + ", outside the prefix asked for");
    if (!is_utf8(object.key)) return bad_listing("it holds the key " + shown(object.key) + ", which is not UTF-8");
  }
  for (const auto& prefix : list.common_prefixes) {
    if (outside(prefix)) return bad_listing("it holds the prefix " + shown(prefix) + ", outside the prefix asked for");
    if (!is_utf8(prefix)) return bad_listing("it holds the prefix " + shown(prefix) + ", which is not UTF-8");
  }
  return std::nullopt;
}

// Sorts what some services leave in another order, and refuses what names a key twice.
std::optional<Error> put_in_order(ListDocument& list) {
  auto& objects = list.objects;
  const auto by_key = [](const ObjectMeta& a, const ObjectMeta& b) { return a.key < b.key; };
  if (!std::is_sorted(objects.begin(), objects.end(), by_key)) std::sort(objects.begin(), objects.end(), by_key);
  const auto twice =
      std::adjacent_find(objects.begin(), objects.end(), [](const auto& a, const auto& b) { return a.key == b.key; });
  if (twice != objects.end()) return bad_listing("it holds the key " + shown(twice->key) + " twice");
  auto& prefixes = list.common_prefixes;
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return std::nullopt;
}

}  // namespace

http::Request S3Dialect::list(const ListRequest& request) const {
  http::Request out = request_for("GET", "");
  out.query =
      "list-type=2&encoding-type=url&max-keys=" + std::to_string(std::clamp<uint32_t>(request.max_keys, 1, 1000));
  if (!request.prefix.empty()) add_query(out, "prefix", request.prefix);
  if (!request.delimiter.empty()) add_query(out, "delimiter", request.delimiter);
  if (!request.continuation_token.empty()) {
    add_query(out, "continuation-token", continuation_of(request).token);
  } else if (!request.start_after.empty()) {
    add_query(out, "start-after", request.start_after);
  }
  return out;
}

Result<ListPage> S3Dialect::read_list(const ListRequest& request, std::string_view body) const {
  auto read = read_list_document(body);
  if (!read.ok()) return read.error();
  ListDocument& list = *read;
  if (auto error = check_names(request, list)) return *std::move(error);
  if (auto error = put_in_order(list)) return *std::move(error);
  Continuation before = continuation_of(request);

  // What must lie behind us: the caller's start, or everything the earlier pages held.
  const bool first_page = request.continuation_token.empty();
  if (first_page && !request.start_after.empty()) {
    std::erase_if(list.objects, [&](const ObjectMeta& object) { return object.key <= request.start_after; });
  }
  if (!first_page && !before.last_name.empty()) {
    const auto seen = [&](const std::string& name) {
      return inner_location_->is_aws() ? name <= before.last_name : name == before.last_name;
    };
    if (!list.objects.empty() && seen(list.objects.front().key)) {
      return bad_listing("a page goes back to the key " + shown(list.objects.front().key) +
                         ", which was listed before");
    }
    if (!list.common_prefixes.empty() && seen(list.common_prefixes.front())) {
      return bad_listing("a page goes back to the prefix " + shown(list.common_prefixes.front()) +
                         ", which was listed before");
    }
  }

  ListPage page;
  if (list.truncated) {
    if (list.next_token.empty()) {
      return bad_listing("it is truncated but names no next page; the service may not speak ListObjectsV2");
    }
    const uint64_t now = fingerprint(list.next_token);
    if (list.next_token == before.token || (before.pages > 0 && now == before.mark)) {
      return bad_listing("the service repeats a continuation token, which would never end");
    }
    Continuation next = before;
    if (++next.pages >= next.next_mark) {
      next.mark = now;
      next.next_mark *= 2;
    }
    if (!list.objects.empty()) next.last_name = std::max(next.last_name, list.objects.back().key);
    if (!list.common_prefixes.empty()) next.last_name = std::max(next.last_name, list.common_prefixes.back());
    next.token = std::move(list.next_token);
    page.continuation_token = next.text();
  }
  page.objects = std::move(list.objects);
  page.common_prefixes = std::move(list.common_prefixes);
  return page;
}

}  // namespace s3dlio::s3
