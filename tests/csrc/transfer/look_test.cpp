// What a HEAD that is refused without a word leaves open, and how it is found out.
#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;

namespace {

Reply bare(int status) {
  Reply reply;
  reply.status = status;
  reply.is_head = true;
  return reply;
}

bool is_list(const Seen& seen) { return seen.request.query.starts_with("list-type=2"); }

}  // namespace

TEST_CASE("L7: a HEAD answered 404 tells a missing bucket from a missing object, and asks once") {
  World world;
  world.s3.instead = [](const Seen& seen, int) -> std::optional<Reply> {
    if (seen.request.method == "HEAD") return bare(404);
    return FakeS3::error(404, "NoSuchBucket");
  };
  const Error error = world.error(world.store->head("k", ""));
  CHECK(error.code == ErrorCode::kBucketNotFound);
  CHECK(error.operation == "head");
  CHECK(error.uri.ends_with("/k"));

  world.s3.instead = [](const Seen& seen, int) -> std::optional<Reply> {
    return seen.request.method == "HEAD" ? std::optional(bare(404)) : std::nullopt;
  };
  const auto before = world.client->seen.size();
  CHECK(world.error(world.store->head("k", "")).code == ErrorCode::kNotFound);
  CHECK(world.client->seen.size() == before + 2);
  CHECK(world.error(world.store->head("k", "")).code == ErrorCode::kNotFound);  // the bucket is known by now
  CHECK(world.client->seen.size() == before + 3);
}

TEST_CASE("L7: a listing that is not allowed leaves a 404 what it is") {
  World world;
  world.s3.instead = [](const Seen& seen, int) {
    return seen.request.method == "HEAD" ? bare(404) : FakeS3::error(403, "AccessDenied");
  };
  CHECK(world.error(world.store->head("k", "")).code == ErrorCode::kNotFound);
}

TEST_CASE("L7: a service that refuses x-amz-checksum-mode is asked without it, from then on at once") {
  World world;
  world.s3.store("k", "data");
  world.s3.instead = [](const Seen& seen, int) -> std::optional<Reply> {
    if (seen.request.method == "HEAD" && seen.request.headers.find("x-amz-checksum-mode")) return bare(400);
    return std::nullopt;
  };
  CHECK(world.value(world.store->head("k", "")).size == 4);
  const auto before = world.client->seen.size();
  CHECK(world.value(world.store->head("k", "")).size == 4);
  CHECK(world.client->seen.size() == before + 1);
}

TEST_CASE("L7: a HEAD learns the region as a GET does") {
  World world;
  world.s3.store("k", "data");
  bool told = false;
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (told) return std::nullopt;
    if (seen.request.method == "HEAD") return bare(400);
    told = true;
    Reply reply = FakeS3::error(400, "AuthorizationHeaderMalformed");
    reply.body.insert(reply.body.find("</Error>"), "<Region>eu-west-9</Region>");
    return reply;
  };
  CHECK(world.value(world.store->head("k", "")).size == 4);
}

TEST_CASE("L7: a reason is found in words, and none is made up") {
  for (const int status : {400, 403}) {
    World world;
    world.s3.instead = [status](const Seen& seen, int) {
      return seen.request.method == "HEAD" ? bare(status) : FakeS3::error(403, "InvalidAccessKeyId");
    };
    CHECK(world.error(world.store->head("k", "")).code == ErrorCode::kCredentials);
    world.s3.instead = [status](const Seen& seen, int) -> std::optional<Reply> {
      return seen.request.method == "HEAD" ? std::optional(bare(status)) : std::nullopt;
    };
    const Error error = world.error(world.store->head("k", ""));
    CHECK(error.code == (status == 400 ? ErrorCode::kInvalidArgument : ErrorCode::kAccessDenied));
    CHECK(error.message.find("token") == std::string::npos);
    CHECK(error.http_status == status);
  }
}

TEST_CASE("L7: a HEAD is taken back while its reason is looked for") {
  World world;
  Future<ObjectMeta> asked;
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (is_list(seen)) asked.cancel();
    return seen.request.method == "HEAD" ? std::optional(bare(404)) : std::nullopt;
  };
  asked = world.store->head("k", "");
  world.error(asked);
}
