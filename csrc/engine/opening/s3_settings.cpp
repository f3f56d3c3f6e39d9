#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <variant>

#include "engine/base/log.h"
#include "engine/base/redact_url.h"
#include "engine/opening/settings.h"
#include "engine/opening/values.h"
#include "engine/store/s3/endpoint.h"

namespace s3dlio::opening {
namespace {

constexpr Words<s3::Addressing, 3> kAddressing{
    {{{"auto", s3::Addressing::kAuto}, {"path", s3::Addressing::kPath}, {"virtual", s3::Addressing::kVirtual}}}};
constexpr Words<s3::PayloadSigning, 3> kPayloadSigning{{{{"auto", s3::PayloadSigning::kAuto},
                                                         {"always", s3::PayloadSigning::kAlways},
                                                         {"never", s3::PayloadSigning::kNever}}}};
constexpr Words<s3::Encryption, 3> kEncryption{
    {{{"AES256", s3::Encryption::kS3}, {"aws:kms", s3::Encryption::kKms}, {"sse-c", s3::Encryption::kCustomerKey}}}};

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidArgument, std::move(message)); }

template <class T>
Result<Unit> set(T& into, Result<T> value) {
  if (!value) return value.error();
  into = std::move(value).value();
  return Unit{};
}

// 32 bytes from their base64; the message does not show it.
Result<std::string> customer_key_of(std::string_view text) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string key;
  uint32_t bits = 0;
  int held = 0;
  const std::string_view letters = text.substr(0, std::min(text.find_last_not_of('=') + 1, text.size()));
  for (const char c : letters) {
    const size_t value = kLetters.find(c);
    if (value == std::string_view::npos) return invalid("customer_key is no base64");
    bits = bits << 6 | static_cast<uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      key.push_back(static_cast<char>(bits >> held & 0xFF));
    }
  }
  if (key.size() != 32)
    return invalid("customer_key has " + std::to_string(key.size()) + " bytes; expected the base64 of 32");
  return key;
}

// Where an option is kept; what kind of value it is decides how its text is read.
template <class T>
using At = T& (*)(S3Settings& settings);
struct Secret {
  At<std::string> at;
};
struct CustomerKey {};
using Place = std::variant<At<std::string>, At<bool>, At<s3::Addressing>, At<s3::PayloadSigning>, At<s3::Encryption>,
                           Secret, CustomerKey>;
struct Row {
  std::string_view name;
  Place place;
};
template <class T>
constexpr Row row(std::string_view name, At<T> at) {
  return {name, at};
}
constexpr std::array kRows = {
    row<std::string>("region", [](S3Settings& all) -> auto& { return all.store.region; }),
    row<std::string>("endpoint_url", [](S3Settings& all) -> auto& { return all.store.endpoint_url; }),
    row<std::string>("profile", [](S3Settings& all) -> auto& { return all.profile; }),
    Row{"access_key_id", Secret{[](S3Settings& all) -> auto& { return all.access_key_id; }}},
    Row{"secret_access_key", Secret{[](S3Settings& all) -> auto& { return all.secret_access_key; }}},
    Row{"session_token", Secret{[](S3Settings& all) -> auto& { return all.session_token; }}},
    row<s3::Addressing>("addressing", [](S3Settings& all) -> auto& { return all.store.addressing; }),
    row<bool>("unsigned_access", [](S3Settings& all) -> auto& { return all.store.unsigned_access; }),
    row<bool>("requester_pays", [](S3Settings& all) -> auto& { return all.store.requester_pays; }),
    row<s3::Encryption>("sse", [](S3Settings& all) -> auto& { return all.store.encryption; }),
    row<std::string>("kms_key_id", [](S3Settings& all) -> auto& { return all.store.kms_key_id; }),
    Row{"customer_key", CustomerKey{}},
    row<std::string>("ca_bundle", [](S3Settings& all) -> auto& { return all.ca_bundle; }),
    row<s3::PayloadSigning>("payload_signing", [](S3Settings& all) -> auto& { return all.store.payload_signing; }),
    row<std::string>("expected_bucket_owner", [](S3Settings& all) -> auto& { return all.store.expected_bucket_owner; }),
    row<bool>("dualstack", [](S3Settings& all) -> auto& { return all.store.dualstack; }),
    row<bool>("fips", [](S3Settings& all) -> auto& { return all.store.fips; }),
};

struct Setter {
  S3Settings& settings;
  std::string_view name;
  const std::string& text;

  Result<Unit> operator()(At<std::string> at) const { return set(at(settings), Result<std::string>(text)); }
  Result<Unit> operator()(At<bool> at) const { return set(at(settings), parse_truth(name, text)); }
  Result<Unit> operator()(At<s3::Addressing> at) const { return set(at(settings), kAddressing.parse(name, text)); }
  Result<Unit> operator()(At<s3::PayloadSigning> at) const {
    return set(at(settings), kPayloadSigning.parse(name, text));
  }
  Result<Unit> operator()(At<s3::Encryption> at) const { return set(at(settings), kEncryption.parse(name, text)); }
  Result<Unit> operator()(const Secret& secret) const { return (*this)(secret.at); }
  Result<Unit> operator()(CustomerKey) const {
    add_secret(text);
    return set(settings.store.customer_key, customer_key_of(text));
  }
};

// nullopt: it is not shown.
struct Shower {
  S3Settings& settings;
  using Shown = std::optional<std::string>;
  Shown operator()(At<std::string> at) const { return at(settings); }
  Shown operator()(At<bool> at) const { return text_of_truth(at(settings)); }
  Shown operator()(At<s3::Addressing> at) const { return kAddressing.name_of(at(settings)); }
  Shown operator()(At<s3::PayloadSigning> at) const { return kPayloadSigning.name_of(at(settings)); }
  Shown operator()(At<s3::Encryption> at) const { return kEncryption.name_of(at(settings)); }
  Shown operator()(const Secret&) const { return std::nullopt; }
  Shown operator()(CustomerKey) const { return std::nullopt; }
};

Result<Unit> check(const S3Settings& settings) {
  const bool has_key = !settings.access_key_id.empty(), has_secret = !settings.secret_access_key.empty();
  if (has_key != has_secret) {
    return invalid(has_key ? "access_key_id is given without secret_access_key; give both or neither"
                           : "secret_access_key is given without access_key_id; give both or neither");
  }
  if (!settings.session_token.empty() && !has_key) {
    return invalid("session_token is given without access_key_id and secret_access_key");
  }
  if (settings.store.unsigned_access && has_key) {
    return invalid("unsigned_access sends no credentials, but access_key_id is given; drop one of them");
  }
  const bool has_customer_key = !settings.store.customer_key.empty();
  if ((settings.store.encryption == s3::Encryption::kCustomerKey) != has_customer_key) {
    return invalid("sse=\"sse-c\" and customer_key belong together; one of them is missing");
  }
  if (!settings.store.kms_key_id.empty() && settings.store.encryption != s3::Encryption::kKms) {
    return invalid("kms_key_id needs sse=\"aws:kms\"");
  }
  return Unit{};
}

bool ignores_configured_endpoints(const Variables& variables, const Profile& profile) {
  std::string value = variables.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
  if (value.empty()) value = profile.in_config("ignore_configured_endpoint_urls");
  std::transform(value.begin(), value.end(), value.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return value == "true";
}

std::string setting_in(const IniSection& section, std::string_view name) {
  const auto found = section.find(name);
  return found == section.end() ? std::string() : found->second;
}

Result<std::string> configured_endpoint(const Variables& variables, const Profile& profile) {
  if (ignores_configured_endpoints(variables, profile)) return std::string();
  if (std::string url = variables.first({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}); !url.empty()) return url;
  if (!profile.missing_services.empty()) {
    return invalid("the profile names the services \"" + profile.missing_services + "\", of which there is no section");
  }
  if (std::string url = setting_in(profile.s3_service, "endpoint_url"); !url.empty()) return url;
  return profile.in_config("endpoint_url");
}

}  // namespace

std::vector<std::string_view> s3_names() {
  std::vector<std::string_view> names;
  for (const Row& row : kRows) names.push_back(row.name);
  return names;
}

Result<S3Settings> s3_settings_of(const OpenOptions& options) {
  S3Settings settings;
  for (const Row& row : kRows) {
    const auto found = options.find(row.name);
    if (found == options.end() || found->second.empty()) continue;
    if (auto sound = check_header_value(row.name, found->second); !sound) return sound.error();
    if (auto done = std::visit(Setter{settings, row.name, found->second}, row.place); !done) return done.error();
  }
  if (auto sound = check(settings); !sound) return sound.error();
  return settings;
}

Result<Unit> fill_from_environment(S3Settings& settings, const Variables& variables, const Profile& profile) {
  const auto fill = [](std::string& value, std::string other) {
    if (value.empty()) value = std::move(other);
  };
  fill(settings.store.region, variables.first({"AWS_REGION", "AWS_DEFAULT_REGION"}));
  fill(settings.store.region, profile.in_config("region"));
  auto endpoint = configured_endpoint(variables, profile);
  if (!endpoint) return endpoint.error();
  fill(settings.store.endpoint_url, std::move(endpoint).value());
  fill(settings.ca_bundle, variables.first({"AWS_CA_BUNDLE_PATH", "AWS_CA_BUNDLE"}));
  fill(settings.ca_bundle, profile.in_config("ca_bundle"));
  return Unit{};
}

std::string sts_endpoint_of(const S3Settings& settings, const Variables& variables, const Profile& profile) {
  if (!ignores_configured_endpoints(variables, profile)) {
    std::string url = variables.first({"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"});
    if (url.empty()) url = setting_in(profile.sts_service, "endpoint_url");
    if (url.empty()) url = profile.in_config("endpoint_url");
    if (!url.empty()) return url;
  }
  const std::string region = settings.store.region.empty() ? "us-east-1" : settings.store.region;
  return "https://sts" + s3::aws_host(region, false, false).substr(2);
}

void show(S3Settings settings, OpenOptions& shown) {
  settings.store.endpoint_url = redact_url(settings.store.endpoint_url);
  for (const Row& row : kRows) {
    if (auto text = std::visit(Shower{settings}, row.place)) shown[std::string(row.name)] = *std::move(text);
  }
}

}  // namespace s3dlio::opening
