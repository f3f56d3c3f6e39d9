#include "engine/credentials/providers.h"

#include <array>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "engine/base/log.h"
#include "engine/credentials/json_strings.h"

namespace s3dlio {
namespace {

Error wrong(const std::string& where, const std::string& what) {
  return make_error(ErrorCode::kCredentials, where + ": " + what);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7F'; });
}

std::optional<int> number(std::string_view text, size_t at, size_t digits) {
  int value = 0;
  const std::string_view part = text.substr(std::min(at, text.size()), digits);
  const auto parsed = std::from_chars(part.data(), part.data() + part.size(), value);
  if (part.size() != digits || parsed.ptr != part.data() + digits || value < 0) return std::nullopt;
  return value;
}

// "Z", "+02:00" or "-0730", in seconds; nothing counts as "Z".
std::optional<int> offset_of(std::string_view text) {
  if (text.empty() || text == "Z" || text == "z") return 0;
  if (text.front() != '+' && text.front() != '-') return std::nullopt;
  const auto hours = number(text, 1, 2);
  const auto minutes = number(text, text.size() > 3 && text[3] == ':' ? 4 : 3, 2);
  if (!hours || !minutes) return std::nullopt;
  return (text.front() == '-' ? -1 : 1) * (*hours * 3600 + *minutes * 60);
}

}  // namespace

Surroundings Surroundings::real(Variables variables, std::string ca_bundle) {
  Surroundings world;
  world.variables = std::move(variables);
  world.fetch = fetch_over_http(std::move(ca_bundle));
  world.now = [] { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); };
  world.pause = [](std::chrono::milliseconds length) { std::this_thread::sleep_for(length); };
  return world;
}

std::optional<double> seconds_of_time(std::string_view text) {
  constexpr std::array<size_t, 6> kStarts = {0, 5, 8, 11, 14, 17};
  std::array<int, 6> parts{};
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto part = number(text, kStarts[i], i == 0 ? 4 : 2);
    if (!part) return std::nullopt;
    parts[i] = *part;
  }
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  size_t end = 19;
  if (end < text.size() && text[end] == '.') end = std::min(text.find_first_not_of("0123456789", end + 1), text.size());
  const auto offset = offset_of(text.substr(end));
  const std::chrono::year_month_day day{std::chrono::year(parts[0]),
                                        std::chrono::month(static_cast<unsigned>(parts[1])),
                                        std::chrono::day(static_cast<unsigned>(parts[2]))};
  if (!offset || !day.ok() || parts[3] > 23 || parts[4] > 59 || parts[5] > 60) return std::nullopt;
  const auto days = std::chrono::sys_days(day).time_since_epoch().count();
  return static_cast<double>(days) * 86400 + parts[3] * 3600 + parts[4] * 60 + parts[5] - *offset;
}

Result<Credentials> checked(Credentials credentials, const std::string& where) {
  add_secret(credentials.secret_access_key);
  if (!credentials.session_token.empty()) add_secret(credentials.session_token);
  for (const std::string* part :
       {&credentials.access_key_id, &credentials.secret_access_key, &credentials.session_token}) {
    if (has_control(*part)) return wrong(where, "a part of the credentials holds a control character (a line break?)");
  }
  return credentials;
}

Result<Credentials> credentials_of_document(std::string_view body, double now, const std::string& where) {
  auto members = json_strings(body);
  if (!members) return wrong(where, members.error().message);
  const auto member = [&](std::string_view name) {
    const auto found = members->find(name);
    return found == members->end() ? std::string() : found->second;
  };
  const std::string code = member("Code");
  if (!code.empty() && code != "Success") return wrong(where, "the answer's code is " + redact(code.substr(0, 100)));
  Credentials credentials{member("AccessKeyId"), member("SecretAccessKey"), member("Token"), std::nullopt};
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return wrong(where, "the answer has no AccessKeyId or no SecretAccessKey");
  }
  if (const std::string expiration = member("Expiration"); !expiration.empty()) {
    credentials.expires_at = seconds_of_time(expiration);
    if (!credentials.expires_at) return wrong(where, "the answer's Expiration is no time");
    if (*credentials.expires_at <= now) return wrong(where, "the credentials have expired already");
  }
  return checked(std::move(credentials), where);
}

Found from_environment(const Surroundings& world) {
  const Variables& variables = world.variables;
  Credentials credentials;
  credentials.access_key_id = variables.get("AWS_ACCESS_KEY_ID");
  if (credentials.access_key_id.empty()) return std::optional<Credentials>();
  credentials.secret_access_key = variables.get("AWS_SECRET_ACCESS_KEY");
  if (credentials.secret_access_key.empty()) {
    return make_error(ErrorCode::kCredentials, "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both");
  }
  credentials.session_token = variables.first({"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"});
  if (const std::string end = variables.get("AWS_CREDENTIAL_EXPIRATION"); !end.empty()) {
    credentials.expires_at = seconds_of_time(end);
    if (!credentials.expires_at) {
      return make_error(ErrorCode::kCredentials, "AWS_CREDENTIAL_EXPIRATION is no time; expected 2030-01-31T12:00:00Z");
    }
    if (*credentials.expires_at <= world.now()) {
      return make_error(ErrorCode::kCredentials,
                        "the credentials in the environment have expired: "
                        "AWS_CREDENTIAL_EXPIRATION is in the past");
    }
  }
  auto sound = checked(std::move(credentials), "the environment");
  if (!sound) return sound.error();
  return std::optional<Credentials>(std::move(sound).value());
}

}  // namespace s3dlio
