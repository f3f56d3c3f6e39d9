// The order in which the places are asked, and how what they give is kept and renewed.
#include "engine/credentials/chain.h"

#include <doctest/doctest.h>

#include <atomic>
#include <future>

#include "credentials/world.h"
#include "engine/transfer/call/credentials_cache.h"

using namespace s3dlio;
using namespace s3dlio::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// Nobody answers, so that no test talks to the machine it runs on.
void silence(World& world) {
  world.surroundings.fetch = [](const FetchRequest&) -> Result<FetchAnswer> {
    return make_error(ErrorCode::kConnection, "nobody answers");
  };
}

std::string key_of(const World& world, const std::string& profile = "") {
  const auto found = make_credential_chain({profile, "https://sts.example"}, world.surroundings)();
  return found ? found->access_key_id : found.error().message;
}

}  // namespace

TEST_CASE("the environment comes first, unless the caller names a profile; then files, container, instance") {
  World world;
  world.folder.write("home/.aws/credentials",
                     "[default]\naws_access_key_id = AKFILE\naws_secret_access_key = s3cret-1\n");
  world.folder.write("home/.aws/config",
                     "[default]\naws_access_key_id = AKCONF\naws_secret_access_key = s3cret-2\n[profile p]\n"
                     "aws_access_key_id = AKNAMED\naws_secret_access_key = s3cret-3\n[profile empty]\nregion = r\n");
  world.surroundings.fetch = [](const FetchRequest& request) -> Result<FetchAnswer> {
    if (request.url.path == "/container")
      return FetchAnswer{200, R"({"AccessKeyId":"AKBOX","SecretAccessKey":"s3cret-4"})"};
    if (request.url.path == "/latest/api/token") return FetchAnswer{200, "t0ken-5"};
    if (request.url.path.ends_with('/')) return FetchAnswer{200, "role"};
    return FetchAnswer{200, R"({"AccessKeyId":"AKMACHINE","SecretAccessKey":"s3cret-6"})"};
  };
  const Vars keys = {{"AWS_ACCESS_KEY_ID", "AKENV"}, {"AWS_SECRET_ACCESS_KEY", "s3cret-0"}};
  world.set(keys);
  CHECK(key_of(world) == "AKENV");
  CHECK(key_of(world, "p") == "AKNAMED");
  world.set({});
  CHECK(key_of(world) == "AKFILE");
  std::filesystem::remove(world.folder.path("home/.aws/credentials"));
  CHECK(key_of(world) == "AKCONF");
  world.set({{"AWS_PROFILE", "p"}});
  CHECK(key_of(world) == "AKNAMED");
  world.set({{"AWS_PROFILE", "empty"}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/container"}});
  CHECK(key_of(world) == "AKBOX");
  world.set({{"AWS_PROFILE", "empty"}});
  CHECK(key_of(world) == "AKMACHINE");
}

TEST_CASE("nothing found: every place that was looked at is named, with its state") {
  World world;
  silence(world);
  world.folder.write("home/.aws/config", "[default]\nregion = r\n");
  world.set({{"AWS_ACCESS_KEY_ID", ""}});
  const std::string text = key_of(world);
  for (const std::string part :
       {"AWS_ACCESS_KEY_ID (not set)", "the profile \"default\"", "credentials (absent)", "config (there)",
        "AWS_WEB_IDENTITY_TOKEN_FILE (not set)", "EC2 instance metadata (no answer)", "unsigned_access"}) {
    CAPTURE(part);
    CHECK(contains(text, part));
  }
  world.set({{"AWS_EC2_METADATA_DISABLED", "true"}});
  CHECK(contains(key_of(world), "EC2 instance metadata (off)"));
}

TEST_CASE("a profile that is nowhere, one that needs Python, and a broken file end the search") {
  World world;
  silence(world);
  world.folder.write("home/.aws/config", "[profile role]\nrole_arn = arn:r\nsource_profile = default\n");
  CHECK(contains(key_of(world, "ghost"), "the profile \"ghost\" is in neither"));
  world.set({{"AWS_PROFILE", "role"}});
  CHECK(contains(key_of(world), "the profile \"role\" has role_arn, which is not supported without Python"));
  // As in botocore, an assumed role comes before the environment's web identity.
  world.set({{"AWS_PROFILE", "role"}, {"AWS_WEB_IDENTITY_TOKEN_FILE", "/none"}, {"AWS_ROLE_ARN", "arn:x"}});
  CHECK(contains(key_of(world), "not supported without Python"));
  world.folder.write("home/.aws/config", "nonsense\n");
  world.set({});
  CHECK(contains(key_of(world), "line 1"));
}

TEST_CASE("what a service gives is kept, renewed before it ends, and given up when the service calls it expired") {
  std::atomic<int> asked = 0;
  std::atomic<int> valid_for_minutes = 60;
  std::atomic<double> now = kNow;
  const LoopbackServer server(answering([&](const std::string&) {
    const auto end = std::chrono::sys_seconds(std::chrono::seconds(static_cast<int64_t>(now) + valid_for_minutes * 60));
    const auto day = std::chrono::floor<std::chrono::days>(end);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(end - day);
    char text[64];
    std::snprintf(text, sizeof text, "%d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    return reply(200, R"({"AccessKeyId":"AK)" + std::to_string(++asked) +
                          R"(","SecretAccessKey":"kept-secret","Expiration":")" + text + "\"}");
  }));
  World world(Vars{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url_of(server) + "/"}});
  world.surroundings.now = [&] { return now.load(); };
  const auto cache = std::make_shared<transfer::CredentialsCache>(make_credential_chain({}, world.surroundings),
                                                                  transfer::Environment::real());
  const auto at = [&](double seconds) {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::duration<double>(seconds)));
  };
  const auto key = [&]() -> std::string {
    if (const auto held = cache->current(at(now))) return (**held).access_key_id;
    std::promise<std::string> done;
    cache->get([&](Result<transfer::SharedCredentials> found) {
      done.set_value(found ? (***found).access_key_id : found.error().message);
    });
    return done.get_future().get();
  };
  CHECK(key() == "AK1");
  CHECK(key() == "AK1");
  now = kNow + 57 * 60;  // near the end: the old ones serve while new ones are fetched
  CHECK(key() == "AK1");
  for (int i = 0; i < 500 && key() != "AK2"; ++i) std::this_thread::sleep_for(10ms);
  CHECK(key() == "AK2");
  cache->invalidate(cache->current(at(now)));
  CHECK(key() == "AK3");
  CHECK(asked == 3);
}
