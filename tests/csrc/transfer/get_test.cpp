// Reads: how they are cut, and every fault of the table that a read can meet.
#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;

namespace {

constexpr uint64_t kMiB = 1 << 20;

bool is_get(const Seen& seen) { return seen.request.method == "GET"; }

}  // namespace

TEST_CASE("a small object is one plain request, verified") {
  World world;
  world.s3.store("a", random_bytes(100'000));
  const auto fetched = world.value(world.store->get("a", {}));
  CHECK(text_of(fetched.data) == world.s3.objects["a"].data);
  CHECK(fetched.meta.size == 100'000);
  CHECK(fetched.meta.etag == world.s3.objects["a"].etag);
  CHECK(world.client->seen.size() == 1);
  CHECK_FALSE(world.client->seen[0].request.headers.find("Range"));
  CHECK(counted(counters().checksums_verified) == 1);
}

TEST_CASE("a large object comes in parts, with and without its size known") {
  World world;
  world.s3.store("a", random_bytes(9 * kMiB + 12345));
  SUBCASE("size unknown: the first answer tells it, and the checksum") {
    CHECK(world.get("a") == world.s3.objects["a"].data);
    CHECK(world.requests_of("HEAD") == 0);
  }
  SUBCASE("size known: ranges from the start, the checksum by HEAD next to them") {
    GetOptions options;
    options.size_hint = 9 * kMiB + 12345;
    CHECK(world.get("a", options) == world.s3.objects["a"].data);
    CHECK(world.requests_of("HEAD") == 1);
    CHECK(world.requests_of("GET", "Range") == world.requests_of("GET"));
  }
  SUBCASE("a wrong size does no harm") {
    GetOptions options;
    options.size_hint = 100;
    CHECK(world.get("a", options) == world.s3.objects["a"].data);
  }
  CHECK(world.requests_of("GET") >= 8);
  CHECK(world.requests_of("GET", "If-Match") == world.requests_of("GET") - 1);
  CHECK(counted(counters().checksums_verified) == 1);
}

TEST_CASE("an object that has no checksum to compare is counted") {
  World world;
  world.s3.store("a", random_bytes(5 * kMiB));
  world.s3.objects["a"].has_checksum = false;
  CHECK(world.get("a") == world.s3.objects["a"].data);
  CHECK(counted(counters().checksums_absent) == 1);
}

TEST_CASE("empty objects") {
  World world;
  world.s3.store("e", "");
  CHECK(world.get("e").empty());
  CHECK(world.value(world.store->get_range("e", 0, 10, {})).data.size() == 0);
  Guarded out(16);
  const auto read = world.value(world.store->get_into("e", 0, out.span(), {}));
  CHECK(read.bytes_read == 0);
  CHECK(read.etag == world.s3.objects["e"].etag);
  CHECK(world.error(world.store->get_into("e", 1, out.span(), {})).code == ErrorCode::kRangeNotSatisfiable);
}

TEST_CASE("ranges are cut at the object's end and refused past it") {  // G7
  World world;
  world.s3.store("a", random_bytes(3 * kMiB + 7));
  const std::string& data = world.s3.objects["a"].data;
  CHECK(text_of(world.value(world.store->get_range("a", 5, 9, {})).data) == data.substr(5, 4));
  CHECK(text_of(world.value(world.store->get_range("a", 3 * kMiB, 99 * kMiB, {})).data) == data.substr(3 * kMiB));
  CHECK(text_of(world.value(world.store->get_range("a", 100, std::nullopt, {})).data) == data.substr(100));
  const Error past = world.error(world.store->get_range("a", data.size(), std::nullopt, {}));
  CHECK(past.code == ErrorCode::kRangeNotSatisfiable);
  CHECK(past.message.find("the object has 3145735 bytes") != std::string::npos);
  CHECK(world.error(world.store->get_range("a", UINT64_MAX - 5, std::nullopt, {})).code ==
        ErrorCode::kRangeNotSatisfiable);
  CHECK(world.error(world.store->get_range("a", 7, 7, {})).code == ErrorCode::kInvalidArgument);
  Guarded out(4 * kMiB);
  const auto read = world.value(world.store->get_into("a", kMiB, out.span(), {}));
  CHECK(read.bytes_read == 2 * kMiB + 7);
  CHECK(read.object_size == 3 * kMiB + 7);
  CHECK(out.text().substr(0, read.bytes_read) == data.substr(kMiB));
  CHECK(out.text().substr(read.bytes_read) == std::string(4 * kMiB - read.bytes_read, '\xEE'));
  const auto nothing = world.value(world.store->get_into("a", 5, {}, {}));
  CHECK(nothing.bytes_read == 0);
  CHECK(nothing.object_size == 3 * kMiB + 7);
}

TEST_CASE("G1, G2: a broken body is resumed from where it broke") {
  World world;
  world.s3.store("a", random_bytes(900'000));
  int cuts = 0;
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (is_get(seen) && cuts++ < 2) reply.cut_after = 300'000;
  };
  CHECK(world.get("a") == world.s3.objects["a"].data);
  REQUIRE(world.client->seen.size() == 3);
  CHECK(*world.client->seen[1].request.headers.find("Range") == "bytes=300000-899999");
  CHECK(*world.client->seen[1].request.headers.find("If-Match") == world.s3.objects["a"].etag);
  CHECK(*world.client->seen[2].request.headers.find("Range") == "bytes=600000-899999");
  CHECK(world.client->seen[1].limits.fresh_connection);
  CHECK(counted(counters().resumes) == 2);
  CHECK(counted(counters().checksums_verified) == 1);  // the running checksum went on
}

TEST_CASE("without an etag a broken body is begun again") {
  World world;
  world.s3.store("a", random_bytes(900'000));
  int cuts = 0;
  world.s3.tamper = [&](const Seen&, int, Reply& reply) {
    reply.headers = http::Headers();
    if (reply.status == 206) reply.status = 500;  // a range without an etag would be a mistake of ours
    if (cuts++ == 0) reply.cut_after = 300'000;
  };
  CHECK(world.get("a") == world.s3.objects["a"].data);
  CHECK(world.client->seen.size() == 2);
}

TEST_CASE("G2, G8: a chunked body of too few bytes is never a short success") {
  World world;
  world.s3.store("a", random_bytes(3000));
  world.s3.tamper = [&](const Seen& seen, int number, Reply& reply) {
    if (!is_get(seen) || number > 1) return;
    reply.chunked = true;  // nothing but the end of the chunks tells the length
    reply.body.resize(900);
  };
  Guarded out(1000);
  CHECK(world.value(world.store->get_into("a", 100, out.span(), {})).bytes_read == 1000);
  CHECK(out.text() == world.s3.objects["a"].data.substr(100, 1000));
  REQUIRE(world.client->seen.size() == 2);
  CHECK(*world.client->seen[1].request.headers.find("Range") == "bytes=1000-1099");
}

TEST_CASE("G5: the whole object in answer to a range") {
  World world;
  world.s3.store("a", random_bytes(3 * kMiB));
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (!is_get(seen)) return;
    reply.status = 200;
    reply.body = world.s3.objects["a"].data;
    http::Headers headers;
    headers.add("ETag", world.s3.objects["a"].etag);
    reply.headers = headers;
  };
  Guarded out(1000);
  CHECK(world.value(world.store->get_into("a", 2 * kMiB, out.span(), {})).bytes_read == 1000);
  CHECK(out.text() == world.s3.objects["a"].data.substr(2 * kMiB, 1000));
  CHECK(counted(counters().bytes_discarded) == 2 * kMiB);
  CHECK(world.error(world.store->get_into("a", 4 * kMiB, out.span(), {})).code == ErrorCode::kRangeNotSatisfiable);
}

TEST_CASE("G5: nobody throws away more than 64 MiB for a range") {
  World world;
  world.s3.store("a", random_bytes(1000));
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> {
    Reply reply;
    reply.headers.add("ETag", "\"e\"");
    reply.content_length = 200 * kMiB;
    return reply;
  };
  Guarded out(1000);
  const Error error = world.error(world.store->get_into("a", 70 * kMiB, out.span(), {}));
  CHECK(error.code == ErrorCode::kProtocol);
  CHECK(error.message.find("ignores Range") != std::string::npos);
  CHECK(world.client->seen.size() == 2);
  CHECK(counted(counters().bytes_discarded) == 0);
}

TEST_CASE("G7: scattered ranges are cut at the end and refused past it") {
  World world;
  world.s3.store("a", random_bytes(5000));
  const std::string& data = world.s3.objects["a"].data;
  Guarded first(100), last(100), beyond(10);
  const auto cut = world.value(world.store->get_ranges("a", {{4950, last.span()}, {10, first.span()}}, {}));
  CHECK(cut.bytes_read == std::vector<uint64_t>{50, 100});
  CHECK(cut.object_size == 5000);
  CHECK(first.text() == data.substr(10, 100));
  CHECK(last.text() == data.substr(4950) + std::string(50, '\xEE'));
  const Error error = world.error(world.store->get_ranges("a", {{10, first.span()}, {5000, beyond.span()}}, {}));
  CHECK(error.code == ErrorCode::kRangeNotSatisfiable);
  CHECK(beyond.text() == std::string(10, '\xEE'));
}

TEST_CASE("G6: an answer with another range is refused before a byte is written, tried once elsewhere") {
  World world;
  world.s3.store("a", random_bytes(3 * kMiB));
  std::string wrong = "bytes 0-999/3145728";
  SUBCASE("another start") { wrong = "bytes 101-1100/3145728"; }
  bool shorter = false;
  SUBCASE("another start, and as many bytes as it says") {
    wrong = "bytes 101-1099/3145728";
    shorter = true;
  }
  SUBCASE("another end") { wrong = "bytes 100-1098/3145728"; }
  SUBCASE("nonsense") { wrong = "bytes zero-ten/all"; }
  SUBCASE("unsatisfied") { wrong = "bytes */3145728"; }
  SUBCASE("no total") { wrong = "bytes 100-1099/*"; }
  int times = 1;
  SUBCASE("once") { times = 1; }
  SUBCASE("for ever") { times = 1000; }
  world.s3.tamper = [&](const Seen& seen, int number, Reply& reply) {
    if (!is_get(seen) || number > times) return;
    reply.headers.set("Content-Range", wrong);
    if (shorter) reply.body.erase(0, 1);
  };
  Guarded out(1000);
  auto future = world.store->get_into("a", 100, out.span(), {});
  if (times == 1) {
    CHECK(world.value(std::move(future)).bytes_read == 1000);
    CHECK(out.text() == world.s3.objects["a"].data.substr(100, 1000));
    CHECK(world.client->seen[1].limits.fresh_connection);
  } else {
    CHECK(world.error(std::move(future)).code == ErrorCode::kProtocol);
    CHECK(out.text() == std::string(1000, '\xEE'));
  }
  CHECK(world.client->seen.size() == 2);
  CHECK(counted(counters().rejected_responses) >= 1);
}

TEST_CASE("G6: another total in a later part, another length") {
  World world;
  world.s3.store("a", random_bytes(3 * kMiB));
  int changed = 0;
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (reply.status != 206 || seen.request.headers.find("If-Match") == std::nullopt || changed++ > 0) return;
    const std::string text(*reply.headers.find("Content-Range"));
    reply.headers.set("Content-Range", text.substr(0, text.find('/')) + "/3145729");
  };
  CHECK(world.get("a") == world.s3.objects["a"].data);
  CHECK(counted(counters().rejected_responses) == 1);
}

TEST_CASE("G11, G12: no first byte, and a trickle: another connection, and the rest") {
  World world;
  world.s3.store("a", random_bytes(900'000));
  int attempt = 0;
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (!is_get(seen)) return;
    ++attempt;
    if (attempt == 1) reply.never = true;
    if (attempt == 2) reply.bytes_per_second = 1;
  };
  world.client->chunk = 4096;
  CHECK(world.get("a") == world.s3.objects["a"].data);
  CHECK(attempt == 3);
  CHECK(world.client->seen[2].request.headers.find("Range"));
}

TEST_CASE("the total deadline holds") {
  Tuning tuning = World::small_tuning();
  tuning.operation_timeout = std::chrono::seconds(30);
  World world(tuning);
  world.s3.store("a", random_bytes(900'000));
  world.s3.tamper = [&](const Seen&, int, Reply& reply) { reply.never = true; };
  const auto began = world.loop.now();
  const Error error = world.error(world.store->get("a", {}));
  CHECK(error.code == ErrorCode::kTimeout);
  CHECK(error.message.find("time limit") != std::string::npos);
  CHECK(world.loop.now() - began <= std::chrono::seconds(31));
}

TEST_CASE("the total deadline holds, also within one attempt") {
  Tuning tuning = World::small_tuning();
  tuning.operation_timeout = std::chrono::seconds(30);
  World world(tuning);
  world.s3.store("a", random_bytes(900'000));
  world.s3.tamper = [&](const Seen&, int, Reply& reply) { reply.bytes_per_second = 10'000; };  // fast enough, but long
  const auto began = world.loop.now();
  CHECK(world.error(world.store->get("a", {})).code == ErrorCode::kTimeout);
  CHECK(world.loop.now() - began <= std::chrono::seconds(31));
}

TEST_CASE("G13: one slow connection of many is left, and its rest asked for elsewhere") {
  Tuning tuning = World::small_tuning();
  tuning.initial_connections = 32;
  World world(tuning);
  world.s3.store("a", random_bytes(32 * kMiB));
  int part = 0;
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (!is_get(seen)) return;
    reply.bytes_per_second = ++part == 7 ? 70e3 : 1e6;  // about a second each, one would take fifteen
  };
  const auto began = world.loop.now();
  std::chrono::nanoseconds bound = std::chrono::milliseconds(3300);  // the first part, then 2 x the median
  SUBCASE("hedged") {
    CHECK(world.get("a") == world.s3.objects["a"].data);
    CHECK(world.loop.now() - began < bound);
    CHECK(counted(counters().hedges) >= 1);
  }
}

TEST_CASE("G14: throttled: waits as told, goes slower, recovers") {
  World world;
  std::string data = random_bytes(1000);
  for (int i = 0; i < 200; ++i) world.s3.store("k" + std::to_string(i), data);
  int throttles = 0;
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> {
    if (throttles >= 3) return std::nullopt;
    ++throttles;
    Reply reply = throttles == 1 ? FakeS3::error(503, "SlowDown") : FakeS3::error(429, "");
    reply.headers.add("Retry-After", "7");
    return reply;
  };
  const uint32_t before = world.context->window.request_limit();
  const auto began = world.loop.now();
  CHECK(world.get("k0") == data);
  CHECK(world.loop.now() - began >= std::chrono::seconds(21));
  CHECK(world.context->window.request_limit() < before);
  CHECK(counted(counters().throttled) == 3);
  // It climbs back while others wait for a place.
  world.s3.tamper = [&](const Seen&, int, Reply& reply) { reply.delay = std::chrono::milliseconds(100); };
  for (int round = 0; round < 10; ++round) {
    std::vector<Future<FetchedObject>> all;
    for (int i = 0; i < 200; ++i) all.push_back(world.store->get("k" + std::to_string(i), {}));
    for (auto& future : all) world.value(std::move(future));
  }
  CHECK(world.context->window.request_limit() >= before);
}

TEST_CASE("G15: server errors, some and for ever") {
  World world;
  world.s3.store("a", "hello");
  int failures = 3;
  SUBCASE("a few") {}
  SUBCASE("for ever") { failures = 1'000'000; }
  world.s3.instead = [&](const Seen&, int number) -> std::optional<Reply> {
    if (number > failures) return std::nullopt;
    const int status = number % 3 == 2 ? 500 : number % 3 == 1 ? 502 : 504;
    return status == 500 ? FakeS3::error(500, "InternalError") : FakeS3::error(status, "");
  };
  auto future = world.store->get("a", {});
  if (failures == 3) {
    CHECK(text_of(world.value(std::move(future)).data) == "hello");
    CHECK(counted(counters().retries) == 3);
    return;
  }
  const Error error = world.error(std::move(future));
  CHECK(error.code == ErrorCode::kServer);
  CHECK(error.attempts == 8);
  CHECK(error.operation == "get");
  CHECK(error.uri == "s3://b/a");
  CHECK(error.message.find("8 attempts") != std::string::npos);
  CHECK(error.message.find("RQ7") != std::string::npos);
  CHECK(error.http_status >= 500);
}

TEST_CASE("G16: when everything fails, the store fails fast and does not storm") {
  World world;
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> { return FakeS3::error(500, "InternalError"); };
  std::vector<Future<FetchedObject>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(world.store->get("k" + std::to_string(i), {}));
  for (auto& future : all) CHECK(world.wait(std::move(future)).error().code == ErrorCode::kServer);
  CHECK(world.client->seen.size() <= 2000);
  CHECK(counted(counters().retry_budget_exhausted) > 0);
  CHECK(world.context->budget.tokens() < 5);
  // A success gives back.
  world.s3.instead = nullptr;
  world.s3.store("a", "x");
  for (int i = 0; i < 100; ++i) CHECK(world.get("a") == "x");
  CHECK(world.context->budget.tokens() >= 100);
}

TEST_CASE("G17: an object replaced while it is read") {
  World world;
  world.s3.store("a", random_bytes(6 * kMiB));
  bool heeds_conditions = true;
  SUBCASE("the server says 412") {}
  SUBCASE("the server ignores If-Match") { heeds_conditions = false; }
  world.s3.tamper = [&](const Seen&, int number, Reply&) {
    if (number == 3) world.s3.store("a", random_bytes(6 * kMiB, 2));
  };
  if (!heeds_conditions) {
    world.client->serve = [&](const Seen& seen) {
      Seen without = seen;
      without.request.headers = http::Headers();
      for (const auto& [name, value] : seen.request.headers) {
        if (name != "If-Match") without.request.headers.add(name, value);
      }
      return world.s3(without);
    };
  }
  const Error error = world.error(world.store->get("a", {}));
  CHECK(error.code == ErrorCode::kPreconditionFailed);
  CHECK(error.message.find("changed while being read") != std::string::npos);
}

TEST_CASE("an etag the caller insists on") {
  World world;
  world.s3.store("a", "hello");
  GetOptions options;
  options.if_match = world.s3.objects["a"].etag;
  CHECK(world.get("a", options) == "hello");
  options.if_match = "\"other\"";
  CHECK(world.error(world.store->get("a", options)).code == ErrorCode::kPreconditionFailed);
}

TEST_CASE("G19: a flipped byte: two more fetches, then an error") {
  World world;
  const size_t size = 3 * kMiB + 99;
  uint64_t wrong_rounds = 2;
  std::optional<uint64_t> hint;
  size_t bytes = size;
  SUBCASE("in one piece, twice") { bytes = 1000; }
  SUBCASE("in one piece, for ever") {
    bytes = 1000;
    wrong_rounds = 100;
  }
  SUBCASE("in parts, twice") {}
  SUBCASE("in parts, for ever") { wrong_rounds = 100; }
  SUBCASE("in parts, the checksum by HEAD") { hint = size; }
  world.s3.store("a", random_bytes(bytes));
  uint64_t flipped = 0;
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    // Always the last part, so that each round has one.
    if (!is_get(seen) || flipped == wrong_rounds) return;
    const bool last = reply.body.size() >= 10 && reply.body.ends_with(world.s3.objects["a"].data.substr(bytes - 10));
    const bool first_of_many = bytes == size && reply.status == 200;
    if (!last || first_of_many) return;
    reply.body[reply.body.size() / 2] ^= 1;
    ++flipped;
  };
  GetOptions options;
  options.size_hint = hint;
  auto future = world.store->get("a", options);
  if (wrong_rounds == 2) {
    CHECK(text_of(world.value(std::move(future)).data) == world.s3.objects["a"].data);
    CHECK(counted(counters().checksum_mismatches) == 2);
    CHECK(counted(counters().checksums_verified) == 1);
  } else {
    const Error error = world.error(std::move(future));
    CHECK(error.code == ErrorCode::kChecksumMismatch);
    CHECK(error.message.find("invalid") != std::string::npos);
    CHECK(counted(counters().checksum_mismatches) == 3);
  }
}

TEST_CASE("nothing is compared when nothing shall be") {
  World world;
  world.s3.store("a", random_bytes(1000));
  world.s3.tamper = [&](const Seen&, int, Reply& reply) { reply.body[5] ^= 1; };
  GetOptions options;
  options.verify = Verify::kNever;
  CHECK(world.get("a", options) != world.s3.objects["a"].data);
  CHECK_FALSE(world.client->seen[0].request.headers.find("x-amz-checksum-mode"));
}

TEST_CASE("G23: final answers are not repeated") {
  World world;
  ErrorCode code = ErrorCode::kNotFound;
  SUBCASE("404") {}
  SUBCASE("403") {
    code = ErrorCode::kAccessDenied;
    world.s3.instead = [](const Seen&, int) -> std::optional<Reply> { return FakeS3::error(403, "AccessDenied"); };
  }
  const Error error = world.error(world.store->get("missing", {}));
  CHECK(error.code == code);
  CHECK(error.attempts == 1);
  CHECK(world.client->seen.size() == 1);
  CHECK(world.error(world.store->head("missing", "")).code == code);
}

TEST_CASE("G24: a redirect is followed once") {
  World world;
  world.s3.store("a", "hello");
  int redirects = 1;
  SUBCASE("once") {}
  SUBCASE("time after time") { redirects = 20; }
  world.s3.instead = [&](const Seen&, int number) -> std::optional<Reply> {
    if (number > redirects) return std::nullopt;
    Reply reply = FakeS3::error(301, "PermanentRedirect");
    reply.headers.add("x-amz-bucket-region", number % 2 == 1 ? "eu-west-1" : "eu-west-2");
    return reply;
  };
  if (redirects == 1) {
    CHECK(world.get("a") == "hello");
  } else {
    CHECK(world.error(world.store->get("a", {})).code == ErrorCode::kRedirect);
    CHECK(world.client->seen.size() == 2);
  }
  CHECK(counted(counters().redirects_followed) == 1);
}

TEST_CASE("G27: a stale connection costs nothing") {
  World world;
  world.s3.store("a", "hello");
  world.s3.instead = [&](const Seen&, int number) -> std::optional<Reply> {
    if (number > 2) return std::nullopt;
    Reply reply;
    reply.stale = true;
    return reply;
  };
  const uint32_t before = world.context->budget.tokens();
  CHECK(world.get("a") == "hello");
  CHECK(world.context->budget.tokens() == before);
  CHECK(counted(counters().stale_connections) == 2);
  CHECK(world.client->seen[1].limits.fresh_connection);
}

TEST_CASE("a server that was never there is reported within the connect time-out") {
  World world;
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> { return FakeS3::reset(http::Stage::kConnect); };
  const auto began = world.loop.now();
  const Error error = world.error(world.store->get("a", {}));
  CHECK(error.code == ErrorCode::kConnection);
  CHECK(error.message.find("check the endpoint") != std::string::npos);
  CHECK(world.loop.now() - began < std::chrono::seconds(7));
}

TEST_CASE("G25: a name that does not exist is told at once") {
  World world;
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> {
    Reply reply = FakeS3::reset(http::Stage::kResolve);
    reply.failure->service_code = "NXDOMAIN";
    return reply;
  };
  CHECK(world.error(world.store->get("a", {})).code == ErrorCode::kConnection);
  CHECK(world.client->seen.size() == 1);
}

TEST_CASE("G26: a refused certificate is final") {
  World world;
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> {
    Reply reply;
    reply.failure = make_error(ErrorCode::kTls, "certificate expired");
    reply.failure_stage = http::Stage::kTls;
    return reply;
  };
  CHECK(world.error(world.store->get("a", {})).code == ErrorCode::kTls);
  CHECK(world.client->seen.size() == 1);
}

TEST_CASE("G29: cancel at any point ends at once, and nothing is written afterwards") {
  for (int steps = 0; steps < 60; ++steps) {
    World world;
    world.s3.store("a", random_bytes(5 * kMiB));
    world.s3.tamper = [](const Seen&, int, Reply& reply) { reply.bytes_per_second = 4e6; };
    Guarded out(5 * kMiB);
    auto future = world.store->get_into("a", 0, out.span(), {});
    for (int i = 0; i < steps; ++i) world.loop.step();
    const bool was_ready = future.is_ready();
    const auto at = world.loop.now();
    future.cancel();
    auto result = world.wait(std::move(future));
    CHECK(world.loop.now() - at < std::chrono::milliseconds(1));
    if (!was_ready) CHECK(result.error().code == ErrorCode::kCancelled);
    const std::string then = out.text();
    world.loop.run_dry();
    CHECK(out.text() == then);
  }
}

TEST_CASE("the window bounds what is in flight") {
  Tuning tuning = World::small_tuning();
  tuning.initial_connections = 4;
  tuning.max_connections = 4;
  World world(tuning);
  world.s3.store("a", random_bytes(20 * kMiB));
  world.s3.tamper = [](const Seen&, int, Reply& reply) { reply.delay = std::chrono::milliseconds(10); };
  CHECK(world.get("a") == world.s3.objects["a"].data);
  CHECK(world.client->most_running <= 4);
  CHECK(world.client->most_running >= 3);
}
