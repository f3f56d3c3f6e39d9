// Writes whose outcome is not known at first: what their errors say, what is looked up, and that nothing is removed on
// a guess.
#include <algorithm>
#include <utility>

#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;

namespace {

bool is_head(const Seen& seen) { return seen.request.method == "HEAD"; }
bool changes(const Seen& seen) { return seen.request.method != "GET" && !is_head(seen); }

Reply bare(int status) {
  Reply reply;
  reply.status = status;
  return reply;
}

}  // namespace

TEST_CASE("an error says whether the change may have been carried out") {
  World world;
  world.s3.store("k", "old");
  bool expected = false;
  SUBCASE("refused") {
    world.s3.instead = [](const Seen&, int) { return FakeS3::error(403, "AccessDenied"); };
  }
  SUBCASE("told to slow down by the service itself") {
    world.s3.instead = [](const Seen&, int) { return FakeS3::error(503, "SlowDown"); };
  }
  SUBCASE("not implemented") {
    world.s3.instead = [](const Seen&, int) { return FakeS3::error(501, "NotImplemented"); };
  }
  SUBCASE("never connected") {
    world.s3.instead = [](const Seen&, int) { return FakeS3::reset(http::Stage::kConnect); };
  }
  SUBCASE("a proxy gave up waiting for the service") {
    world.s3.instead = [](const Seen&, int) { return bare(504); };
    expected = true;
  }
  SUBCASE("the service failed while it worked") {
    world.s3.instead = [](const Seen&, int) { return FakeS3::error(500, "InternalError"); };
    expected = true;
  }
  SUBCASE("the answer was lost") {
    world.s3.instead = [](const Seen&, int) { return FakeS3::reset(); };
    expected = true;
  }
  SUBCASE("the answer was lost, then refused") {
    world.s3.instead = [](const Seen&, int number) {
      return number == 1 ? FakeS3::reset() : FakeS3::error(403, "AccessDenied");
    };
    expected = true;
  }
  CHECK(world.error(world.store->put("k", bytes_of("new"), {})).may_have_taken_effect == expected);
  world.s3.requests = 0;
  const auto outcomes = world.value(world.store->delete_many({"k"}));
  CHECK(outcomes[0].error.value().may_have_taken_effect == expected);
  world.s3.requests = 0;
  const auto in_batch = world.value(world.store->delete_many({"k", "l"}));
  if (in_batch[1].error) CHECK(in_batch[1].error->may_have_taken_effect == expected);
  world.s3.requests = 0;
  CHECK(world.error(world.store->create_bucket()).may_have_taken_effect == expected);
  world.s3.requests = 0;
  CHECK(world.error(world.store->delete_bucket()).may_have_taken_effect == expected);
  world.s3.requests = 0;
  CHECK_FALSE(world.error(world.store->get("k", {})).may_have_taken_effect);
  CHECK_FALSE(world.error(world.store->head("k", "")).may_have_taken_effect);
}

TEST_CASE("a write taken back while it runs may have been carried out") {
  World world;
  auto future = world.store->put("k", bytes_of("new"), {});
  REQUIRE(world.loop.run_until([&] { return world.client->running > 0; }));
  future.cancel();
  const Error error = world.error(std::move(future));
  CHECK(error.code == ErrorCode::kCancelled);
  CHECK(error.may_have_taken_effect);
}

TEST_CASE("an upload's error tells of its completion, not of its parts") {
  World world;
  const std::string data = random_bytes(13 << 20);
  std::string_view what;
  bool expected = false;
  SUBCASE("the start") { what = "uploads="; }
  SUBCASE("a part") { what = "partNumber=2"; }
  SUBCASE("the completion") {
    what = "uploadId=";
    expected = true;
  }
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    const bool completes = seen.request.method == "POST" && !seen.body.empty();
    const bool hit = expected ? completes : seen.request.query.find(what) != std::string::npos && changes(seen);
    if (!hit || seen.request.method == "DELETE") return std::nullopt;
    return FakeS3::reset();
  };
  CHECK(world.error(world.store->put("k", bytes_of(data), {})).may_have_taken_effect == expected);
}

// ---- one request ----

namespace {

bool is_completion(const Seen& seen) {
  return seen.request.method == "POST" && seen.request.query.find("uploadId") != std::string::npos;
}
bool is_abort(const Seen& seen) {
  return seen.request.method == "DELETE" && seen.request.query.find("uploadId") != std::string::npos;
}
bool is_removal(const Seen& seen) { return seen.request.method == "DELETE" && !is_abort(seen); }
int count_of(const World& world, bool (*which)(const Seen&)) {
  return static_cast<int>(std::count_if(world.client->seen.begin(), world.client->seen.end(), which));
}

// Nothing was removed, and no upload aborted.
void check_nothing_removed(const World& world) {
  CHECK(count_of(world, is_removal) == 0);
  CHECK(count_of(world, is_abort) == 0);
}

PutOptions creating() {
  PutOptions options;
  options.if_none_match = true;
  return options;
}

Tuning without_checksums() {
  Tuning tuning = World::small_tuning();
  tuning.upload_checksum = ChecksumKind::kNone;
  return tuning;
}

constexpr std::string_view kLogin = "<html><body>Please log in</body></html>";

}  // namespace

TEST_CASE("U12: a put done, its answer lost, its repetition refused: what stands is looked up") {
  for (const int status : {400, 403, 404, 405, 409, 412}) {
    for (const bool done : {true, false}) {
      CAPTURE(status);
      CAPTURE(done);
      World world;
      world.s3.store("k", "old");
      world.s3.instead = [&, puts = 0](const Seen& seen, int) mutable -> std::optional<Reply> {
        if (!changes(seen)) return std::nullopt;
        if (++puts == 1) return done ? std::nullopt : std::optional(FakeS3::reset());
        return bare(status);
      };
      world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
        if (changes(seen) && reply.status == 200) reply = FakeS3::reset();
      };
      auto result = world.wait(world.store->put("k", bytes_of("new"), {}));
      CHECK(result.ok() == done);
      if (!result) {
        CHECK(result.error().http_status == status);
        CHECK(result.error().may_have_taken_effect);
      } else {
        CHECK(result->etag == world.s3.objects["k"].etag);
      }
      CHECK(world.s3.objects["k"].data == (done ? "new" : "old"));
      check_nothing_removed(world);
    }
  }
}

TEST_CASE("U12: two workers never both hold the lock, whatever tells their objects apart") {
  World world(without_checksums());
  bool mine = false, expected_doubt = false;
  SUBCASE("mine") { mine = true; }
  SUBCASE("another's, of the same content") {}
  SUBCASE("another's, made by a program that names no write") { expected_doubt = true; }
  SUBCASE("mine, at a service that drops metadata") { mine = expected_doubt = true; }
  const bool drops = mine && expected_doubt;
  world.s3.instead = [&, puts = 0](const Seen& seen, int) mutable -> std::optional<Reply> {
    if (!changes(seen) || ++puts > 1 || mine) return std::nullopt;
    world.s3.store("lock", "held");
    if (!expected_doubt) world.s3.objects["lock"].headers["x-amz-meta-s3dlio-write-id"] = "another";
    return FakeS3::reset();
  };
  world.s3.tamper = [&, puts = 0](const Seen& seen, int, Reply& reply) mutable {
    if (drops) world.s3.objects["lock"].headers.clear();
    if (changes(seen) && ++puts == 1) reply = FakeS3::reset();
  };
  auto result = world.wait(world.store->put("lock", bytes_of("held"), creating()));
  CHECK(result.ok() == (mine && !drops));
  if (!result) {
    CHECK(result.error().code == ErrorCode::kAlreadyExists);
    CHECK(result.error().may_have_taken_effect == expected_doubt);
  }
  check_nothing_removed(world);
}

TEST_CASE("a write's name is not among the metadata, and never takes the caller's place") {
  World world;
  PutOptions options = creating();
  options.user_metadata["colour"] = "blue";
  world.value(world.store->put("k", bytes_of("x"), options));
  CHECK(world.client->seen[0].request.headers.find("x-amz-meta-s3dlio-write-id").has_value());
  const ObjectMeta meta = world.value(world.store->head("k", ""));
  CHECK(meta.user_metadata.size() == 1);
  CHECK(meta.write_id.size() == 32);
  options.user_metadata["colour"] = std::string(2020, 'b');
  world.value(world.store->put("l", bytes_of("x"), options));
  CHECK_FALSE(world.client->seen.back().request.headers.find("x-amz-meta-s3dlio-write-id").has_value());
  world.value(world.store->put("m", bytes_of("x"), {}));  // unconditional: nothing to prove
  CHECK_FALSE(world.client->seen.back().request.headers.find("x-amz-meta-s3dlio-write-id").has_value());
}

TEST_CASE("U6: an answer 200 that does not show that anything was stored is looked into") {
  for (const bool checksums : {true, false}) {
    CAPTURE(checksums);
    World world(checksums ? World::small_tuning() : without_checksums());
    Error expected = make_error(ErrorCode::kInternal, "");
    bool fails = true, stands = false;
    Reply given;  // in place of the answer to the put
    SUBCASE("no ETag, and nothing there") { expected.code = ErrorCode::kProtocol; }
    SUBCASE("no ETag, and it is there") { stands = true, fails = false; }
    SUBCASE("a login page, and nothing there") {
      given.body = kLogin;
      expected.code = ErrorCode::kProtocol;
    }
    SUBCASE("a login page with an ETag, and nothing there") {
      given.body = kLogin;
      given.headers.add("ETag", "\"p\"");
      expected.code = ErrorCode::kProtocol;
    }
    SUBCASE("an error in it, for good") {
      given.body = "<Error><Code>AccessDenied</Code></Error>";
      expected.code = ErrorCode::kAccessDenied;
    }
    world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
      if (!changes(seen)) return std::nullopt;
      if (stands) world.s3.store("k", "new");
      return given;
    };
    auto result = world.wait(world.store->put("k", bytes_of("new"), {}));
    CHECK(result.ok() == !fails);
    if (result) CHECK(result->etag == world.s3.objects["k"].etag);
    if (!result) CHECK(result.error().code == expected.code);
    if (!result) CHECK(result.error().may_have_taken_effect == (expected.code == ErrorCode::kProtocol));
    check_nothing_removed(world);
  }
}

TEST_CASE("U6: an error inside a 200 to a put is asked again") {
  World world;
  world.s3.instead = [](const Seen&, int number) -> std::optional<Reply> {
    if (number > 1) return std::nullopt;
    Reply reply = FakeS3::error(500, "InternalError");
    reply.status = 200;
    return reply;
  };
  world.value(world.store->put("k", bytes_of("new"), {}));
  CHECK(world.s3.objects["k"].data == "new");
}

TEST_CASE("U6: a put stored short at a service that repeats no checksum is found out and removed") {
  World world(without_checksums());
  world.s3.tamper = [&](const Seen& seen, int, Reply&) {
    if (seen.request.method == "PUT") world.s3.objects["k"].data.resize(2);
  };
  SUBCASE("ours") {
    const Error error = world.error(world.store->put("k", bytes_of("new"), {}));
    CHECK(error.code == ErrorCode::kIntegrity);
    CHECK(error.message.find("2 bytes are stored, 3 were sent") != std::string::npos);
    CHECK_FALSE(world.s3.objects.contains("k"));
  }
  SUBCASE("without an ETag it is not known to be ours, and stays") {
    world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
      if (!changes(seen)) return;
      world.s3.objects["k"].data.resize(2);
      reply.headers = http::Headers();
    };
    const Error error = world.error(world.store->put("k", bytes_of("new"), {}));
    CHECK(error.code == ErrorCode::kIntegrity);
    CHECK(error.may_have_taken_effect);
    CHECK(world.s3.objects.contains("k"));
  }
  SUBCASE("not being allowed to look is no failure") {
    world.s3.instead = [](const Seen& seen, int) -> std::optional<Reply> {
      if (!is_head(seen)) return std::nullopt;
      Reply reply = bare(403);
      reply.is_head = true;
      return reply;
    };
    world.value(world.store->put("k", bytes_of("new"), {}));
    CHECK(world.s3.objects.contains("k"));
  }
}

TEST_CASE("a checksum that only the answer has wrong does not cost the object") {
  World world;
  world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
    if (changes(seen)) reply.headers.set("x-amz-checksum-crc64nvme", checksum_text("evil"));
  };
  world.value(world.store->put("k", bytes_of("good"), {}));
  CHECK(world.s3.objects["k"].data == "good");
  check_nothing_removed(world);
}

// ---- uploads in parts ----

namespace {

struct LargeWorld : World {
  explicit LargeWorld(Tuning tuning = small_tuning()) : World(tuning) {}
  std::string data = random_bytes(13 << 20);
  Future<PutResult> put(PutOptions options = {}) { return store->put("k", bytes_of(data), std::move(options)); }
  int completions() const { return count_of(*this, is_completion); }
};

// White space, one byte a second, ahead of the document.
void keep_alive(Reply& reply, int seconds) {
  reply.body.insert(0, std::string(static_cast<size_t>(seconds), ' '));
  reply.bytes_per_second = 1;
}

}  // namespace

TEST_CASE("U13: a completion kept alive with white space is one request, waited for") {
  LargeWorld world;
  world.client->chunk = 1;
  world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
    if (is_completion(seen)) keep_alive(reply, 120);
  };
  const auto before = world.loop.now();
  CHECK(world.value(world.put()).size == world.data.size());
  CHECK(world.loop.now() - before > std::chrono::seconds(120));  // its own answer told, not a look in its place
  CHECK(world.completions() == 1);
  check_nothing_removed(world);
}

TEST_CASE("U13: a copy kept alive with white space is one request, waited for") {
  World world;
  world.s3.store("a", "source");
  world.client->chunk = 1;
  world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
    if (changes(seen)) keep_alive(reply, 120);
  };
  CopyRequest request;
  request.source_key = "a";
  request.key = "c";
  world.value(world.store->copy(request, {}));
  CHECK(count_of(world, changes) == 1);
}

TEST_CASE("U13: a lost completion that still runs is waited for: no second one, no abort") {
  LargeWorld world;
  int looks = 0;
  std::optional<Seen> running;  // in the service
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (is_completion(seen) && !running) {
      running = seen;
      return FakeS3::reset();
    }
    // It ends while we look.
    if (is_head(seen) && ++looks == 4) world.s3(*running);
    return std::nullopt;
  };
  CHECK(world.value(world.put()).etag == world.s3.objects["k"].etag);
  CHECK(world.completions() == 1);
  CHECK(looks == 4);
  check_nothing_removed(world);
}

TEST_CASE("U4: a completion that never arrived is sent again once nothing of it shows") {
  LargeWorld world;
  world.s3.instead = [&, lost = false](const Seen& seen, int) mutable -> std::optional<Reply> {
    if (!is_completion(seen) || std::exchange(lost, true)) return std::nullopt;
    return FakeS3::reset();
  };
  world.value(world.put());
  CHECK(world.s3.objects["k"].data == world.data);
  CHECK(world.completions() == 2);
  CHECK(count_of(world, is_head) > 2);
  check_nothing_removed(world);
}

TEST_CASE("U13: a completion that timed out while the service worked is not sent again") {
  LargeWorld world;
  world.s3.instead = [](const Seen& seen, int) -> std::optional<Reply> {
    if (!is_completion(seen)) return std::nullopt;
    Reply reply;
    reply.never = true;
    return reply;
  };
  const Error error = world.error(world.put());
  CHECK(error.code == ErrorCode::kTimeout);
  CHECK(error.may_have_taken_effect);
  CHECK(error.message.find("not aborted") != std::string::npos);
  CHECK(world.completions() == 1);
  check_nothing_removed(world);
}

TEST_CASE("U12: a completion lost, its repetition refused: the upload is left, and the error says so") {
  for (const int status : {400, 403, 404, 405, 409, 412}) {
    CAPTURE(status);
    LargeWorld world;
    world.s3.instead = [&, sent = 0](const Seen& seen, int) mutable -> std::optional<Reply> {
      if (!is_completion(seen)) return std::nullopt;
      return ++sent == 1 ? FakeS3::reset() : bare(status);
    };
    const Error error = world.error(world.put());
    CHECK(error.http_status == status);
    CHECK(error.may_have_taken_effect);
    CHECK(world.s3.uploads.size() == 1);
    check_nothing_removed(world);
  }
}

TEST_CASE("U12: a conditional completion lost, and another's object is there") {
  LargeWorld world;
  world.s3.instead = [&, sent = 0](const Seen& seen, int) mutable -> std::optional<Reply> {
    if (!is_completion(seen) || ++sent > 1) return std::nullopt;
    return FakeS3::reset();
  };
  bool same_content = false;
  SUBCASE("of the same content") { same_content = true; }
  SUBCASE("of another") {}
  world.s3.tamper = [&, heads = 0](const Seen& seen, int, Reply&) mutable {
    if (!is_head(seen) || ++heads != 3) return;
    world.s3.store("k", same_content ? world.data : "theirs");
    world.s3.objects["k"].headers["x-amz-meta-s3dlio-write-id"] = "another";
  };
  const Error error = world.error(world.put(creating()));
  CHECK(error.code == ErrorCode::kAlreadyExists);
  CHECK_FALSE(error.may_have_taken_effect);
  CHECK(world.s3.objects.contains("k"));
  CHECK(count_of(world, is_removal) == 0);
  CHECK(world.s3.uploads.empty());  // settled: nobody will complete it
}

TEST_CASE("an upload taken back while it completes: told at once, nothing aborted, what is done stands") {
  LargeWorld world;
  world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
    if (is_completion(seen)) reply.delay = std::chrono::seconds(30);
  };
  auto future = world.put();
  REQUIRE(world.loop.run_until([&] { return world.completions() == 1; }));
  const auto before = world.loop.now();
  future.cancel();
  const Error error = world.error(std::move(future));
  CHECK(error.code == ErrorCode::kCancelled);
  CHECK(error.may_have_taken_effect);
  CHECK(world.loop.now() - before < std::chrono::seconds(1));
  world.loop.run_dry();
  CHECK(world.loop.now() - before > std::chrono::seconds(29));  // a service that is hung up on may leave off
  CHECK(world.s3.objects["k"].data == world.data);
  check_nothing_removed(world);
}

TEST_CASE("a finished upload taken back while it is checked: the error says that it stands") {
  LargeWorld world;
  world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
    if (is_head(seen)) reply.delay = std::chrono::seconds(5);
  };
  auto future = world.put();
  REQUIRE(world.loop.run_until([&] { return count_of(world, is_head) == 1; }));
  future.cancel();
  const Error error = world.error(std::move(future));
  CHECK(error.code == ErrorCode::kCancelled);
  CHECK(error.may_have_taken_effect);
  world.loop.run_dry();
  CHECK(world.s3.objects["k"].data == world.data);
  check_nothing_removed(world);
}

TEST_CASE("without checksums a lost completion is known by the name of the write") {
  LargeWorld world(without_checksums());
  world.s3.tamper = [&, lost = false](const Seen& seen, int, Reply& reply) mutable {
    if (is_completion(seen) && !std::exchange(lost, true)) reply = FakeS3::reset();
  };
  CHECK(world.value(world.put()).etag == world.s3.objects["k"].etag);
  CHECK(world.completions() == 1);
}

// ---- copies ----

TEST_CASE("a copy whose answer was lost is looked for before it is made again") {
  World world;
  world.s3.store("a", "source");
  CopyRequest request;
  request.source_key = "a";
  request.key = "c";
  bool done = false;
  SUBCASE("it was made") { done = true; }
  SUBCASE("it never arrived") {}
  world.s3.instead = [&, copies = 0](const Seen& seen, int) mutable -> std::optional<Reply> {
    if (!changes(seen) || ++copies > 1 || done) return std::nullopt;
    return FakeS3::reset();
  };
  world.s3.tamper = [&, lost = !done](const Seen& seen, int, Reply& reply) mutable {
    if (is_head(seen)) reply.headers.set("Last-Modified", "Sat, 01 Jun 2024 00:00:00 GMT");
    if (changes(seen) && !std::exchange(lost, true)) reply = FakeS3::reset();
  };
  world.wall_base = std::chrono::sys_days(std::chrono::year(2024) / 6 / 1) - std::chrono::hours(1);
  world.value(world.store->copy(request, {}));
  CHECK(world.s3.objects["c"].data == "source");
  CHECK(count_of(world, changes) == (done ? 1 : 2));
}

TEST_CASE("a copy in parts takes along what a plain copy does") {
  World world;
  world.s3.store("a", "source");
  const std::vector<std::pair<std::string, std::string>> properties{
      {"Content-Type", "text/plain"},
      {"Content-Encoding", "br"},
      {"Cache-Control", "max-age=60"},
      {"Content-Disposition", "attachment"},
      {"Content-Language", "de"},
      {"Expires", "Thu, 01 Dec 2044 16:00:00 GMT"},
      {"x-amz-storage-class", "STANDARD_IA"},
      {"x-amz-server-side-encryption", "aws:kms"},
      {"x-amz-server-side-encryption-aws-kms-key-id", "arn:key"},
      {"x-amz-meta-colour", "blue"}};
  for (const auto& [name, value] : properties) world.s3.objects["a"].headers[name] = value;
  bool readable = true;
  SUBCASE("tags as well") {}
  SUBCASE("or says that the tags cannot be read") { readable = false; }
  std::optional<http::Request> start;
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (seen.request.query == "tagging=") {
      if (!readable) return FakeS3::error(403, "AccessDenied");
      Reply reply;
      reply.body =
          "<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag><Tag><Key>c</Key><Value/></Tag></TagSet>"
          "</Tagging>";
      return reply;
    }
    if (seen.request.query == "uploads=") start = seen.request;
    if (seen.request.query.find("partNumber") != std::string::npos) {
      Reply reply;
      reply.body = "<CopyPartResult><ETag>\"p\"</ETag></CopyPartResult>";
      return reply;
    }
    if (is_completion(seen)) {
      Reply reply;
      reply.body = "<CompleteMultipartUploadResult><ETag>\"m-2\"</ETag></CompleteMultipartUploadResult>";
      return reply;
    }
    return std::nullopt;
  };
  world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
    if (!is_head(seen)) return;
    reply.content_length = 6ull << 30;  // more than one request copies
    reply.headers.add("x-amz-tagging-count", "2");
  };
  CopyRequest request;
  request.source_key = "a";
  request.key = "c";
  auto result = world.wait(world.store->copy(request, {}));
  CHECK(result.ok() == readable);
  if (!readable) {
    CHECK(result.error().message.find("2 tags") != std::string::npos);
    CHECK_FALSE(start);
    return;
  }
  REQUIRE(start);
  for (const auto& [name, value] : properties) CHECK(start->headers.find(name).value_or("") == value);
  CHECK(*start->headers.find("x-amz-tagging") == "a%20b=1%262&c=");
}
