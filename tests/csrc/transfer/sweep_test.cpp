// Sweeps: only what is certainly old, certainly idle and below the prefix is aborted, by the service's clock.
#include <utility>

#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;

namespace {

constexpr std::chrono::hours kDay(24);

// The world's time is 2024-06-01.
FakeS3::Upload upload(std::string key, std::string initiated = "2024-05-01T00:00:00.000Z", std::string last_part = "") {
  FakeS3::Upload made;
  made.key = std::move(key);
  made.initiated = std::move(initiated);
  made.last_part = std::move(last_part);
  return made;
}

bool is_list(const Seen& seen) { return seen.request.query.find("uploads=") != std::string::npos; }

}  // namespace

TEST_CASE("U9: a sweep aborts only what lies below the prefix, whatever the service lists") {
  World world;
  world.s3.lists_all = true;
  world.s3.uploads["u1"] = upload("p/old");
  world.s3.uploads["u2"] = upload("q/another's");
  CHECK(world.value(world.store->sweep_uploads("p/", kDay)) == 1);
  CHECK(world.s3.uploads.contains("u2"));
}

TEST_CASE("U9: an upload of which nobody says when it began is not old") {
  for (const char* initiated : {"", "soon", "1970-01-01T00:00:00.000Z", "2024-05-01"}) {
    CAPTURE(initiated);
    World world;
    world.s3.uploads["u1"] = upload("p/k", initiated);
    CHECK(world.value(world.store->sweep_uploads("p/", kDay)) == 0);
    CHECK(world.s3.uploads.contains("u1"));
  }
}

TEST_CASE("U9: ages are by the service's clock") {
  World world;
  world.service_ahead = std::chrono::hours(-48);  // this machine is two days ahead: 2024-06-01 is 2024-05-30 there
  world.s3.uploads["running"] = upload("p/k", "2024-05-29T23:00:00.000Z");
  CHECK(world.value(world.store->sweep_uploads("p/", kDay)) == 0);
  CHECK(world.s3.uploads.contains("running"));
  SUBCASE("what is old there is aborted") {
    world.s3.uploads["old"] = upload("p/l", "2024-05-28T00:00:00.000Z");
    CHECK(world.value(world.store->sweep_uploads("p/", kDay)) == 1);
  }
  SUBCASE("a service that tells no time: nothing is aborted") {
    world.states_time = false;
    const Error error = world.error(world.store->sweep_uploads("p/", kDay));
    CHECK(error.code == ErrorCode::kProtocol);
    CHECK(world.s3.uploads.contains("running"));
  }
}

TEST_CASE("U9: an upload that still receives parts is not aborted, however long ago it began") {
  World world;
  world.s3.uploads["idle"] = upload("p/a", "2024-05-01T00:00:00.000Z", "2024-05-02T00:00:00.000Z");
  world.s3.uploads["busy"] = upload("p/b", "2024-05-01T00:00:00.000Z", "2024-05-31T23:00:00.000Z");
  CHECK(world.value(world.store->sweep_uploads("p/", kDay)) == 1);
  CHECK(world.s3.uploads.contains("busy"));
  SUBCASE("where parts may not be listed, the beginning counts") {
    world.s3.instead = [](const Seen& seen, int) -> std::optional<Reply> {
      if (seen.request.query.find("max-parts") == std::string::npos) return std::nullopt;
      return FakeS3::error(403, "AccessDenied");
    };
    CHECK(world.value(world.store->sweep_uploads("p/", kDay)) == 1);
    CHECK(world.s3.uploads.empty());
  }
  SUBCASE("the parts of a large one come in pages") {
    world.s3.uploads["idle"] = upload("p/a");
    world.s3.instead = [](const Seen& seen, int) -> std::optional<Reply> {
      if (seen.request.query.find("max-parts") == std::string::npos) return std::nullopt;
      Reply reply;
      const bool second = seen.request.query.find("part-number-marker=1000") != std::string::npos;
      reply.body = std::string("<ListPartsResult><IsTruncated>") + (second ? "false" : "true") +
                   "</IsTruncated><NextPartNumberMarker>1000</NextPartNumberMarker><Part><LastModified>" +
                   (second ? "2024-05-31T23:00:00.000Z" : "2024-05-02T00:00:00.000Z") +
                   "</LastModified></Part></ListPartsResult>";
      return reply;
    };
    CHECK(world.value(world.store->sweep_uploads("p/", kDay)) == 0);
    CHECK(world.s3.uploads.size() == 2);
  }
}

TEST_CASE("U9: a list of uploads that never ends is an error") {
  World world;
  int pages = 0;
  bool with_uploads = false;
  SUBCASE("empty pages") {}
  SUBCASE("the same uploads under new markers") { with_uploads = true; }
  world.s3.uploads["u"] = upload("p/k", "2024-05-31T23:59:00.000Z");
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (!is_list(seen)) return std::nullopt;
    Reply reply;
    reply.body = "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>p/" +
                 std::to_string(++pages) + "</NextKeyMarker>";
    if (with_uploads) {
      reply.body +=
          "<Upload><Key>p/k</Key><UploadId>u</UploadId><Initiated>2024-05-31T23:59:00.000Z</Initiated></Upload>";
    }
    reply.body += "</ListMultipartUploadsResult>";
    return reply;
  };
  const Error error = world.error(world.store->sweep_uploads("p/", kDay));
  CHECK(error.code == ErrorCode::kProtocol);
  CHECK(error.message.find("never ends") != std::string::npos);
  CHECK(pages < 200);
}

TEST_CASE("U9: one upload that cannot be aborted does not keep the others, and is named") {
  World world;
  for (int i = 0; i < 40; ++i) world.s3.uploads["u" + std::to_string(i)] = upload("p/" + std::to_string(i));
  world.s3.instead = [](const Seen& seen, int) -> std::optional<Reply> {
    if (seen.request.method != "DELETE" || seen.request.path.find("p/7") == std::string::npos) return std::nullopt;
    return FakeS3::error(403, "AccessDenied");
  };
  const Error error = world.error(world.store->sweep_uploads("p/", kDay));
  CHECK(error.code == ErrorCode::kAccessDenied);
  CHECK(error.uri == "s3://b/p/7");
  CHECK(error.message.find("1 uploads could not be aborted, 39 were") != std::string::npos);
  CHECK(world.s3.uploads.size() == 1);
}
