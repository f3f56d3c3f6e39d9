#include "engine/transfer/dialect/etag.h"

#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;
using transfer::same_etag;

TEST_CASE("L4: one generation has one etag, however it is spelt") {
  const std::string digest = "0123456789abcdef0123456789abcdef";
  for (const std::string& same : {digest, '"' + digest + '"', "W/\"" + digest + '"', "w/" + digest,
                                  std::string("\"0123456789ABCDEF0123456789ABCDEF\"")}) {
    CAPTURE(same);
    CHECK(same_etag('"' + digest + '"', same));
    CHECK(same_etag(same, digest));
  }
  CHECK(same_etag('"' + digest + "-12\"", "W/\"0123456789ABCDEF0123456789ABCDEF-12\""));
  CHECK_FALSE(same_etag('"' + digest + "-12\"", '"' + digest + "-13\""));
  CHECK_FALSE(same_etag('"' + digest + "\"", '"' + digest + "-1\""));
  CHECK_FALSE(same_etag("\"abc\"", "\"ABC\""));  // no digest: the case may mean something
  CHECK_FALSE(same_etag("\"a\"", "\"b\""));
  CHECK_FALSE(same_etag("", "\"a\""));
  CHECK_FALSE(same_etag("\"\"", "\"\""));  // nothing names nothing
  CHECK_FALSE(same_etag("", ""));
}

namespace {

// A service whose verbs spell etags each in its own way, and whose If-Match compares strictly with the quoted form.
struct Speller {
  World world;

  Speller() {
    world.s3.tamper = [](const Seen& seen, int, Reply& reply) {
      const auto etag = reply.headers.find("ETag");
      if (!etag || seen.request.method != "HEAD") return;
      const std::string weak = "W/" + std::string(*etag);
      reply.headers.set("ETag", weak);
    };
  }
  std::string strong(const std::string& key) { return world.s3.objects[key].etag; }
};

}  // namespace

TEST_CASE("L4: an etag from a listing or a HEAD is good for reading, copying and replacing") {
  Speller speller;
  World& world = speller.world;
  world.s3.store("k", std::string(100'000, 'x'));
  const std::string quoted = speller.strong("k");
  const std::string weak = world.value(world.store->head("k", "")).etag;
  CHECK(weak == "W/" + quoted);  // as the service gives it
  for (const std::string& etag : {quoted, weak, quoted.substr(1, quoted.size() - 2)}) {
    CAPTURE(etag);
    GetOptions options;
    options.if_match = etag;
    CHECK(world.value(world.store->get("k", options)).meta.size == 100'000);
    CopyRequest copy;
    copy.source_key = "k";
    copy.key = "copied";
    copy.source_if_match = etag;
    world.value(world.store->copy(copy, {}));
  }
  PutOptions replace;
  replace.if_match = weak;
  world.value(world.store->put("k", bytes_of("new"), replace));
  CHECK(world.error(world.store->put("k", bytes_of("newer"), replace)).code == ErrorCode::kPreconditionFailed);
  GetOptions old;
  old.if_match = weak;
  CHECK(world.error(world.store->get("k", old)).code == ErrorCode::kPreconditionFailed);
  old.if_match = quoted.substr(1, quoted.size() - 2);
  CHECK(world.error(world.store->get("k", old)).code == ErrorCode::kPreconditionFailed);
}
