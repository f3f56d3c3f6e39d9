// Each place credentials come from: right answers, wrong ones, none at all.
#include <doctest/doctest.h>

#include <atomic>

#include "credentials/world.h"
#include "engine/base/log.h"

using namespace s3dlio;
using namespace s3dlio::testing;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("environment: both keys, a token by either name, an end") {
  World world;
  CHECK(from_environment(world.surroundings).value() == std::nullopt);
  world.set(
      {{"AWS_ACCESS_KEY_ID", "AK"}, {"AWS_SECRET_ACCESS_KEY", "env-secret"}, {"AWS_SECURITY_TOKEN", "env-token"}});
  auto found = from_environment(world.surroundings);
  REQUIRE(found);
  CHECK((**found).secret_access_key == "env-secret");
  CHECK((**found).session_token == "env-token");
  CHECK_FALSE((**found).expires_at);
  world.set(
      {{"AWS_ACCESS_KEY_ID", "AK"}, {"AWS_SECRET_ACCESS_KEY", "env-secret"}, {"AWS_CREDENTIAL_EXPIRATION", kLater}});
  CHECK((**from_environment(world.surroundings)).expires_at == kNow + 6 * 3600);
}

TEST_CASE("environment: half of a pair, an end in the past or of no time, a line break are errors") {
  World world(Vars{{"AWS_ACCESS_KEY_ID", "AK"}});
  CHECK(contains(failure(from_environment(world.surroundings)), "AWS_SECRET_ACCESS_KEY is not"));
  world.set({{"AWS_ACCESS_KEY_ID", "AK"},
             {"AWS_SECRET_ACCESS_KEY", "env-secret"},
             {"AWS_CREDENTIAL_EXPIRATION", "2029-01-01T00:00:00Z"}});
  CHECK(contains(failure(from_environment(world.surroundings)), "expired"));
  world.set(
      {{"AWS_ACCESS_KEY_ID", "AK"}, {"AWS_SECRET_ACCESS_KEY", "env-secret"}, {"AWS_CREDENTIAL_EXPIRATION", "soon"}});
  CHECK(contains(failure(from_environment(world.surroundings)), "no time"));
  world.set({{"AWS_ACCESS_KEY_ID", "AK"}, {"AWS_SECRET_ACCESS_KEY", "broken-secret\n"}});
  CHECK(contains(failure(from_environment(world.surroundings)), "control character"));
  CHECK_FALSE(contains(failure(from_environment(world.surroundings)), "broken-secret"));
}

TEST_CASE("files: keys of the profile; half of a pair is an error that names it") {
  World world;
  world.folder.write(
      "home/.aws/credentials",
      "[default]\naws_access_key_id = AKFILE\naws_secret_access_key = file-secret\naws_session_token = t0ken\n"
      "[half]\naws_access_key_id = AKHALF\n");
  world.folder.write("home/.aws/config",
                     "[profile inline]\naws_access_key_id = AKCONF\naws_secret_access_key = conf-secret\n");
  const auto found = from_credentials_file(world.profile());
  REQUIRE(found);
  CHECK((**found).access_key_id == "AKFILE");
  CHECK((**found).session_token == "t0ken");
  CHECK(from_credentials_file(world.profile("inline")).value() == std::nullopt);
  CHECK((**from_config_file(world.profile("inline"))).secret_access_key == "conf-secret");
  CHECK(contains(failure(from_credentials_file(world.profile("half"))), "\"half\""));
}

TEST_CASE("files: what only Python can do is said, with the profile's name") {
  World world;
  world.folder.write(
      "home/.aws/config",
      "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = x\n[profile sso]\nsso_session = s\n"
      "[profile process]\ncredential_process = /bin/print-keys\n[profile plain]\nregion = r\n"
      "[profile both]\ncredential_process = /bin/print-keys\n");
  world.folder.write("home/.aws/credentials", "[both]\naws_access_key_id = AK\naws_secret_access_key = both-secret\n");
  for (const auto& [profile, setting] :
       {std::pair("role", "role_arn"), std::pair("sso", "sso_session"), std::pair("process", "credential_process")}) {
    const auto error = needs_python(world.profile(profile));
    REQUIRE(error);
    CHECK(error->code == ErrorCode::kCredentials);
    CHECK(contains(error->message, "not supported without Python"));
    CHECK(contains(error->message, std::string("\"") + profile + "\" has " + setting));
  }
  CHECK_FALSE(needs_python(world.profile("plain")));
  CHECK_FALSE(needs_python(world.profile("both")));  // the credentials file comes before the process
}

TEST_CASE("container: the agent is asked with the token, which the file replaces") {
  std::string seen;
  const LoopbackServer server(answering([&](const std::string& request) {
    seen = request;
    return reply(200, document());
  }));
  World world;
  CHECK(from_container(world.surroundings).value() == std::nullopt);
  const std::string path = world.folder.write("token", "token-in-file");
  world.set({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url_of(server) + "/get?id=7"},
             {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "token-in-variable"}});
  CHECK(is_served(from_container(world.surroundings)));
  CHECK(contains(seen, "GET /get?id=7 HTTP/1.1"));
  CHECK(contains(seen, "Authorization: token-in-variable"));
  world.set({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url_of(server) + "/get"},
             {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "token-in-variable"},
             {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path}});
  const auto found = from_container(world.surroundings);
  CHECK(is_served(found));
  CHECK((**found).expires_at == kNow + 6 * 3600);
  CHECK(contains(seen, "Authorization: token-in-file"));
  CHECK(redact("it says served-secret and token-in-file") == "it says *** and ***");
}

TEST_CASE("container: a relative URI goes to ECS's agent") {
  World world(Vars{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x"}});
  world.surroundings.fetch = [](const FetchRequest& request) -> Result<FetchAnswer> {
    CHECK(request.url.server == http::Endpoint{false, "169.254.170.2", 80});
    CHECK(request.url.path == "/v2/credentials/x");
    return FetchAnswer{200, document()};
  };
  CHECK(is_served(from_container(world.surroundings)));
  world.set({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "evil.example/x"}});
  CHECK(contains(failure(from_container(world.surroundings)), "does not begin with"));
}

TEST_CASE("container: over plain http only this machine and the agents are asked") {
  int asked = 0;
  World world;
  world.surroundings.fetch = [&](const FetchRequest&) -> Result<FetchAnswer> {
    ++asked;
    return FetchAnswer{200, document()};
  };
  for (const char* url :
       {"http://example.com/c", "http://169.254.169.254/c", "http://127.0.0.1.example.com/c", "http://10.0.0.1/c"}) {
    world.set({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}});
    CAPTURE(url);
    CHECK(contains(failure(from_container(world.surroundings)), "over plain http only"));
  }
  CHECK(asked == 0);
  for (const char* url : {"https://example.com/c", "http://127.8.9.1/c", "http://[::1]/c", "http://localhost:1/c",
                          "http://169.254.170.23/c", "http://[fd00:ec2::23]/c"}) {
    world.set({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}});
    CAPTURE(url);
    CHECK(is_served(from_container(world.surroundings)));
  }
  world.set({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/c"},
             {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nb: c"}});
  CHECK(contains(failure(from_container(world.surroundings)), "line break"));
  world.set({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/c"},
             {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/none"}});
  CHECK(contains(failure(from_container(world.surroundings)), "/none"));
}

TEST_CASE("container: wrong answers are asked for again, at most three times") {
  std::atomic<int> asked = 0;
  std::string said;
  const LoopbackServer server(answering([&](const std::string&) {
    ++asked;
    return said;
  }));
  World world(Vars{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url_of(server) + "/"}});
  const std::string kHuge(200000, 'x');
  for (const auto& [answer, expected] :
       {std::pair(reply(500, "secret words"), "status 500"), std::pair(reply(200, "<html>"), "no JSON"),
        std::pair(reply(200, R"({"AccessKeyId": "AK"})"), "no SecretAccessKey"),
        std::pair(reply(200, document("2029-01-01T00:00:00Z")), "expired already"),
        std::pair(reply(200, document("tomorrow")), "no time"),
        std::pair(reply(200, document(kLater, R"(, "Code": "Failed")")), "code is Failed"),
        std::pair(reply(200, kHuge), "")}) {
    asked = 0;
    said = answer;
    const std::string text = failure(from_container(world.surroundings));
    CHECK(contains(text, expected));
    CHECK(text != "no failure");
    CHECK_FALSE(contains(text, "secret words"));
    CHECK(asked == 3);
  }
  said = reply(503, "");
  std::atomic<int> healing = 0;
  const LoopbackServer heals(
      answering([&](const std::string&) { return ++healing < 3 ? reply(503, "") : reply(200, document()); }));
  world.set({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url_of(heals) + "/"}});
  world.pauses = 0;
  CHECK(is_served(from_container(world.surroundings)));
  CHECK(world.pauses == 2);
}

TEST_CASE("instance: a token is fetched by PUT and sent along with every question") {
  std::vector<std::string> seen;
  const LoopbackServer server(answering([&](const std::string& request) {
    seen.push_back(request.substr(0, request.find(" HTTP")));
    if (request.starts_with("PUT /base/latest/api/token")) {
      CHECK(contains(request, "X-aws-ec2-metadata-token-ttl-seconds: 21600"));
      return reply(200, "the-imds-token");
    }
    CHECK(contains(request, "X-aws-ec2-metadata-token: the-imds-token"));
    if (request.find("/security-credentials/ HTTP") != std::string::npos) return reply(200, "my-role\nother");
    return reply(200, document());
  }));
  World world(Vars{{"AWS_EC2_METADATA_SERVICE_ENDPOINT", url_of(server) + "/base/"}});
  CHECK(is_served(from_instance(world.surroundings, world.profile())));
  CHECK(seen == std::vector<std::string>{"PUT /base/latest/api/token",
                                         "GET /base/latest/meta-data/iam/security-credentials/",
                                         "GET /base/latest/meta-data/iam/security-credentials/my-role"});
  CHECK(redact("the-imds-token") == "***");
}

TEST_CASE("instance: off, nobody there, the first version only, or no role: nothing is found there") {
  World world(Vars{{"AWS_EC2_METADATA_DISABLED", "TRUE"}});
  world.surroundings.fetch = [](const FetchRequest&) -> Result<FetchAnswer> {
    return make_error(ErrorCode::kInternal, "asked");
  };
  CHECK(from_instance(world.surroundings, world.profile()).value() == std::nullopt);

  int status = 403;
  std::atomic<int> gets = 0;
  const LoopbackServer server(answering([&](const std::string& request) {
    if (request.starts_with("PUT")) return reply(status, "t0ken-of-imds");
    ++gets;
    return reply(404, "");
  }));
  World other(Vars{{"AWS_EC2_METADATA_SERVICE_ENDPOINT", url_of(server)}});
  for (const int refused : {403, 404, 405, 400, 500}) {
    status = refused;
    CHECK(from_instance(other.surroundings, other.profile()).value() == std::nullopt);
  }
  CHECK(gets == 0);  // never without a token
  status = 200;
  CHECK(from_instance(other.surroundings, other.profile()).value() == std::nullopt);
  CHECK(gets == 1);
}

TEST_CASE("instance: a service that does not answer costs its time-out, times the attempts") {
  std::atomic<int> asked = 0;
  const LoopbackServer silent([&](Peer& peer) {
    ++asked;
    static_cast<void>(peer.read_request());
    static_cast<void>(peer.client_left());
  });
  World world(Vars{{"AWS_EC2_METADATA_SERVICE_ENDPOINT", url_of(silent)},
                   {"AWS_METADATA_SERVICE_TIMEOUT", "0.2"},
                   {"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "2"}});
  const auto before = std::chrono::steady_clock::now();
  CHECK(from_instance(world.surroundings, world.profile()).value() == std::nullopt);
  const auto took = std::chrono::steady_clock::now() - before;
  CHECK(took >= 390ms);
  CHECK(took < 3s);
  CHECK(asked == 2);
}

TEST_CASE("instance: answers that make no sense are errors, and settings too") {
  std::string role = "my-role", keys = document();
  int role_status = 200;
  const LoopbackServer server(answering([&](const std::string& request) {
    if (request.starts_with("PUT")) return reply(200, "t0ken-of-imds");
    if (request.find("/security-credentials/ HTTP") != std::string::npos) return reply(role_status, role);
    return reply(200, keys);
  }));
  const std::string endpoint = url_of(server);
  World world(Vars{{"AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint}});
  const auto said = [&] { return failure(from_instance(world.surroundings, world.profile())); };
  keys = "{";
  CHECK(contains(said(), "no JSON"));
  keys = document("2029-12-31T00:00:00Z");
  CHECK(contains(said(), "expired already"));
  keys = R"({"Code": "AssumeRoleUnauthorizedAccess"})";
  CHECK(contains(said(), "AssumeRoleUnauthorizedAccess"));
  role = "../../user-data";
  CHECK(contains(said(), "no name of a role"));
  role_status = 500;
  CHECK(contains(said(), "status 500"));
  world.set({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "nonsense"}});
  CHECK(contains(said(), "AWS_EC2_METADATA_SERVICE_ENDPOINT"));
  world.set({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint}, {"AWS_METADATA_SERVICE_TIMEOUT", "soon"}});
  CHECK(contains(said(), "AWS_METADATA_SERVICE_TIMEOUT"));
}

TEST_CASE("instance: the metadata service over IPv6 where that is asked for") {
  World world(Vars{{"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6"}});
  std::string host;
  world.surroundings.fetch = [&](const FetchRequest& request) -> Result<FetchAnswer> {
    host = request.url.server.host;
    return make_error(ErrorCode::kConnection, "nobody");
  };
  CHECK(from_instance(world.surroundings, world.profile()).value() == std::nullopt);
  CHECK(host == "fd00:ec2::254");
}

namespace {

std::string sts_answer(const std::string& expiration = kLater) {
  return "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
         "<AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>x</SubjectFromWebIdentityToken><Credentials>"
         "<SessionToken>served-token</SessionToken><SecretAccessKey>served-secret</SecretAccessKey><Expiration>" +
         expiration +
         "</Expiration><AccessKeyId>AKSERVED</AccessKeyId></Credentials>"
         "</AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
         "</AssumeRoleWithWebIdentityResponse>";
}

}  // namespace

TEST_CASE("web identity: the token is exchanged for the role's credentials") {
  std::string seen;
  const LoopbackServer server(answering([&](const std::string& request) {
    seen = request;
    return reply(200, sts_answer());
  }));
  World world;
  const WebIdentityOptions options{false, url_of(server)};
  CHECK(from_web_identity(world.surroundings, world.profile(), options).value() == std::nullopt);
  const std::string path = world.folder.write("jwt", "identity/token+1");
  world.set({{"AWS_WEB_IDENTITY_TOKEN_FILE", path},
             {"AWS_ROLE_ARN", "arn:aws:iam::1:role/r"},
             {"AWS_ROLE_SESSION_NAME", "me"}});
  const auto found = from_web_identity(world.surroundings, world.profile(), options);
  CHECK(is_served(found));
  CHECK((**found).expires_at == kNow + 6 * 3600);
  CHECK(seen.starts_with("POST / HTTP/1.1\r\n"));
  CHECK(
      seen.ends_with("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
                     "&RoleSessionName=me&WebIdentityToken=identity%2Ftoken%2B1"));
  CHECK(redact("WebIdentityToken=identity%2Ftoken%2B1").find("token") == std::string::npos);
  // A profile that the caller named: the environment's role is not its own.
  CHECK(from_web_identity(world.surroundings, world.profile(), {true, url_of(server)}).value() == std::nullopt);
}

TEST_CASE("web identity: the profile's settings serve as well, and a session is named after the time") {
  std::string seen;
  const LoopbackServer server(answering([&](const std::string& request) {
    seen = request;
    return reply(200, sts_answer());
  }));
  World world;
  const std::string path = world.folder.write("jwt", "profile-identity");
  world.folder.write("home/.aws/config", "[profile web]\nweb_identity_token_file = " + path + "\nrole_arn = arn:r\n");
  CHECK(is_served(from_web_identity(world.surroundings, world.profile("web"), {true, url_of(server)})));
  CHECK(contains(seen, "RoleSessionName=s3dlio-1893456000"));
  CHECK_FALSE(needs_python(world.profile("web")));
}

TEST_CASE("web identity: what STS refuses is said in its words; what may heal is asked again") {
  std::atomic<int> asked = 0;
  std::string said;
  const LoopbackServer server(answering([&](const std::string&) {
    ++asked;
    return said;
  }));
  World world;
  const std::string path = world.folder.write("jwt", "refused-identity");
  world.set({{"AWS_WEB_IDENTITY_TOKEN_FILE", path}, {"AWS_ROLE_ARN", "arn:r"}});
  const auto failing = [&](const std::string& answer) {
    asked = 0;
    said = answer;
    return failure(from_web_identity(world.surroundings, world.profile(), {false, url_of(server)}));
  };
  const std::string refusal =
      "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code><Message>Token expired: "
      "refused-identity</Message></Error></ErrorResponse>";
  const std::string text = failing(reply(400, refusal));
  CHECK(contains(text, "ExpiredTokenException: Token expired"));
  CHECK_FALSE(contains(text, "refused-identity"));
  CHECK(asked == 1);
  CHECK(contains(failing(reply(503, "<html>")), "status 503"));
  CHECK(asked == 3);
  CHECK(contains(failing(reply(200, "<html></html>")), "no document that is expected"));
  CHECK(contains(failing(reply(200, sts_answer("2029-01-01T00:00:00Z"))), "expired already"));
  CHECK(contains(failing(reply(200, sts_answer("?"))), "when the credentials expire"));
  CHECK(contains(failing(reply(200, "<AssumeRoleWithWebIdentityResponse/>")), "no credentials"));
  CHECK(contains(failing(reply(200, sts_answer().substr(0, 300))), "no document that is expected"));

  world.set({{"AWS_WEB_IDENTITY_TOKEN_FILE", path}});
  CHECK(contains(failing(""), "AWS_ROLE_ARN"));
  world.set({{"AWS_WEB_IDENTITY_TOKEN_FILE", "/none"}, {"AWS_ROLE_ARN", "arn:r"}});
  CHECK(contains(failing(""), "/none"));
  world.set({{"AWS_WEB_IDENTITY_TOKEN_FILE", world.folder.write("empty", "")}, {"AWS_ROLE_ARN", "arn:r"}});
  CHECK(contains(failing(""), "is empty"));
}
