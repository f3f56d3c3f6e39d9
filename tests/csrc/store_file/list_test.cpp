#include <algorithm>
#include <set>

#include "helpers.h"

using namespace s3dlio;
using namespace s3dlio::file;

namespace {

struct Listed {
  std::vector<std::string> objects, prefixes;
  int pages = 0;
  bool operator==(const Listed& other) const { return objects == other.objects && prefixes == other.prefixes; }
};

Listed list_all(const TestStore& store, ListRequest request, bool forget_walks = false) {
  Listed listed;
  std::string last;
  do {
    ListPage page = must(store->list_page(request));
    ++listed.pages;
    CHECK(page.objects.size() + page.common_prefixes.size() <= request.max_keys);
    for (const ObjectMeta& meta : page.objects) {
      CHECK(meta.key > last);
      last = meta.key;
      listed.objects.push_back(meta.key);
    }
    listed.prefixes.insert(listed.prefixes.end(), page.common_prefixes.begin(), page.common_prefixes.end());
    request.continuation_token = page.continuation_token;
    // Another walk number: as if the token came from another process.
    if (forget_walks && !request.continuation_token.empty())
      request.continuation_token.replace(0, request.continuation_token.find('.'), "0");
  } while (!request.continuation_token.empty());
  return listed;
}

// What an object store would answer.
Listed model(const std::set<std::string>& keys, const ListRequest& request) {
  Listed listed;
  for (const std::string& key : keys) {
    if (!key.starts_with(request.prefix) || key <= request.start_after) continue;
    const size_t found =
        request.delimiter.empty() ? std::string::npos : key.find(request.delimiter, request.prefix.size());
    if (found == std::string::npos) {
      listed.objects.push_back(key);
    } else {
      const std::string common = key.substr(0, found + request.delimiter.size());
      if (listed.prefixes.empty() || listed.prefixes.back() != common) listed.prefixes.push_back(common);
    }
  }
  return listed;
}

}  // namespace

TEST_CASE("keys ascend by their bytes across folders") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  for (const char* key : {"a/b", "a.txt", "a0", "a-b/c", "a/a/a", "b", "Z", "\xc3\xa4"}) folder.write(key, "x");
  CHECK(list_all(store, {}).objects ==
        std::vector<std::string>{"Z", "a-b/c", "a.txt", "a/a/a", "a/b", "a0", "b", "\xc3\xa4"});
}

TEST_CASE("random trees list as an object store would list them, however the pages fall") {
  std::mt19937 random(23);
  const std::string segments[] = {"a", "b", "a.x", "a-", "a0", "ab", "~", "B", "a b"};
  for (int round = 0; round < 25; ++round) {
    const TestFolder folder;
    const TestStore store(folder.path, kFlavours[0]);
    std::set<std::string> keys;
    for (int i = 0; i < 40; ++i) {
      std::string key;
      for (size_t depth = random() % 4; depth > 0; --depth) key += segments[random() % std::size(segments)] + "/";
      key += segments[random() % std::size(segments)];
      const std::string path = folder.path + "/" + key;
      std::error_code failed;
      std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
      if (failed || std::filesystem::is_directory(path)) continue;
      std::ofstream(path) << "x";
      if (std::filesystem::is_regular_file(path)) keys.insert(key);
    }
    std::filesystem::create_directories(folder.path + "/empty/er");
    folder.write("a-dir/.s3dlio-tmp-1", "x");
    for (int query = 0; query < 30; ++query) {
      ListRequest request;
      const auto some_key = [&] { return *std::next(keys.begin(), static_cast<ptrdiff_t>(random() % keys.size())); };
      if (random() % 2) request.prefix = some_key().substr(0, random() % 6);
      if (random() % 2) request.delimiter = random() % 3 ? "/" : random() % 2 ? "a" : "-";
      if (random() % 2) request.start_after = random() % 2 ? some_key() : some_key().substr(0, random() % 6);
      request.max_keys = static_cast<uint32_t>(1 + random() % 7);
      CAPTURE(request.prefix);
      CAPTURE(request.delimiter);
      CAPTURE(request.start_after);
      CAPTURE(request.max_keys);
      const Listed expected = model(keys, request);
      const Listed listed = list_all(store, request, random() % 2);
      REQUIRE(listed.objects == expected.objects);
      REQUIRE(listed.prefixes == expected.prefixes);
    }
  }
}

TEST_CASE("metadata in a listing is that of head") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  put(store, "d/k", "12345");
  const ListPage page = must(store->list_page({}));
  const ObjectMeta head = must(store->head("d/k", ""));
  REQUIRE(page.objects.size() == 1);
  CHECK(page.objects[0].size == 5);
  CHECK(page.objects[0].etag == head.etag);
  CHECK(page.objects[0].last_modified == head.last_modified);
  CHECK(head.last_modified > 1.6e9);
}

TEST_CASE("what is no object is not listed: folders, temporaries, pipes, links out; prefixes no key has find nothing") {
  const TestFolder folder, outside;
  const TestStore store(folder.path, kFlavours[0]);
  outside.write("x", "1");
  folder.write("file", "1");
  folder.write("sub/file", "1");
  folder.write("only/.s3dlio-tmp-1", "1");
  mkfifo((folder.path + "/pipe").c_str(), 0600);
  std::filesystem::create_directories(folder.path + "/void");
  std::filesystem::create_symlink(outside.path, folder.path + "/far");
  std::filesystem::create_symlink(outside.path + "/x", folder.path + "/leak");
  std::filesystem::create_symlink("sub", folder.path + "/near");
  std::filesystem::create_symlink(".", folder.path + "/loop");
  std::filesystem::create_symlink("nowhere", folder.path + "/dangling");
  std::filesystem::create_symlink("file", folder.path + "/link");
  CHECK(list_all(store, {}).objects == std::vector<std::string>{"file", "link", "sub/file"});
  CHECK(list_all(store, {.delimiter = "/"}).prefixes == std::vector<std::string>{"sub/"});
  for (const char* prefix : {"/", "../", "sub//", "./", "nothing/", "file/", "far/", "sub/../"}) {
    CAPTURE(prefix);
    const auto page = store->list_page({.prefix = prefix}).wait();
    if (std::string(prefix) == "far/") {
      CHECK(!page.ok());
    } else {
      REQUIRE(page.ok());
      CHECK(page->objects.empty());
    }
  }
}

TEST_CASE("bad requests are refused") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  CHECK(fails(store->list_page({.max_keys = 0})).code == ErrorCode::kInvalidArgument);
  for (const char* token : {"x", "1.k", "1.z.61", "1.k.6", "1.k.zz", "..", "1.k.6x"}) {
    CHECK(fails(store->list_page({.continuation_token = token})).code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("a large folder is listed in pages without reading it for each") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  std::filesystem::create_directories(folder.path + "/d");
  for (int i = 0; i < 5000; ++i) {
    const int fd = ::open((folder.path + "/d/" + std::to_string(i)).c_str(), O_CREAT | O_WRONLY, 0600);
    REQUIRE(fd >= 0);
    ::close(fd);
  }
  const Listed listed = list_all(store, {.max_keys = 100});
  CHECK(listed.objects.size() == 5000);
  CHECK(listed.pages == 50);
  CHECK(list_all(store, {.max_keys = 700}, true).objects == listed.objects);
  // More listings at a time than walks are kept: the forgotten ones go on from their token.
  std::vector<ListRequest> open(20);
  std::vector<size_t> counts(20);
  for (int round = 0; round < 12; ++round) {
    for (size_t i = 0; i < open.size(); ++i) {
      if (round > 0 && open[i].continuation_token.empty()) continue;
      open[i].max_keys = 500;
      const ListPage page = must(store->list_page(open[i]));
      counts[i] += page.objects.size();
      open[i].continuation_token = page.continuation_token;
    }
  }
  for (const size_t count : counts) CHECK(count == 5000);
}
