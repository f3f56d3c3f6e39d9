// From a URI and text to a store: what is accepted, what is refused and how, what the environment adds.
#include "engine/open.h"

#include <doctest/doctest.h>

#include <string>

#include "credentials/world.h"
#include "engine/opening/prefix_store.h"
#include "engine/opening/scheme.h"
#include "engine/opening/values.h"

using namespace s3dlio;
using namespace s3dlio::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string refusal(std::string_view uri, const OpenOptions& options = {}, Vars variables = {{"HOME", "/none"}}) {
  const auto found = effective_options(uri, options, Variables(std::move(variables)));
  if (found) return "accepted";
  CHECK(found.error().code == ErrorCode::kInvalidArgument);
  CHECK(found.error().operation == "open");
  return found.error().message;
}

OpenOptions effective(const OpenOptions& options, Vars variables, std::string_view uri = "s3://bucket/") {
  variables.try_emplace("HOME", "/none");
  auto found = effective_options(uri, options, Variables(std::move(variables)));
  if (!found) FAIL(found.error().message);
  return std::move(found).value();
}

}  // namespace

TEST_CASE("URIs: three schemes; a prefix ends with a slash") {
  CHECK(opening::parse_store_uri("s3://bucket/a//b")->prefix == "a//b/");
  CHECK(opening::parse_store_uri("s3://bucket")->text() == "s3://bucket/");
  CHECK(opening::parse_store_uri("s3://")->bucket.empty());
  CHECK(opening::parse_store_uri("direct:///data")->prefix == "data/");
  for (const std::string uri : {"bucket/key", "ftp://host/", "file://relative/path", "file://", "s3:///key"}) {
    CAPTURE(uri);
    CHECK(contains(refusal(uri), uri));
    CHECK(contains(refusal(uri), "expected s3://"));
  }
}

TEST_CASE("options: an unknown one is named, and the valid ones are listed") {
  const std::string text = refusal("s3://b/", {{"regoin", "x"}, {"part_size", "1"}});
  CHECK(contains(text, "regoin;"));
  CHECK(contains(text, "region, endpoint_url"));
  CHECK(contains(text, "sync_writes"));
  CHECK(contains(refusal("file:///x", {{"region", "x"}}), "file://: region"));
}

TEST_CASE("options: a bad value names its option or variable; a secret is never shown") {
  CHECK(contains(refusal("s3://b/", {{"part_size", "many"}}), "part_size is \"many\""));
  CHECK(contains(refusal("s3://b/", {{"part_size", "0"}}), "at least 1"));
  CHECK(contains(refusal("s3://b/", {{"max_connections", "5g"}}), "too large"));
  CHECK(contains(refusal("s3://b/", {{"hedge", "perhaps"}}), "true or false"));
  CHECK(contains(refusal("s3://b/", {{"verify", "always"}}), "\"when_supported\", \"never\""));
  CHECK(contains(refusal("s3://b/", {{"connect_timeout_seconds", "-1"}}), "0 or more"));
  CHECK(contains(refusal("s3://b/", {{"addressing", "both"}}), "\"virtual\""));
  CHECK(contains(refusal("s3://b/", {}, {{"S3DLIO_PART_SIZE", "x"}, {"HOME", "/none"}}), "S3DLIO_PART_SIZE"));
  CHECK(contains(refusal("s3://b/", {{"access_key_id", "AK"}}), "without secret_access_key"));
  CHECK(contains(refusal("s3://b/", {{"session_token", "x"}}), "without access_key_id"));
  CHECK(contains(refusal("s3://b/", {{"access_key_id", "AK"}, {"secret_access_key", "s"}, {"unsigned_access", "1"}}),
                 "drop one"));
  CHECK(contains(refusal("s3://b/", {{"sse", "sse-c"}}), "customer_key belong together"));
  CHECK(contains(refusal("s3://b/", {{"kms_key_id", "k"}}), "needs sse"));
  const std::string key = refusal("s3://b/", {{"sse", "sse-c"}, {"customer_key", "c2VjcmV0LWtleQ=="}});
  CHECK(contains(key, "has 10 bytes"));
  CHECK_FALSE(contains(key, "c2VjcmV0"));
  const std::string line = refusal("s3://b/", {{"access_key_id", "AK"}, {"secret_access_key", "hidden-secret\n"}});
  CHECK(contains(line, "secret_access_key contains a control character; a line break at its end?"));
  CHECK_FALSE(contains(line, "hidden"));
}

TEST_CASE("sizes and times are read as the Python side reads them") {
  using opening::parse_size;
  CHECK(parse_size("n", "4096").value() == 4096);
  CHECK(parse_size("n", " 64k ").value() == 64 << 10);
  CHECK(parse_size("n", "16MiB").value() == 16 << 20);
  CHECK(parse_size("n", "16 MB").value() == 16000000);
  CHECK(parse_size("n", "1.5g").value() == 3ull << 29);
  for (const char* bad : {"", "-1", "1..5k", ".5k", "5.", "1x", "1kk", "k", "99999999999999999999", "9000000t"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_size("n", bad));
  }
  CHECK(opening::text_of_seconds(opening::parse_seconds("n", "2.5").value()) == "2.5");
}

TEST_CASE("what is not given comes from the environment, then from the profile") {
  World world;
  const std::string config =
      world.folder.write("config",
                         "[default]\nregion = profile-region\nendpoint_url = http://profile\nca_bundle = /profile.pem\n"
                         "request_checksum_calculation = when_required\n[profile other]\nregion = other-region\n");
  const Vars files = {{"AWS_CONFIG_FILE", config}};
  const auto with = [&](Vars more) {
    more.insert(files.begin(), files.end());
    return more;
  };
  CHECK(effective({}, with({})).at("region") == "profile-region");
  CHECK(effective({}, with({})).at("endpoint_url") == "http://profile");
  CHECK(effective({}, with({})).at("upload_checksum") == "none");
  CHECK(effective({{"upload_checksum", "crc32c"}}, with({})).at("upload_checksum") == "crc32c");
  CHECK(effective({}, with({{"S3DLIO_UPLOAD_CHECKSUM", "crc32"}})).at("upload_checksum") == "crc32");
  CHECK(effective({}, with({{"AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required"}})).at("verify") == "never");
  CHECK(effective({{"profile", "other"}}, with({})).at("region") == "other-region");
  CHECK(effective({}, with({{"AWS_REGION", "one"}, {"AWS_DEFAULT_REGION", "two"}})).at("region") == "one");
  CHECK(effective({{"region", "mine"}}, with({{"AWS_REGION", "one"}})).at("region") == "mine");
  CHECK(
      effective({}, with({{"AWS_ENDPOINT_URL", "http://a"}, {"AWS_ENDPOINT_URL_S3", "http://b"}})).at("endpoint_url") ==
      "http://b");
  CHECK(effective({}, with({{"AWS_ENDPOINT_URL", "http://a"}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True"}}))
            .at("endpoint_url")
            .empty());
  CHECK(effective({}, with({{"AWS_CA_BUNDLE", "/env.pem"}})).at("ca_bundle") == "/env.pem");
  CHECK(effective({{"part_size", "1MiB"}}, with({{"S3DLIO_PART_SIZE", "2MiB"}})).at("part_size") == "1048576");
  CHECK(effective({}, {{"S3DLIO_PART_SIZE", "2MiB"}}, "file:///x").at("part_size") == "2097152");
  CHECK_FALSE(effective({{"access_key_id", "AK"}, {"secret_access_key", "s"}}, {}).contains("secret_access_key"));
}

TEST_CASE("a store of files is opened, and one below a prefix shows only what is there") {
  const Folder folder;
  auto files = open_store("file://" + folder.path("store"), {});
  REQUIRE(files);
  const std::shared_ptr<ObjectStore> below = make_prefix_store(*files, "a/b/");
  const std::string text = "hello";
  REQUIRE(below->put("c", std::as_bytes(std::span(text)), {}).wait());
  CHECK((*files)->head("a/b/c", "").wait()->size == 5);
  CHECK(below->head("c", "").wait()->key == "c");
  CHECK(below->get("c", {}).wait()->meta.size == 5);
  REQUIRE((*files)->put("a/other", std::as_bytes(std::span(text)), {}).wait());
  auto page = below->list_page({}).wait();
  REQUIRE(page);
  REQUIRE(page->objects.size() == 1);
  CHECK(page->objects[0].key == "c");
  CHECK(below->uri_of("c") == (*files)->uri_of("a/b/c"));
  CHECK(below->put("", std::as_bytes(std::span(text)), {}).wait().error().code == ErrorCode::kInvalidArgument);
  CHECK(below->get("none", {}).wait().error().code == ErrorCode::kNotFound);
  auto deleted = below->delete_many({"c"}).wait();
  REQUIRE(deleted);
  CHECK(deleted->at(0).key == "c");
  CHECK_FALSE((*files)->head("a/b/c", "").wait());
}
