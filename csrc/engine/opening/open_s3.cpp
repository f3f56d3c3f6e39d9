#include <utility>

#include "engine/base/log.h"
#include "engine/credentials/chain.h"
#include "engine/opening/prefix_store.h"
#include "engine/opening/scheme.h"
#include "engine/opening/settings.h"
#include "engine/opening/values.h"

namespace s3dlio::opening {
namespace {

// Credentials that never change: those given, or the environment's; nullopt where the chain must be asked. A profile
// named by the caller comes before the environment's keys.
Result<std::optional<Credentials>> fixed_credentials(const S3Settings& settings, const Variables& variables) {
  if (!settings.access_key_id.empty()) {
    return std::optional(
        Credentials{settings.access_key_id, settings.secret_access_key, settings.session_token, std::nullopt});
  }
  const std::string key = variables.get("AWS_ACCESS_KEY_ID"), secret = variables.get("AWS_SECRET_ACCESS_KEY");
  if (!settings.profile.empty() || variables.is_set("AWS_CREDENTIAL_EXPIRATION") || key.empty() || secret.empty()) {
    return std::optional<Credentials>();
  }
  const std::string token = variables.first({"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"});
  for (const auto& [name, value] : {std::pair("AWS_ACCESS_KEY_ID", key), std::pair("AWS_SECRET_ACCESS_KEY", secret),
                                    std::pair("AWS_SESSION_TOKEN", token)}) {
    if (auto sound = check_header_value(name, value); !sound) return sound.error();
  }
  return std::optional(Credentials{key, secret, token, std::nullopt});
}

Result<CredentialSource> source_of(const S3Settings& settings, const Variables& variables, const Profile& profile) {
  if (settings.store.unsigned_access) return CredentialSource();
  auto fixed = fixed_credentials(settings, variables);
  if (!fixed) return fixed.error();
  if (fixed->has_value()) {
    add_secret((*fixed)->secret_access_key);
    if (!(*fixed)->session_token.empty()) add_secret((*fixed)->session_token);
    return CredentialSource([credentials = **fixed]() -> Result<Credentials> { return credentials; });
  }
  return make_credential_chain({settings.profile, sts_endpoint_of(settings, variables, profile)},
                               Surroundings::real(variables, settings.ca_bundle));
}

}  // namespace

Result<Opening> resolve_s3(const StoreUri& uri, const OpenOptions& options, const Variables& variables) {
  if (auto known = refuse_unknown(options, uri.scheme, {s3_names(), tuning_names()}); !known) return known.error();
  auto settings = s3_settings_of(options);
  if (!settings) return settings.error();
  settings->store.bucket = uri.bucket;
  auto profile = load_profile(variables, settings->profile);
  if (!profile) return profile.error();
  if (auto filled = fill_from_environment(*settings, variables, *profile); !filled) return filled.error();
  auto tuning = tuning_of(options, variables);
  if (!tuning) return tuning.error();
  if (auto set = apply_checksum_settings(options, variables, *profile, *tuning); !set) return set.error();
  auto source = source_of(*settings, variables, *profile);
  if (!source) return source.error();

  Opening opening;
  show(*settings, opening.settings);
  show(*tuning, opening.settings);
  opening.open = [settings = *settings, tuning = *tuning, source = *source,
                  prefix = uri.prefix]() -> Result<std::shared_ptr<ObjectStore>> {
    http::ClientOptions client;
    client.ca_bundle = settings.ca_bundle;
    auto store = s3::open_s3(settings.store, std::move(client), source, tuning);
    if (!store || prefix.empty()) return store;
    return make_prefix_store(*std::move(store), prefix);
  };
  return opening;
}

}  // namespace s3dlio::opening
