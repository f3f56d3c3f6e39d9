// Listing. The continuation token handed out is ours: besides the service's token it carries what is needed to notice a
// service that would list for ever or give a page twice, because the dialect keeps no state between pages.
#include <algorithm>
#include <charconv>

#include "engine/store/s3/headers.h"
#include "engine/store/s3/list_order.h"
#include "engine/store/s3/s3_dialect.h"
#include "engine/text/utf8.h"

namespace s3dlio::s3 {
namespace {

uint64_t fingerprint(std::string_view token) {
  return crc_update(ChecksumKind::kCrc64Nvme, token.size(), sign::bytes_of(token));
}

// Versioned buckets and services that delete late give pages without a name for as long as all they looked at was
// deleted; ten million deleted objects are no listing without end.
constexpr uint64_t kMostEmptyPages = 10'000;

// Written as "<fingerprint>.<pages>.<next mark>.<empty pages>.<start after, percent-encoded>,<progress> <service
// token>". The fingerprint is that of an earlier token, taken anew after 1, 2, 4, 8, ... pages (Brent's method): a
// cycle of any length must meet it.
struct Continuation {
  uint64_t mark = 0;
  uint64_t pages = 0;        // since the start
  uint64_t next_mark = 1;    // the page at which the mark moves
  uint64_t empty_pages = 0;  // in a row
  std::string start_after;   // as the first page was asked for; services that do not know it begin at the start
  ListProgress progress;
  std::string token;

  explicit Continuation(bool bytes_only) : progress(bytes_only) {}
  bool parse(std::string_view text);
  std::string text() const;
};

bool take_number(std::string_view& text, uint64_t& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc{} || parsed.ptr == text.data() + text.size() || *parsed.ptr != '.') return false;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()) + 1);
  return true;
}

bool Continuation::parse(std::string_view text) {
  if (!take_number(text, mark) || !take_number(text, pages) || !take_number(text, next_mark) ||
      !take_number(text, empty_pages))
    return false;
  const size_t comma = text.find(',');
  const size_t space = text.find(' ');
  if (space == std::string_view::npos || comma > space) return false;
  auto name = text::decoded(text.substr(0, comma));
  if (!name || !progress.parse(text.substr(comma + 1, space - comma - 1))) return false;
  start_after = *std::move(name);
  token = text.substr(space + 1);
  return true;
}

std::string Continuation::text() const {
  std::string out;
  for (const uint64_t number : {mark, pages, next_mark, empty_pages}) out.append(std::to_string(number)).append(".");
  return out + text::encoded(start_after) + ',' + progress.text() + ' ' + token;
}

// A token that is not of our making is the service's.
Continuation continuation_of(const ListRequest& request, bool bytes_only) {
  Continuation parsed(bytes_only);
  if (parsed.parse(request.continuation_token)) return parsed;
  Continuation plain(bytes_only);
  plain.token = request.continuation_token;
  if (plain.token.empty()) plain.start_after = request.start_after;
  return plain;
}

Error bad_listing(std::string what) {
  return make_error(ErrorCode::kProtocol, "the listing cannot be trusted: " + std::move(what));
}

std::string shown(std::string_view key) { return text::encoded(key.substr(0, 200), text::Slash::kKeep); }

// False if the service answers another question than the one that was asked.
std::optional<Error> check_names(const ListRequest& request, const ListDocument& list) {
  const auto outside = [&](std::string_view name) { return !name.starts_with(request.prefix); };
  for (const auto& object : list.objects) {
    if (outside(object.key))
      return bad_listing("it holds the key " + shown(object.key) + ", outside the prefix asked for");
    if (!text::is_utf8(object.key))
      return bad_listing("it holds the key " + shown(object.key) + ", which is not UTF-8");
  }
  for (const auto& prefix : list.common_prefixes) {
    if (outside(prefix)) return bad_listing("it holds the prefix " + shown(prefix) + ", outside the prefix asked for");
    if (!text::is_utf8(prefix)) return bad_listing("it holds the prefix " + shown(prefix) + ", which is not UTF-8");
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

// Moves `now` behind the page it was read with.
std::optional<Error> go_on(Continuation& now, ListDocument& page) {
  if (page.next_token.empty()) {
    return bad_listing("it is truncated but names no next page; the service may not speak ListObjectsV2");
  }
  const uint64_t next = fingerprint(page.next_token);
  if (page.next_token == now.token || (now.pages > 0 && next == now.mark)) {
    return bad_listing("the service repeats a continuation token, which would never end");
  }
  now.empty_pages = page.objects.empty() && page.common_prefixes.empty() ? now.empty_pages + 1 : 0;
  if (now.empty_pages > kMostEmptyPages) {
    return bad_listing(std::to_string(now.empty_pages) + " pages in a row held no name, and each announced a next one");
  }
  if (++now.pages >= now.next_mark) {
    now.mark = next;
    now.next_mark *= 2;
  }
  now.token = std::move(page.next_token);
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
    add_query(out, "continuation-token", continuation_of(request, inner_location_->is_aws()).token);
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
  Continuation now = continuation_of(request, inner_location_->is_aws());

  // A folder whose objects fill several pages is named in each of them by some services.
  std::erase_if(list.common_prefixes, [&](const std::string& name) { return now.progress.has_listed(name); });
  if (const auto culprit = now.progress.take(list)) {
    return bad_listing("a page goes back to " + shown(*culprit) +
                       ", which earlier pages held or had passed by; the service repeats pages or keeps no order");
  }
  if (!now.start_after.empty()) {
    std::erase_if(list.objects, [&](const ObjectMeta& object) { return object.key <= now.start_after; });
  }

  ListPage page;
  if (list.truncated) {
    if (auto error = go_on(now, list)) return *std::move(error);
    page.continuation_token = now.text();
  }
  page.objects = std::move(list.objects);
  page.common_prefixes = std::move(list.common_prefixes);
  return page;
}

}  // namespace s3dlio::s3
