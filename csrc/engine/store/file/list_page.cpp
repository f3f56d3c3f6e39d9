#include "engine/store/file/list_page.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

namespace s3dlio::file {
namespace {

constexpr size_t kMaxWaiting = 8;

struct Token {  // "<walk>.<k or p>.<key in hexadecimal>": keys may hold bytes that are no text
  uint64_t walk = 0;
  ListPosition after;
};

std::string write_token(const Token& token) {
  constexpr char kDigits[] = "0123456789abcdef";
  char id[32];
  const auto end = std::to_chars(id, id + sizeof(id), token.walk, 16).ptr;
  std::string text(id, end);
  text += token.after.whole_prefix ? ".p." : ".k.";
  for (const char c : token.after.key) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::optional<Token> read_token(const std::string& text) {
  Token token;
  const char* const end = text.data() + text.size();
  const auto id = std::from_chars(text.data(), end, token.walk, 16);
  if (id.ec != std::errc() || end - id.ptr < 3 || id.ptr[0] != '.' || id.ptr[2] != '.') return std::nullopt;
  if (id.ptr[1] != 'k' && id.ptr[1] != 'p') return std::nullopt;
  token.after.whole_prefix = id.ptr[1] == 'p';
  const char* at = id.ptr + 3;
  if ((end - at) % 2 != 0) return std::nullopt;
  for (; at < end; at += 2) {
    unsigned byte = 0;
    const auto parsed = std::from_chars(at, at + 2, byte, 16);
    if (parsed.ec != std::errc() || parsed.ptr != at + 2) return std::nullopt;
    token.after.key += static_cast<char>(byte);
  }
  return token;
}

uint64_t new_id() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

void add(ListItem item, ListPage& page) {
  if (item.is_prefix) {
    page.common_prefixes.push_back(std::move(item.meta.key));
  } else {
    page.objects.push_back(std::move(item.meta));
  }
}

}  // namespace

std::optional<ListPages::Waiting> ListPages::take(uint64_t id, const ListRequest& request) {
  Shelf& shelf = inner_shelf_.get();
  std::lock_guard lock(shelf.mutex);
  const auto found = std::find_if(shelf.waiting.begin(), shelf.waiting.end(), [&](const Waiting& waiting) {
    return waiting.id == id && waiting.walk->prefix() == request.prefix &&
           waiting.walk->delimiter() == request.delimiter;
  });
  if (found == shelf.waiting.end()) return std::nullopt;
  Waiting taken = std::move(*found);
  shelf.waiting.erase(found);
  return taken;
}

void ListPages::keep(Waiting waiting) {
  std::list<Waiting> dropped;  // destroyed outside the lock
  waiting.walk->suspend();
  Shelf& shelf = inner_shelf_.get();
  std::lock_guard lock(shelf.mutex);
  shelf.waiting.push_back(std::move(waiting));
  if (shelf.waiting.size() > kMaxWaiting) dropped.splice(dropped.end(), shelf.waiting, shelf.waiting.begin());
}

Result<ListPage> ListPages::page(const Context& context, const ListRequest& request) {
  if (request.max_keys == 0)
    return make_error(ErrorCode::kInvalidArgument, "max_keys is 0; a page holds at least one key");
  ListPosition after{request.start_after, false};
  std::optional<Waiting> waiting;
  if (!request.continuation_token.empty()) {
    std::optional<Token> token = read_token(request.continuation_token);
    if (!token) return make_error(ErrorCode::kInvalidArgument, "the continuation token is none of this store's");
    waiting = take(token->walk, request);
    after = std::move(token->after);
  }
  if (!waiting) {
    Result<std::unique_ptr<ListWalk>> walk = ListWalk::open(context, request.prefix, request.delimiter, after);
    if (!walk.ok()) return std::move(walk).error();
    waiting = Waiting{0, std::move(*walk), std::nullopt};
  }
  ListPage page;
  ListPosition last;
  for (uint32_t count = 0;; ++count) {
    if (!waiting->held) {
      Result<std::optional<ListItem>> item = waiting->walk->next();
      if (!item.ok()) return std::move(item).error();
      waiting->held = std::move(*item);
    }
    if (!waiting->held) return page;
    if (count == request.max_keys) break;
    last = {waiting->held->meta.key, waiting->held->is_prefix};
    add(*std::exchange(waiting->held, std::nullopt), page);
  }
  waiting->id = new_id();
  page.continuation_token = write_token({waiting->id, std::move(last)});
  keep(std::move(*waiting));
  return page;
}

}  // namespace s3dlio::file
