// Opening, describing, looking, listing and deleting.
#include <new>
#include <vector>

#include "c/door.h"
#include "engine/open.h"
#include "engine/process/exit.h"
#include "engine/process/fork.h"

namespace s3dlio::c {
namespace {

Result<OpenOptions> options_of(const char* const* pairs) {
  OpenOptions options;
  for (; pairs != nullptr && *pairs != nullptr; pairs += 2) {
    if (pairs[1] == nullptr) return invalid("the option " + std::string(pairs[0]) + " has no value");
    options[pairs[0]] = pairs[1];
  }
  return options;
}

s3dlio_stat stat_of(const ObjectMeta& meta) {
  s3dlio_stat stat{};
  stat.size = meta.size;
  stat.last_modified = meta.last_modified;
  copy_etag(stat.etag, meta.etag);
  return stat;
}

}  // namespace
}  // namespace s3dlio::c

using s3dlio::Result;
using s3dlio::Unit;
using namespace s3dlio::c;  // NOLINT(google-build-using-namespace): the door's own

uint32_t s3dlio_abi_version(void) { return S3DLIO_ABI_VERSION; }
const char* s3dlio_version(void) { return S3DLIO_VERSION_TEXT; }

s3dlio_code s3dlio_open(const char* uri, const char* const* options, s3dlio_store** store, s3dlio_error** error) {
  return guarded("open", error, [&]() -> Result<Unit> {
    if (uri == nullptr || store == nullptr) return invalid("uri or store is NULL");
    *store = nullptr;
    auto given = options_of(options);
    if (!given) return given.error();
    s3dlio::end_process_at_exit();
    auto opened = s3dlio::open_store(uri, *given);
    if (!opened) return opened.error();
    *store = new s3dlio_store{*std::move(opened), s3dlio::fork_generation()};
    return Unit{};
  });
}

void s3dlio_close(s3dlio_store* store) {
  if (store == nullptr) return;
  // A forked child leaves its parent's alone: the threads stayed there, and locks may be held for ever.
  if (store->generation == s3dlio::fork_generation()) delete store;
}

s3dlio_code s3dlio_describe(const char* uri, const char* const* options, char** text, s3dlio_error** error) {
  return guarded("open", error, [&]() -> Result<Unit> {
    if (uri == nullptr || text == nullptr) return invalid("uri or text is NULL");
    *text = nullptr;
    auto given = options_of(options);
    if (!given) return given.error();
    auto effective = s3dlio::effective_options(uri, *given, s3dlio::Variables::of_process());
    if (!effective) return effective.error();
    std::string all;
    for (const auto& [name, value] : *effective) all.append(name).append("=").append(value).append("\n");
    *text = new char[all.size() + 1];
    std::memcpy(*text, all.c_str(), all.size() + 1);
    return Unit{};
  });
}
void s3dlio_string_free(char* text) { delete[] text; }

s3dlio_code s3dlio_head(s3dlio_store* store, const char* key, s3dlio_stat* stat, s3dlio_error** error) {
  return guarded("head", error, [&]() -> Result<Unit> {
    auto engine = store_of(store, key);
    if (!engine) return engine.error();
    if (auto sound = check_size(stat); !sound) return sound;
    auto meta = s3dlio::wait_interruptibly((*engine)->head(key, ""));
    if (!meta) return meta.error();
    give(stat, stat_of(*meta));
    return Unit{};
  });
}

s3dlio_code s3dlio_delete(s3dlio_store* store, const char* key, s3dlio_error** error) {
  return guarded("delete", error, [&]() -> Result<Unit> {
    auto engine = store_of(store, key);
    if (!engine) return engine.error();
    auto outcomes = s3dlio::wait_interruptibly((*engine)->delete_many({key}));
    if (!outcomes) return outcomes.error();
    for (const auto& outcome : *outcomes) {
      if (outcome.error) return *outcome.error;
    }
    return Unit{};
  });
}

// ---- listing ----

struct s3dlio_listing {
  s3dlio_store store;
  s3dlio::ListRequest request;
  s3dlio::ListPage page;
  size_t next = 0;  // prefixes first, then objects
  bool is_fetched = false;
  std::string key, etag;  // of the entry given last
};

namespace {

bool is_used_up(const s3dlio_listing& listing) {
  return listing.next >= listing.page.common_prefixes.size() + listing.page.objects.size();
}

// Pages may be empty without being the last.
Result<Unit> fetch_while_empty(s3dlio_listing& listing) {
  while (is_used_up(listing) && !(listing.is_fetched && listing.page.continuation_token.empty())) {
    auto engine = store_of(&listing.store);
    if (!engine) return engine.error();
    listing.request.continuation_token = listing.page.continuation_token;
    auto page = s3dlio::wait_interruptibly((*engine)->list_page(listing.request));
    if (!page) return page.error();
    listing.page = std::move(page).value();
    listing.is_fetched = true;
    listing.next = 0;
  }
  return Unit{};
}

s3dlio_entry take_entry(s3dlio_listing& listing) {
  s3dlio_entry entry{};
  if (is_used_up(listing)) return entry;
  const size_t prefixes = listing.page.common_prefixes.size();
  const size_t at = listing.next++;
  listing.etag.clear();
  if (at < prefixes) {
    entry.is_prefix = 1;
    listing.key = listing.page.common_prefixes[at];
  } else {
    const s3dlio::ObjectMeta& meta = listing.page.objects[at - prefixes];
    listing.key = meta.key;
    listing.etag = meta.etag;
    entry.size = meta.size;
    entry.last_modified = meta.last_modified;
  }
  entry.key = listing.key.c_str();
  entry.etag = listing.etag.c_str();
  return entry;
}

}  // namespace

s3dlio_code s3dlio_list(s3dlio_store* store, const char* prefix, const s3dlio_list_options* options,
                        s3dlio_listing** listing, s3dlio_error** error) {
  return guarded("list", error, [&]() -> Result<Unit> {
    auto engine = store_of(store, prefix);
    if (!engine) return engine.error();
    if (listing == nullptr) return invalid("listing is NULL");
    auto given = taken(options);
    if (!given) return given.error();
    *listing = new s3dlio_listing{*store, {}, {}, 0, false, {}, {}};
    s3dlio::ListRequest& request = (*listing)->request;
    request.prefix = prefix;
    request.delimiter = text_or_empty(given->delimiter);
    request.start_after = text_or_empty(given->start_after);
    if (given->page_size != 0) request.max_keys = given->page_size;
    return Unit{};
  });
}

s3dlio_code s3dlio_list_next(s3dlio_listing* listing, s3dlio_entry* entry, s3dlio_error** error) {
  return guarded("list", error, [&]() -> Result<Unit> {
    if (listing == nullptr || entry == nullptr) return invalid("listing or entry is NULL");
    if (auto sound = check_size(entry); !sound) return sound;
    if (auto fetched = fetch_while_empty(*listing); !fetched) return fetched;
    give(entry, take_entry(*listing));
    return Unit{};
  });
}

void s3dlio_list_free(s3dlio_listing* listing) {
  if (listing != nullptr && listing->store.generation == s3dlio::fork_generation()) delete listing;
}

int s3dlio_shutdown(int64_t timeout_ms) {
  return s3dlio::end_process(std::chrono::milliseconds(std::max<int64_t>(timeout_ms, 0))) ? 1 : 0;
}
