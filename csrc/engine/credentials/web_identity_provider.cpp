// A token that somebody else vouches for (Kubernetes, GitHub), exchanged at STS for the credentials of a role.
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "engine/base/log.h"
#include "engine/credentials/providers.h"
#include "engine/text/percent.h"
#include "engine/text/xml.h"

namespace s3dlio {
namespace {

using text::XmlReader;

constexpr int kMostAttempts = 3;
constexpr std::chrono::seconds kTimeout(10);
constexpr std::chrono::milliseconds kPause(500);

Error failed(const std::string& what) { return make_error(ErrorCode::kCredentials, "the web identity: " + what); }

struct Role {
  std::string token_path, arn, session;
};

Role role_of(const Surroundings& world, const Profile& profile, const WebIdentityOptions& options) {
  const auto setting = [&](std::string_view variable, std::string_view name) {
    std::string value = options.ignore_variables ? std::string() : world.variables.get(variable);
    return value.empty() ? profile.get(name) : value;
  };
  Role role{setting("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file"), setting("AWS_ROLE_ARN", "role_arn"),
            setting("AWS_ROLE_SESSION_NAME", "role_session_name")};
  if (role.session.empty()) role.session = "s3dlio-" + std::to_string(static_cast<int64_t>(world.now()));
  return role;
}

std::string form_of(const Role& role, const std::string& token) {
  return "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" + text::encoded(role.arn) +
         "&RoleSessionName=" + text::encoded(role.session) + "&WebIdentityToken=" + text::encoded(token);
}

Credentials read_credentials(XmlReader& xml, std::string& expiration) {
  Credentials credentials;
  std::string_view name;
  while (xml.next_child(name)) {
    if (name == "AccessKeyId") {
      credentials.access_key_id = xml.text();
    } else if (name == "SecretAccessKey") {
      credentials.secret_access_key = xml.text();
    } else if (name == "SessionToken") {
      credentials.session_token = xml.text();
    } else if (name == "Expiration") {
      expiration = xml.text();
    } else {
      xml.skip();
    }
  }
  return credentials;
}

// <AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
Result<Credentials> read_answer(std::string_view body, double now) {
  XmlReader xml(body);
  Credentials credentials;
  std::string expiration;
  std::string_view name;
  const bool is_known = xml.enter_root() == "AssumeRoleWithWebIdentityResponse";
  while (is_known && xml.next_child(name)) {
    if (name != "AssumeRoleWithWebIdentityResult") {
      xml.skip();
      continue;
    }
    while (xml.next_child(name)) {
      if (name == "Credentials") {
        credentials = read_credentials(xml, expiration);
      } else {
        xml.skip();
      }
    }
  }
  if (!is_known || !xml.finish()) return failed("the answer of STS is no document that is expected");
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty() || credentials.session_token.empty()) {
    return failed("the answer of STS has no credentials");
  }
  credentials.expires_at = seconds_of_time(expiration);
  if (!credentials.expires_at) return failed("the answer of STS does not say when the credentials expire");
  if (*credentials.expires_at <= now) return failed("the credentials STS gave have expired already");
  return checked(std::move(credentials), "the answer of STS");
}

// "ExpiredTokenException: Token expired", as STS words it.
std::string refusal_in(std::string_view body) {
  XmlReader xml(body);
  std::string code, message;
  std::string_view name;
  if (xml.enter_root() != "ErrorResponse") return "";
  while (xml.next_child(name)) {
    if (name != "Error") {
      xml.skip();
      continue;
    }
    while (xml.next_child(name)) {
      if (name == "Code") {
        code = xml.text();
      } else if (name == "Message") {
        message = xml.text();
      } else {
        xml.skip();
      }
    }
  }
  return code.empty() ? "" : ", " + redact(code.substr(0, 100)) + ": " + redact(message.substr(0, 300));
}

}  // namespace

Found from_web_identity(const Surroundings& world, const Profile& profile, const WebIdentityOptions& options) {
  const Role role = role_of(world, profile, options);
  if (role.token_path.empty()) return std::optional<Credentials>();
  if (role.arn.empty()) return failed("a token file is given, and neither AWS_ROLE_ARN nor the profile's role_arn");
  auto url = parse_fetch_url(options.sts_endpoint);
  if (!url) return failed("the endpoint of STS: " + url.error().message);

  std::ifstream file(role.token_path, std::ios::binary);
  if (!file) return failed("the token file " + role.token_path + " cannot be read");
  const std::string token(std::istreambuf_iterator<char>(file), {});
  if (token.empty()) return failed("the token file " + role.token_path + " is empty");
  add_secret(token);

  Error last;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    if (attempt > 0) world.pause(kPause);
    FetchRequest request;
    request.method = "POST";
    request.url = *url;
    request.timeout = kTimeout;
    request.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    request.body = form_of(role, token);
    auto answer = world.fetch(std::move(request));
    if (!answer) {
      last = failed(url->server.authority() + ": " + answer.error().message);
      continue;
    }
    if (answer->status == 200) {
      auto credentials = read_answer(answer->body, world.now());
      if (!credentials) return credentials.error();
      return std::optional<Credentials>(std::move(credentials).value());
    }
    last = failed(url->server.authority() + " answers with status " + std::to_string(answer->status) +
                  refusal_in(answer->body));
    if (answer->status < 500 && answer->status != 429) break;  // it will say the same again
  }
  return last;
}

}  // namespace s3dlio
