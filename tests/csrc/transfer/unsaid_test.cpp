// What an answer does not say: how large the object is, of which generation it is, or that it was compressed on the
// way.
#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;

namespace {

constexpr uint64_t kMiB = 1 << 20;

bool is_get(const Seen& seen) { return seen.request.method == "GET"; }
bool is_head(const Seen& seen) { return seen.request.method == "HEAD"; }

void hide_length_of_heads(World& world) {
  world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
    if (is_head(seen)) reply.no_length = true;
  };
}

// No etag anywhere, and from request `at` on another generation of the same size.
void forget_etags(World& world, const std::string& other, int at) {
  world.s3.tamper = [&world, other, at](const Seen&, int number, Reply& reply) {
    http::Headers kept;
    for (const auto& [name, value] : reply.headers) {
      if (name != "ETag") kept.add(name, value);
    }
    reply.headers = kept;
    if (number == at) world.s3.objects["a"].data = other;
  };
}

}  // namespace

// ---- G32: how large is it? ----

TEST_CASE("G32: HEAD without a length: the first byte is asked for, and its answer says it") {
  World world;
  world.s3.store("a", random_bytes(5000));
  world.s3.store("empty", "");
  hide_length_of_heads(world);
  const ObjectMeta meta = world.value(world.store->head("a", ""));
  CHECK(meta.size == 5000);
  CHECK(meta.etag == world.s3.objects["a"].etag);
  REQUIRE(world.client->seen.size() == 2);
  CHECK(*world.client->seen[1].request.headers.find("Range") == "bytes=0-0");
  CHECK(world.value(world.store->head("empty", "")).size == 0);  // 416: there is no first byte
  Guarded nothing(0);
  CHECK(world.value(world.store->get_into("a", 10, nothing.span(), {})).object_size == 5000);
}

TEST_CASE("G32: a server that ignores ranges says it with the whole object, which is not received") {
  World world;
  world.s3.store("a", random_bytes(3 * kMiB));
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (is_head(seen)) reply.no_length = true;
    if (!is_get(seen)) return;
    reply = Reply();
    reply.headers.add("ETag", world.s3.objects["a"].etag);
    reply.body = world.s3.objects["a"].data;
  };
  CHECK(world.value(world.store->head("a", "")).size == 3 * kMiB);
}

TEST_CASE("G32: neither a length nor an etag: the size is found all the same") {
  World world;
  world.s3.store("a", random_bytes(5000));
  world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
    http::Headers kept;
    for (const auto& [name, value] : reply.headers) {
      if (name != "ETag") kept.add(name, value);
    }
    reply.headers = kept;
    if (is_head(seen)) reply.no_length = true;
  };
  CHECK(world.value(world.store->head("a", "")).size == 5000);
  CHECK(world.client->seen.size() == 2);
}

TEST_CASE("G32: a size that nobody states is an error, not 0") {
  World world;
  world.s3.store("a", random_bytes(5000));
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (is_head(seen)) reply.no_length = true;
    if (is_get(seen)) reply.headers.set("Content-Range", "bytes 0-0/*");
  };
  const Error error = world.error(world.store->head("a", ""));
  CHECK(error.code == ErrorCode::kProtocol);
  CHECK(error.message.find("how large") != std::string::npos);
}

TEST_CASE("G32: an object replaced between HEAD and the question for its size is looked at again") {
  World world;
  world.s3.store("a", random_bytes(5000));
  world.s3.tamper = [&](const Seen& seen, int number, Reply& reply) {
    if (!is_head(seen)) return;
    reply.no_length = true;
    if (number == 1) world.s3.store("a", random_bytes(7000, 2));
  };
  const ObjectMeta meta = world.value(world.store->head("a", ""));
  CHECK(meta.size == 7000);
  CHECK(meta.etag == world.s3.objects["a"].etag);
}

TEST_CASE("G32: an upload whose check is told no size is not taken for damaged, nor removed") {
  Tuning tuning = World::small_tuning();
  tuning.part_size = 5 * kMiB;
  World world(tuning);
  const std::string data = random_bytes(14 * kMiB);
  bool never_told = false;
  SUBCASE("the size is found") {}
  SUBCASE("the size cannot be found") { never_told = true; }
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (is_head(seen)) reply.no_length = true;
    if (is_get(seen) && never_told) reply.headers.set("Content-Range", "bytes 0-0/*");
  };
  CHECK(world.value(world.store->put("k", bytes_of(data), {})).size == data.size());
  REQUIRE(world.s3.objects.contains("k"));
  CHECK(world.s3.objects["k"].data == data);
  CHECK(world.requests_of("DELETE") == 0);
}

TEST_CASE("G32: a copy learns the size of its source") {
  World world;
  world.s3.store("a", random_bytes(5000));
  hide_length_of_heads(world);
  CopyRequest request;
  request.source_key = "a";
  request.key = "c";
  CHECK(world.value(world.store->copy(request, {})).size == 5000);
}

// ---- G33: of which generation is it? ----

TEST_CASE("G33: without an etag a large object is one request, or none") {
  World world;
  const std::string old = random_bytes(6 * kMiB, 1), other = random_bytes(6 * kMiB, 2);
  world.s3.store("a", old);
  world.s3.objects["a"].has_checksum = false;
  GetOptions options;
  SUBCASE("size unknown: all comes with the first answer") {
    forget_etags(world, other, 1);
    CHECK(world.get("a") == old);
    CHECK(world.client->seen.size() == 1);
  }
  SUBCASE("size known: asked in ranges, then all at once") {
    forget_etags(world, other, 1);
    options.size_hint = old.size();
    CHECK(world.get("a", options) == other);
    CHECK(world.requests_of("GET") == 2);
    CHECK(*world.client->seen[1].request.headers.find("Range") == "bytes=0-6291455");
  }
  SUBCASE("a large range") {
    forget_etags(world, other, 1);
    Guarded out(4 * kMiB);
    CHECK(world.value(world.store->get_into("a", kMiB, out.span(), {})).bytes_read == 4 * kMiB);
    CHECK(out.text() == other.substr(kMiB, 4 * kMiB));
  }
  SUBCASE("a version that was asked for is one generation: in parts, as ever") {
    forget_etags(world, old, 1);
    options.version_id = "v1";
    CHECK(world.get("a", options) == old);
    CHECK(world.requests_of("GET") > 4);
  }
}

TEST_CASE("G33: without an etag ranges far apart are one request, or an error") {
  World world;
  const std::string old = random_bytes(6 * kMiB, 1), other = random_bytes(6 * kMiB, 2);
  world.s3.store("a", old);
  forget_etags(world, other, 1);
  Guarded first(1000), second(1000);
  std::vector<RangeInto> ranges{{0, first.span()}, {5 * kMiB, second.span()}};
  SUBCASE("what lies between is thrown away") {
    world.value(world.store->get_ranges("a", ranges, {}));
    CHECK(first.text() == other.substr(0, 1000));
    CHECK(second.text() == other.substr(5 * kMiB, 1000));
  }
  SUBCASE("too much lies between") {
    world.s3.objects["a"].data.resize(80 * kMiB);
    ranges[1].offset = 79 * kMiB;
    const Error error = world.error(world.store->get_ranges("a", ranges, {}));
    CHECK(error.code == ErrorCode::kUnsupported);
    CHECK(error.message.find("no ETag") != std::string::npos);
  }
}

TEST_CASE("G33: without an etag a break begins again, also where the caller insists on any") {
  World world;
  const std::string old = random_bytes(900'000, 1), other = random_bytes(900'000, 2);
  world.s3.store("a", old);
  world.s3.objects["a"].has_checksum = false;
  forget_etags(world, other, 1);
  const auto forget = world.s3.tamper;
  world.s3.tamper = [&, forget](const Seen& seen, int number, Reply& reply) {
    forget(seen, number, reply);
    if (number == 1) reply.cut_after = 300'000;
  };
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    const_cast<http::Request&>(seen.request).headers.set("If-Match", "");  // "*" holds for whatever is there
    return std::nullopt;
  };
  GetOptions options;
  SUBCASE("no condition") {}
  SUBCASE("any object") { options.if_match = "*"; }
  CHECK(world.get("a", options) == other);
  SUBCASE("Last-Modified shows the change") {}
}

TEST_CASE("G33: without an etag another Last-Modified is a change") {
  World world;
  world.s3.store("a", random_bytes(900'000));
  world.s3.tamper = [&](const Seen&, int number, Reply& reply) {
    reply.headers = http::Headers();
    reply.headers.add("Last-Modified", number == 1 ? "Mon, 01 Jan 2024 00:00:00 GMT" : "Mon, 01 Jan 2024 00:00:05 GMT");
    if (number == 1) reply.cut_after = 300'000;
  };
  CHECK(world.error(world.store->get("a", {})).code == ErrorCode::kPreconditionFailed);
}

// ---- G34: answers of another shape ----

TEST_CASE("G34: an answer in chunks without a length is read") {
  World world;
  const std::string data = random_bytes(3 * kMiB + 5);
  world.s3.store("a", data);
  const auto in_chunks = [&](Reply& reply) {
    reply.status = 200;
    reply.body = data;
    reply.chunked = true;
    http::Headers kept;
    for (const auto& [name, value] : reply.headers) {
      if (name != "Content-Range") kept.add(name, value);
    }
    reply.headers = kept;
  };
  SUBCASE("also in place of a range") {
    world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
      if (is_get(seen)) in_chunks(reply);
    };
    CHECK(world.get("a") == data);
    CHECK(world.client->seen.size() == 1);
    CHECK(counted(counters().checksums_verified) == 1);
    CHECK(text_of(world.value(world.store->get_range("a", 5, 900, {})).data) == data.substr(5, 895));
    Guarded first(10), second(kMiB);
    std::vector<RangeInto> ranges{{2 * kMiB, second.span()}, {7, first.span()}};
    world.value(world.store->get_ranges("a", ranges, {}));
    CHECK(first.text() == data.substr(7, 10));
    CHECK(second.text() == data.substr(2 * kMiB, kMiB));
  }
  SUBCASE("one that breaks is no short success; the rest of the work is done by range") {
    world.s3.tamper = [&](const Seen& seen, int number, Reply& reply) {
      if (!is_get(seen) || number > 1) return;
      in_chunks(reply);
      reply.cut_after = kMiB;
    };
    CHECK(world.get("a") == data);
    CHECK(world.requests_of("GET", "Range") == world.requests_of("GET") - 1);
  }
  SUBCASE("until the connection ends: a cut one would look the same") {
    world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
      if (!is_get(seen)) return;
      in_chunks(reply);
      reply.chunked = false;
      reply.no_length = true;
    };
    CHECK(world.error(world.store->get("a", {})).code == ErrorCode::kProtocol);
  }
}

TEST_CASE("G34: an answer in chunks that is longer than may be held is asked for by range") {
  World world;
  const std::string data = random_bytes(65 * kMiB);
  world.s3.store("a", data);
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (is_get(seen) && reply.status == 200) reply.chunked = true;
  };
  CHECK(world.get("a") == data);
  CHECK(world.requests_of("GET", "Range") == world.requests_of("GET") - 1);
}

TEST_CASE("G34: a range of an empty object, however that is answered") {
  World world;
  world.s3.store("e", "");
  std::string range;
  SUBCASE("200 with nothing") {}
  SUBCASE("206 0--1/0") { range = "bytes 0--1/0"; }
  SUBCASE("206 */0") { range = "bytes */0"; }
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (!is_get(seen)) return;
    reply = Reply();
    reply.headers.add("ETag", world.s3.objects["e"].etag);
    if (range.empty()) return;
    reply.status = 206;
    reply.headers.add("Content-Range", range);
  };
  Guarded out(16);
  CHECK(world.value(world.store->get_into("e", 0, out.span(), {})).bytes_read == 0);
  CHECK(world.value(world.store->get_range("e", 0, 10, {})).data.size() == 0);
  CHECK(world.error(world.store->get_into("e", 1, out.span(), {})).code == ErrorCode::kRangeNotSatisfiable);
}

TEST_CASE("G35: bytes that were compressed on the way are no object") {
  World world;
  const std::string stored = random_bytes(5000), squeezed = random_bytes(700, 2);
  world.s3.store("a", stored);
  world.s3.objects["a"].has_checksum = false;
  std::function<void(Reply&)> how;
  GetOptions options;
  SUBCASE("no length is left") {
    how = [](Reply& reply) { reply.chunked = true; };
    options.size_hint = squeezed.size();  // nothing else tells
  }
  SUBCASE("the etag says so") {
    how = [](Reply& reply) { reply.headers.set("ETag", "\"abc-gzip\""); };
  }
  SUBCASE("only the size tells") {
    how = [](Reply&) {};
  }
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (!is_get(seen) || reply.status != 200) return;
    reply.headers.add("Content-Encoding", "gzip");
    reply.body = squeezed;
    how(reply);
  };
  const Error error = world.error(world.store->get("a", options));
  CHECK(error.code == ErrorCode::kProtocol);
  CHECK(error.message.find("compressed on the way") != std::string::npos);
}

TEST_CASE("G35: an object that is stored compressed is delivered as it is stored") {
  World world;
  world.s3.store("a", random_bytes(5000));
  world.s3.objects["a"].headers["Content-Encoding"] = "gzip";
  GetOptions options;
  int requests = 1;
  SUBCASE("with a checksum") {}
  SUBCASE("of known size") {
    world.s3.objects["a"].has_checksum = false;
    options.size_hint = 5000;
  }
  SUBCASE("with neither: its size is asked for") {
    world.s3.objects["a"].has_checksum = false;
    requests = 2;
  }
  CHECK(world.get("a", options) == world.s3.objects["a"].data);
  CHECK(static_cast<int>(world.client->seen.size()) == requests);
}
