// What every store promises, on both schemes and both engines.
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "helpers.h"
#include "sanitized.h"

using namespace s3dlio;
using namespace s3dlio::file;

namespace {

constexpr size_t kSizes[] = {0, 1, 511, 512, 4095, 4096, 4097, 100'000, kMiB, kMiB + 1, 5 * kMiB, 9 * kMiB + 12345};

struct Guarded {  // memory with a pattern around it that must not change
  explicit Guarded(size_t wanted, size_t shift)
      : bytes(wanted + shift + 8192, std::byte{0xA5}), at(4096 + shift), size(wanted) {}
  std::span<std::byte> span() { return std::span(bytes).subspan(at, size); }
  bool intact() const {
    const auto untouched = [](std::byte byte) { return byte == std::byte{0xA5}; };
    return std::all_of(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(at), untouched) &&
           std::all_of(bytes.begin() + static_cast<ptrdiff_t>(at + size), bytes.end(), untouched);
  }
  std::vector<std::byte> bytes;
  size_t at, size;
};

}  // namespace

TEST_CASE("what was put is got, whatever the size, the memory's alignment, the engine") {
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    for (const size_t size : kSizes) {
      CAPTURE(size);
      for (const size_t shift : {0, 1, 512}) {
        const auto data = random_bytes(size + shift, static_cast<unsigned>(size));
        const auto source = std::span(data).subspan(shift);
        const PutResult stored = must(store->put("a/b", source, {}));
        CHECK(stored.size == size);
        const FetchedObject fetched = must(store->get("a/b", {}));
        CHECK(same(fetched.data.span(), source));
        CHECK(fetched.meta.size == size);
        CHECK(fetched.meta.etag == stored.etag);
        CHECK(reinterpret_cast<uintptr_t>(fetched.data.data()) % 4096 == 0);
        Guarded out(size, shift);
        const ReadResult read = must(store->get_into("a/b", 0, out.span(), {}));
        CHECK(read.bytes_read == size);
        CHECK(same(out.span(), source));
        CHECK(out.intact());
      }
    }
    CHECK(folder.temporaries() == 0);
  }
}

TEST_CASE("ranges are cut at the object's end and start inside it") {
  const auto data = random_bytes(3 * kMiB + 1234);
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    must(store->put("k", data, {}));
    const uint64_t size = data.size();
    const std::pair<uint64_t, uint64_t> cases[] = {{0, 1},
                                                   {0, 4096},
                                                   {1, 4097},
                                                   {4096, 8192},
                                                   {5000, 2 * kMiB + 77},
                                                   {size - 1, size},
                                                   {size - 1, size + 100},
                                                   {100, size * 2},
                                                   {0, size}};
    for (const auto& range : cases) {
      const uint64_t start = range.first, end = range.second;
      CAPTURE(start);
      CAPTURE(end);
      const uint64_t stop = std::min(end, size);
      const auto expected = std::span(data).subspan(start, stop - start);
      const FetchedObject part = must(store->get_range("k", start, end, {}));
      CHECK(same(part.data.span(), expected));
      CHECK(part.meta.size == size);
      Guarded out(end - start, start % 3);
      CHECK(must(store->get_into("k", start, out.span(), {})).bytes_read == stop - start);
      CHECK(same(out.span().first(stop - start), expected));
      CHECK(std::all_of(out.span().begin() + static_cast<ptrdiff_t>(stop - start), out.span().end(),
                        [](std::byte byte) { return byte == std::byte{0xA5}; }));
      CHECK(out.intact());
    }
    CHECK(same(must(store->get_range("k", 4000, std::nullopt, {})).data.span(), std::span(data).subspan(4000)));
    CHECK(fails(store->get_range("k", size + 1, size + 2, {})).code == ErrorCode::kRangeNotSatisfiable);
    CHECK(fails(store->get_range("k", 5, 5, {})).code == ErrorCode::kInvalidArgument);
    CHECK(fails(store->get_range("k", 6, 5, {})).code == ErrorCode::kInvalidArgument);
    std::byte one;
    CHECK(fails(store->get_into("k", size + 1, {&one, 1}, {})).code == ErrorCode::kRangeNotSatisfiable);
    must(store->put("empty", {}, {}));
    CHECK(must(store->get_into("empty", 0, {&one, 1}, {})).bytes_read == 0);
  }
}

TEST_CASE("scattered ranges land in their places, in any order, overlapping, cut at the end") {
  const auto data = random_bytes(4 * kMiB + 99);
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    must(store->put("k", data, {}));
    std::mt19937 random(9);
    for (int round = 0; round < 20; ++round) {
      std::vector<Guarded> outs;
      std::vector<uint64_t> offsets;
      for (size_t i = 1 + random() % 40; i > 0; --i) {
        outs.emplace_back(random() % 3 == 0 ? random() % (2 * kMiB) : random() % 3000,
                          random() % 2 ? 0 : random() % 64);
        offsets.push_back(random() % 4 == 0 ? data.size() - 1 - random() % 100 : random() % data.size());
      }
      std::vector<RangeInto> ranges;
      for (size_t i = 0; i < outs.size(); ++i) ranges.push_back({offsets[i], outs[i].span()});
      const RangesResult result = must(store->get_ranges("k", ranges, {}));
      CHECK(result.object_size == data.size());
      for (size_t i = 0; i < outs.size(); ++i) {
        const uint64_t expected = std::min<uint64_t>(outs[i].size, data.size() - offsets[i]);
        REQUIRE(result.bytes_read[i] == expected);
        REQUIRE(same(outs[i].span().first(expected), std::span(data).subspan(offsets[i], expected)));
        REQUIRE(outs[i].intact());
      }
    }
    CHECK(must(store->get_ranges("k", {}, {})).bytes_read.empty());
  }
}

TEST_CASE("the writer gives the same object however the pieces fall") {
  const auto data = random_bytes(21 * kMiB + 4321);
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    std::mt19937 random(17);
    for (const bool pipelined : {false, true}) {
      auto writer = must(store->open_writer("w/x", {}));
      std::vector<Future<Unit>> open;
      size_t at = 0;
      while (at < data.size()) {
        size_t piece = 0;
        switch (random() % 4) {
          case 0:
            piece = random() % 5000;
            break;
          case 1:
            piece = random() % (3 * kMiB);
            break;
          case 2:
            piece = 4 * kMiB;
            break;
          default:
            piece = random() % (10 * kMiB);
        }
        piece = std::min(piece, data.size() - at);
        open.push_back(writer->write(std::span(data).subspan(at, piece)));
        if (!pipelined) must(std::exchange(open.back(), ready_future<Unit>(Unit{})));
        at += piece;
      }
      for (Future<Unit>& future : open) must(std::move(future));
      CHECK(writer->bytes_written() == data.size());
      CHECK(!folder.exists("w/x") == !pipelined);  // the second round replaces the first's object
      const PutResult result = must(writer->close());
      CHECK(result.size == data.size());
      CHECK(same(must(store->get("w/x", {})).data.span(), data));
      CHECK(fails(writer->write(std::span(data).first(1))).code == ErrorCode::kClosed);
      CHECK(fails(writer->close()).code == ErrorCode::kClosed);
      must(writer->abort());
    }
    auto empty = must(store->open_writer("w/empty", {}));
    CHECK(must(empty->close()).size == 0);
    CHECK(get(store, "w/empty").empty());
    CHECK(folder.temporaries() == 0);
  }
}

TEST_CASE("a writer that is aborted or dropped leaves what was there") {
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const TestStore store(folder.path, flavour);
    put(store, "k", "old");
    const auto data = random_bytes(10 * kMiB);
    auto writer = must(store->open_writer("k", {}));
    must(writer->write(data));
    must(writer->abort());
    CHECK(get(store, "k") == "old");
    CHECK(folder.temporaries() == 0);
    CHECK(fails(writer->close()).code == ErrorCode::kClosed);
    {
      auto dropped = must(store->open_writer("k", {}));
      must(dropped->write(data));
      CHECK(folder.temporaries() == 1);
    }
    for (int i = 0; i < 1000 && folder.temporaries() > 0; ++i) usleep(1000);
    CHECK(folder.temporaries() == 0);
    CHECK(get(store, "k") == "old");
  }
}

TEST_CASE("conditions hold") {
  for (const Flavour& flavour : {kFlavours[0], kFlavours[3]}) {
    const TestFolder folder;
    const TestStore store(folder.path, flavour);
    PutOptions create;
    create.if_none_match = true;
    const PutResult first = put(store, "k", "1", create);
    CHECK(fails(store->put("k", bytes_of("2"), create)).code == ErrorCode::kAlreadyExists);
    PutOptions replace;
    replace.if_match = first.etag;
    const PutResult second = put(store, "k", "22", replace);
    CHECK(second.etag != first.etag);
    CHECK(fails(store->put("k", bytes_of("3"), replace)).code == ErrorCode::kPreconditionFailed);
    CHECK(fails(store->put("none", bytes_of("3"), replace)).code == ErrorCode::kPreconditionFailed);
    CHECK(get(store, "k") == "22");
    GetOptions expect;
    expect.if_match = second.etag;
    CHECK(text_of(must(store->get("k", expect)).data.span()) == "22");
    expect.if_match = first.etag;
    CHECK(fails(store->get("k", expect)).code == ErrorCode::kPreconditionFailed);
    auto writer = must(store->open_writer("late", create));  // the object appears while the writer is open
    must(writer->write(bytes_of("w")));
    put(store, "late", "other");
    CHECK(fails(writer->close()).code == ErrorCode::kAlreadyExists);
    CHECK(get(store, "late") == "other");
    auto replacer = must(store->open_writer("late", {.if_match = must(store->head("late", "")).etag}));
    put(store, "late", "newer");
    CHECK(fails(replacer->close()).code == ErrorCode::kPreconditionFailed);
    CHECK(get(store, "late") == "newer");
    CHECK(folder.temporaries() == 0);
    PutOptions both = create;
    both.if_match = "x";
    CHECK(fails(store->put("k", {}, both)).code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("of many conditional writers exactly one wins each round") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0], {.sync_writes = false});
  PutOptions create;
  create.if_none_match = true;
  std::vector<Future<PutResult>> creators;
  const std::string text = "x";
  for (int i = 0; i < 20; ++i) creators.push_back(store->put("k", bytes_of(text), create));
  int won = 0;
  for (auto& future : creators) won += future.wait().ok();
  CHECK(won == 1);
  std::string etag = must(store->head("k", "")).etag;
  for (int round = 0; round < 20; ++round) {
    PutOptions replace;
    replace.if_match = etag;
    std::vector<Future<PutResult>> writers;
    for (int i = 0; i < 8; ++i) writers.push_back(store->put("k", bytes_of(text), replace));
    won = 0;
    for (auto& future : writers) {
      const auto result = future.wait();
      won += result.ok();
      if (result.ok()) etag = result->etag;
      if (!result.ok()) CHECK(result.error().code == ErrorCode::kPreconditionFailed);
    }
    CHECK(won == 1);
  }
}

TEST_CASE("errors say which operation on which object failed and why") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  const Error missing = fails(store->get("a/b", {}));
  CHECK(missing.code == ErrorCode::kNotFound);
  CHECK(missing.operation == "get");
  CHECK(missing.uri == "file://" + folder.path + "/a/b");
  folder.write("folder/x", "1");
  folder.write("plain", "1");
  CHECK(fails(store->get("folder", {})).code == ErrorCode::kIsADirectory);
  CHECK(fails(store->head("folder", "")).code == ErrorCode::kNotFound);
  CHECK(fails(store->put("folder", bytes_of("1"), {})).code == ErrorCode::kIsADirectory);
  CHECK(fails(store->open_writer("folder", {})).code == ErrorCode::kIsADirectory);
  CHECK(fails(store->get("plain/x", {})).code == ErrorCode::kNotFound);
  CHECK(fails(store->put("plain/x", bytes_of("1"), {})).code == ErrorCode::kNotADirectory);
  CHECK(fails(store->put("plain/x/y", bytes_of("1"), {})).code == ErrorCode::kNotADirectory);
  CHECK(fails(store->get(std::string(300, 'x'), {})).code == ErrorCode::kInvalidArgument);
  CHECK(fails(store->put(std::string(300, 'x'), {}, {})).code == ErrorCode::kInvalidArgument);
  CHECK(fails(store->head("plain", "v1")).code == ErrorCode::kUnsupported);
  CHECK(fails(store->get("plain", {.version_id = "v1"})).code == ErrorCode::kUnsupported);
  CHECK(fails(store->list_buckets()).code == ErrorCode::kUnsupported);
  CHECK(mkfifo((folder.path + "/pipe").c_str(), 0600) == 0);
  CHECK(fails(store->get("pipe", {})).code == ErrorCode::kUnsupported);  // and does not wait for a writer
  for (const char* key : {"../x", "/etc/passwd", "a//b", ""}) {
    CHECK(fails(store->get(key, {})).code == ErrorCode::kInvalidArgument);
    CHECK(fails(store->put(key, {}, {})).code == ErrorCode::kInvalidArgument);
    CHECK(fails(store->open_writer(key, {})).code == ErrorCode::kInvalidArgument);
    CHECK(fails(store->head(key, "")).code == ErrorCode::kInvalidArgument);
    CHECK(must(store->delete_many({key}))[0].error->code == ErrorCode::kInvalidArgument);
    CHECK(fails(store->copy({.source_key = "plain", .key = key}, {})).code == ErrorCode::kInvalidArgument);
    CHECK(fails(store->copy({.source_key = key, .key = "y"}, {})).code == ErrorCode::kInvalidArgument);
  }
  for (const PutOptions& options : {PutOptions{.content_type = "x"}, PutOptions{.content_encoding = "x"},
                                    PutOptions{.cache_control = "x"}, PutOptions{.content_disposition = "x"},
                                    PutOptions{.storage_class = "x"}, PutOptions{.user_metadata = {{"a", "b"}}}}) {
    CHECK(fails(store->put("k", {}, options)).code == ErrorCode::kUnsupported);
    CHECK(fails(store->open_writer("k", options)).code == ErrorCode::kUnsupported);
    CHECK(fails(store->copy({.source_key = "plain", .key = "k"}, options)).code == ErrorCode::kUnsupported);
  }
  CHECK(folder.temporaries() == 0);
}

TEST_CASE("without the right to, reading and writing are denied") {
  if (geteuid() == 0) {
    MESSAGE("skipped: root may do everything");
    return;
  }
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  folder.write("d/secret", "1");
  chmod((folder.path + "/d/secret").c_str(), 0);
  CHECK(fails(store->get("d/secret", {})).code == ErrorCode::kAccessDenied);
  chmod((folder.path + "/d").c_str(), 0);
  CHECK(fails(store->put("d/x", {}, {})).code == ErrorCode::kAccessDenied);
  CHECK(fails(store->list_page({})).code == ErrorCode::kAccessDenied);
  chmod((folder.path + "/d").c_str(), 0700);
}

TEST_CASE("links inside the root are followed, links out of it are not, by reading or writing") {
  const TestFolder folder, outside;
  outside.write("secret", "outside");
  folder.write("real/file", "inside");
  std::filesystem::create_symlink("real", folder.path + "/near");
  std::filesystem::create_symlink("file", folder.path + "/real/alias");
  std::filesystem::create_symlink(outside.path, folder.path + "/far");
  std::filesystem::create_symlink("../" + std::filesystem::path(outside.path).filename().string(), folder.path + "/up");
  std::filesystem::create_symlink(outside.path + "/secret", folder.path + "/leak");
  for (const bool old_kernel : {false, true}) {
    CAPTURE(old_kernel);
    const ReplacedSyscalls replaced;
    if (old_kernel) {
      replaced->openat2 = [](int, const char*, const abi::OpenHow&) {
        errno = ENOSYS;
        return -1;
      };
    }
    const TestStore store(folder.path, kFlavours[0]);
    CHECK(get(store, "real/file") == "inside");
    if (!old_kernel) {
      CHECK(get(store, "near/file") == "inside");
      CHECK(get(store, "real/alias") == "inside");
      put(store, "near/new", "n");
      CHECK(folder.read("real/new") == "n");
    }
    for (const char* key : {"far/secret", "up/secret", "leak"}) {
      CAPTURE(key);
      const ErrorCode code = fails(store->get(key, {})).code;
      CHECK((code == ErrorCode::kAccessDenied || code == ErrorCode::kNotFound));
      CHECK(!store->head(key, "").wait().ok());
    }
    for (const char* key : {"far/new", "up/new", "far/deep/new"}) {
      CAPTURE(key);
      CHECK(!store->put(key, bytes_of("x"), {}).wait().ok());
      CHECK(!store->open_writer(key, {}).ok());
    }
    CHECK(must(store->delete_many({"far/secret"}))[0].error);
    put(store, "leak", "mine");  // replaces the link itself
    CHECK(get(store, "leak") == "mine");
    CHECK(outside.read("secret") == "outside");
    CHECK(std::distance(std::filesystem::directory_iterator(outside.path), {}) == 1);
    std::filesystem::remove(folder.path + "/leak");
    std::filesystem::create_symlink(outside.path + "/secret", folder.path + "/leak");
  }
  const TestFolder linked;
  std::filesystem::create_symlink(folder.path, linked.path + "/root");
  CHECK(get(TestStore(linked.path + "/root", kFlavours[0]), "real/file") == "inside");
}

TEST_CASE("the root: missing, made by writing, a file, a bucket") {
  const TestFolder folder;
  const std::string root = folder.path + "/deep/root";
  const TestStore store(root, kFlavours[0]);
  CHECK(fails(store->get("k", {})).code == ErrorCode::kNotFound);
  CHECK(fails(store->head("k", "")).code == ErrorCode::kNotFound);
  CHECK(fails(store->list_page({})).code == ErrorCode::kBucketNotFound);
  CHECK(fails(store->delete_bucket()).code == ErrorCode::kBucketNotFound);
  CHECK(!must(store->delete_many({"k"}))[0].error);
  CHECK(must(store->sweep_uploads("", std::chrono::seconds(0))) == 0);
  put(store, "a/b/k", "1");
  CHECK(get(store, "a/b/k") == "1");
  const Error full = fails(store->delete_bucket());
  CHECK(full.code == ErrorCode::kInvalidArgument);
  CHECK(full.message.find("a/b/k") != std::string::npos);
  CHECK(get(store, "a/b/k") == "1");
  CHECK(!must(store->delete_many({"a/b/k"}))[0].error);
  CHECK(folder.exists("deep/root/a/b"));
  must(store->delete_bucket());
  CHECK(!folder.exists("deep/root"));
  must(store->create_bucket());
  must(store->create_bucket());
  CHECK(folder.exists("deep/root"));
  folder.write("plain", "");
  CHECK(fails(open_file({.root = folder.path + "/plain"}, {})).code == ErrorCode::kNotADirectory);
  CHECK(fails(open_file({.root = "relative"}, {})).code == ErrorCode::kInvalidArgument);
  CHECK(TestStore(folder.path + "//", kFlavours[0])->uri_of("k") == "file://" + folder.path + "/k");
}

TEST_CASE("delete takes what is there, minds not what is missing, and answers in order") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  for (const char* key : {"a", "d/b", "d/c", "e/f"}) put(store, key, "1");
  const auto outcomes = must(store->delete_many({"d/c", "none", "d/b", "a", "no/such", "a/below", "e", "d/../e/f"}));
  REQUIRE(outcomes.size() == 8);
  for (size_t i = 0; i < 6; ++i) CHECK(!outcomes[i].error);
  CHECK(outcomes[3].key == "a");
  CHECK(outcomes[6].error->code == ErrorCode::kIsADirectory);
  CHECK(outcomes[7].error->code == ErrorCode::kInvalidArgument);
  CHECK(outcomes[7].error->operation == "delete");
  CHECK(!folder.exists("a"));
  CHECK(folder.exists("d"));
  CHECK(folder.exists("e/f"));
}

TEST_CASE("copy, in the kernel or through memory, within a root or from another") {
  const auto data = random_bytes(9 * kMiB + 77);
  for (const bool kernel_copies : {true, false}) {
    const ReplacedSyscalls replaced;
    if (!kernel_copies) {
      replaced->copy_file_range = [](int, off_t*, int, off_t*, size_t, unsigned) -> ssize_t {
        errno = EXDEV;
        return -1;
      };
    }
    const TestFolder folder, other;
    const TestStore store(folder.path, kFlavours[2]);
    must(store->put("from", data, {}));
    const PutResult copied = must(store->copy({.source_key = "from", .key = "to/there"}, {}));
    CHECK(copied.size == data.size());
    CHECK(same(must(store->get("to/there", {})).data.span(), data));
    must(store->copy({.source_key = "from", .key = "from"}, {}));
    CHECK(same(must(store->get("from", {})).data.span(), data));
    other.write("x", "elsewhere");
    must(store->copy({.source_bucket = other.path, .source_key = "x", .key = "x"}, {}));
    CHECK(get(store, "x") == "elsewhere");
    CHECK(fails(store->copy({.source_key = "none", .key = "y"}, {})).code == ErrorCode::kNotFound);
    CHECK(fails(store->copy({.source_key = "x", .key = "y", .source_if_match = "no"}, {})).code ==
          ErrorCode::kPreconditionFailed);
    CHECK(fails(store->copy({.source_key = "x", .key = "y", .source_version_id = "v"}, {})).code ==
          ErrorCode::kUnsupported);
    CHECK(fails(store->copy({.source_key = "x", .key = "to/there"}, {.if_none_match = true})).code ==
          ErrorCode::kAlreadyExists);
    CHECK(folder.temporaries() == 0);
  }
}

TEST_CASE("a sweep removes old temporaries under the prefix and nothing else") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0]);
  for (const char* name : {".s3dlio-tmp-1", "a/.s3dlio-tmp-2", "a/b/.s3dlio-tmp-3", "c/.s3dlio-tmp-4", "a/keep"})
    folder.write(name, "x");
  CHECK(must(store->sweep_uploads("", std::chrono::hours(1))) == 0);
  CHECK(must(store->sweep_uploads("a/", std::chrono::seconds(0))) == 2);
  CHECK(!folder.exists("a/.s3dlio-tmp-2"));
  CHECK(folder.exists(".s3dlio-tmp-1"));
  CHECK(must(store->sweep_uploads("k", std::chrono::seconds(0))) == 1);
  CHECK(folder.exists("c/.s3dlio-tmp-4"));
  CHECK(must(store->sweep_uploads("", std::chrono::seconds(0))) == 1);
  CHECK(folder.read("a/keep") == "x");
}

TEST_CASE("a reader beside a writer sees one object or the other, whole") {
  const TestFolder folder;
  for (const Flavour& flavour : {kFlavours[0], kFlavours[3]}) {
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    const std::vector<std::byte> ones(3 * kMiB, std::byte{1}), twos(2 * kMiB + 5, std::byte{2});
    must(store->put("k", ones, {}));
    std::atomic<bool> stop{false};
    std::jthread writer([&] {
      for (int i = 0; i < 60; ++i) must(store->put("k", i % 2 ? ones : twos, {}));
      stop = true;
    });
    while (!stop) {
      const FetchedObject fetched = must(store->get("k", {}));
      REQUIRE((same(fetched.data.span(), ones) || same(fetched.data.span(), twos)));
    }
  }
}

TEST_CASE("many calls at once from many threads") {
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    std::vector<std::jthread> threads;
    std::atomic<int> wrong{0};
    for (unsigned t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        std::vector<std::vector<std::byte>> data;
        std::vector<Future<PutResult>> puts;
        for (unsigned i = 0; i < 40; ++i) data.push_back(random_bytes(i * 7919 % 300000, t * 100 + i));
        for (unsigned i = 0; i < 40; ++i)
          puts.push_back(store->put(std::to_string(t) + "/" + std::to_string(i), data[i], {}));
        for (auto& future : puts) wrong += !future.wait().ok();
        std::vector<Future<FetchedObject>> gets;
        for (unsigned i = 0; i < 40; ++i) gets.push_back(store->get(std::to_string(t) + "/" + std::to_string(i), {}));
        for (unsigned i = 0; i < 40; ++i) {
          auto fetched = gets[i].wait();
          wrong += !fetched.ok() || !same(fetched->data.span(), data[i]);
        }
      });
    }
    threads.clear();
    CHECK(wrong == 0);
  }
}

TEST_CASE("a cancelled read answers, and writes nothing afterwards") {
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    const auto data = random_bytes(24 * kMiB);
    must(store->put("k", data, {}));
    for (int round = 0; round < 6; ++round) {
      std::vector<std::byte> out(data.size());
      Future<ReadResult> read = store->get_into("k", 0, out, {});
      usleep(static_cast<unsigned>(round) * 500);
      read.cancel();
      const auto result = read.wait();
      std::fill(out.begin(), out.end(), std::byte{0x5A});
      if (!result.ok()) CHECK(result.error().code == ErrorCode::kCancelled);
      usleep(2000);
      CHECK(std::all_of(out.begin(), out.end(), [](std::byte byte) { return byte == std::byte{0x5A}; }));
    }
    Future<PutResult> write = store->put("new", data, {});
    write.cancel();
    const auto result = write.wait();
    CHECK((result.ok() || result.error().code == ErrorCode::kCancelled));
    CHECK(folder.exists("new") == result.ok());
    CHECK(folder.temporaries() == 0);
  }
}

TEST_CASE("G29: a cancelled read of a file stops between two blocks") {
  const TestFolder folder;
  Tuning tuning;
  tuning.sync_writes = false;
  tuning.file_threads = 1;  // one block at a time
  const TestStore store(folder.path, kFlavours[0], tuning);
  const auto data = random_bytes(40 * kMiB);
  must(store->put("k", data, {}));
  static std::atomic<int> reads;
  static std::atomic<bool> go_on;
  reads = 0;
  go_on = false;
  const ReplacedSyscalls replaced;
  replaced->pread = [](int fd, void* into, size_t size, off_t offset) {
    ++reads;
    while (!go_on) usleep(1000);
    return ::pread(fd, into, size, offset);
  };
  std::vector<std::byte> out(data.size());
  Future<ReadResult> read = store->get_into("k", 0, out, {});
  while (reads == 0) usleep(1000);
  read.cancel();
  CHECK_FALSE(read.is_ready());  // a block is still being written to
  go_on = true;
  CHECK(fails(std::move(read)).code == ErrorCode::kCancelled);
  CHECK(reads == 1);
}

TEST_CASE("G30: a forked child reads and writes while its parent does" * doctest::skip(kSanitized)) {
  for (const Flavour& flavour : kFlavours) {
    CAPTURE(flavour.name);
    const TestFolder folder;
    const TestStore store(folder.path, flavour, {.sync_writes = false});
    const auto data = random_bytes(6 * kMiB + 5);
    must(store->put("k", data, {}));
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::jthread busy([&] {
      while (!stop) {
        auto fetched = store->get("k", {}).wait();
        wrong += !fetched.ok() || !same(fetched->data.span(), data);
        wrong += !store->list_page({.max_keys = 1}).wait().ok();
      }
    });
    auto writer = must(store->open_writer("parents", {}));
    must(writer->write(data));
    for (int round = 0; round < 8; ++round) {
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        alarm(20);
        writer.reset();  // must not remove the parent's file
        const std::string key = "child" + std::to_string(round);
        auto fetched = store->get("k", {}).wait();
        bool fine = fetched.ok() && same(fetched->data.span(), data);
        fine = fine && store->put(key, data, {}).wait().ok();
        auto again = store->get(key, {}).wait();
        fine = fine && again.ok() && same(again->data.span(), data);
        fine = fine && store->list_page({.max_keys = 2}).wait().ok();
        _exit(fine ? 0 : 1);
      }
      int status = 0;
      REQUIRE(waitpid(child, &status, 0) == child);
      CHECK(status == 0);
    }
    stop = true;
    busy.join();
    CHECK(wrong == 0);
    must(writer->close());
    CHECK(same(must(store->get("parents", {})).data.span(), data));
  }
}

TEST_CASE("the writer's own memory stays bounded however much is written") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[0], {.sync_writes = false});
  const auto piece = random_bytes(kMiB);
  auto writer = must(store->open_writer("k", {}));
  uint64_t most = 0;
  const uint64_t before = BufferPool::instance().usage().in_use_bytes;
  for (int i = 0; i < 100; ++i) {
    must(writer->write(piece));
    most = std::max(most, BufferPool::instance().usage().in_use_bytes - before);
  }
  must(writer->close());
  CHECK(most <= 6 * 4 * kMiB);
  CHECK(must(store->head("k", "")).size == 100 * kMiB);
}

TEST_CASE("counters tell what was done") {
  const TestFolder folder;
  const TestStore store(folder.path, kFlavours[2]);
  const auto data = random_bytes(2 * kMiB);
  Buffer aligned = must(BufferPool::instance().allocate(data.size()));
  std::memcpy(aligned.data(), data.data(), data.size());
  counters_reset();
  must(store->put("k", aligned.span(), {}));
  must(store->get("k", {}));
  if (counters().direct_fallbacks == 0) {
    CHECK(counters().direct_writes > 0);
    CHECK(counters().direct_reads > 0);
    CHECK(counters().direct_bounce_bytes == 0);
    CHECK(counters().bytes_copied == 0);
    std::vector<std::byte> out(5000);
    must(store->get_into("k", 100, std::span(out).subspan(1, 4000), {}));
    CHECK(counters().direct_bounce_bytes == 4000);
  }
  CHECK(counters().bytes_sent == data.size());
  CHECK(counters().bytes_received >= data.size());
}
