// Keys that stand in the AWS tools' files, and what these files ask for that only Python can do.
#include <array>
#include <utility>

#include "engine/credentials/providers.h"

namespace s3dlio {
namespace {

Found keys_of(const IniSection& section, const std::string& profile, const std::string& path) {
  const auto setting = [&](std::string_view name) {
    const auto found = section.find(name);
    return found == section.end() ? std::string() : found->second;
  };
  Credentials credentials;
  credentials.access_key_id = setting("aws_access_key_id");
  if (credentials.access_key_id.empty()) return std::optional<Credentials>();
  const std::string where = "the profile \"" + profile + "\" in " + path;
  credentials.secret_access_key = setting("aws_secret_access_key");
  if (credentials.secret_access_key.empty()) {
    return make_error(ErrorCode::kCredentials, where + " has aws_access_key_id without aws_secret_access_key");
  }
  credentials.session_token = setting("aws_session_token");
  if (credentials.session_token.empty()) credentials.session_token = setting("aws_security_token");
  auto sound = checked(std::move(credentials), where);
  if (!sound) return sound.error();
  return std::optional<Credentials>(std::move(sound).value());
}

}  // namespace

std::optional<Error> needs_python(const Profile& profile) {
  const bool is_role = !profile.get("role_arn").empty() && profile.get("web_identity_token_file").empty();
  constexpr std::array kSettings = {"sso_session", "sso_start_url", "sso_account_id", "login_session",
                                    "credential_process"};
  std::string setting = is_role ? "role_arn" : "";
  for (const char* name : kSettings) {
    // A process is asked only where the credentials file has no keys.
    if (name == std::string_view("credential_process") && profile.credentials.contains("aws_access_key_id")) continue;
    if (setting.empty() && !profile.get(name).empty()) setting = name;
  }
  if (setting.empty()) return std::nullopt;
  return make_error(ErrorCode::kCredentials,
                    "the profile \"" + profile.name + "\" has " + setting +
                        ", which is not supported without Python; let another program write keys to the credentials "
                        "file (aws configure export-credentials), or open the store from Python");
}

Found from_credentials_file(const Profile& profile) {
  return keys_of(profile.credentials, profile.name, profile.credentials_path);
}

Found from_config_file(const Profile& profile) { return keys_of(profile.config, profile.name, profile.config_path); }

}  // namespace s3dlio
