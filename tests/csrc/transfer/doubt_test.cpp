// Writes whose outcome is not known at first: what their errors say, what is looked up, and that nothing is removed on
// a guess.
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
