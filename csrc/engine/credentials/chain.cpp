#include "engine/credentials/chain.h"

#include <utility>

namespace s3dlio {
namespace {

std::string state_of(const Variables& variables, std::initializer_list<const char*> names) {
  std::string text;
  for (const char* name : names) {
    text += (text.empty() ? "" : ", ") + std::string(name) + (variables.is_set(name) ? " (set)" : " (not set)");
  }
  return text;
}

std::string state_of_file(const std::string& path, bool is_there) {
  return path + (is_there ? " (there)" : " (absent)");
}

Error nothing_found(const Variables& variables, const Profile& profile) {
  const bool is_off = variables.is_true("AWS_EC2_METADATA_DISABLED");
  return make_error(
      ErrorCode::kCredentials,
      "no credentials were found; looked at " + state_of(variables, {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) +
          ", the profile \"" + profile.name + "\" in " +
          state_of_file(profile.credentials_path, profile.has_credentials_file) + " and " +
          state_of_file(profile.config_path, profile.has_config_file) + ", " +
          state_of(variables, {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                               "AWS_CONTAINER_CREDENTIALS_FULL_URI"}) +
          ", EC2 instance metadata (" + (is_off ? "off" : "no answer") +
          "). Give access_key_id and secret_access_key, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or, for a "
          "public bucket, unsigned_access");
}

bool decides(const Found& found) { return !found || found->has_value(); }

Result<Credentials> resolve(const ChainOptions& options, const Surroundings& world) {
  const auto final = [](Found found) -> Result<Credentials> {
    if (!found) return found.error();
    return *std::move(found).value();
  };
  const bool is_given = !options.profile.empty();
  if (!is_given) {
    if (Found found = from_environment(world); decides(found)) return final(std::move(found));
  }
  auto profile = load_profile(world.variables, options.profile);
  if (!profile) return make_error(ErrorCode::kCredentials, profile.error().message);
  if (profile->is_named && !profile->is_there) {
    return make_error(ErrorCode::kCredentials, "the profile \"" + profile->name + "\" is in neither " +
                                                   profile->credentials_path + " nor " + profile->config_path);
  }
  const bool has_web_identity = (!is_given && world.variables.is_set("AWS_WEB_IDENTITY_TOKEN_FILE")) ||
                                !profile->get("web_identity_token_file").empty();
  const bool has_role = !profile->get("role_arn").empty() && profile->get("web_identity_token_file").empty();
  if (has_web_identity && !has_role) {
    const WebIdentityOptions identity{is_given, options.sts_endpoint};
    if (Found found = from_web_identity(world, *profile, identity); decides(found)) return final(std::move(found));
  }
  if (auto error = needs_python(*profile)) return *std::move(error);
  if (Found found = from_credentials_file(*profile); decides(found)) return final(std::move(found));
  if (Found found = from_config_file(*profile); decides(found)) return final(std::move(found));
  if (Found found = from_container(world); decides(found)) return final(std::move(found));
  if (Found found = from_instance(world, *profile); decides(found)) return final(std::move(found));
  return nothing_found(world.variables, *profile);
}

}  // namespace

CredentialSource make_credential_chain(ChainOptions options, Surroundings world) {
  return [options = std::move(options), world = std::move(world)] { return resolve(options, world); };
}

}  // namespace s3dlio
