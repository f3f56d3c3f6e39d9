// Where credentials can come from without Python, one function a place. Each gives nullopt where its place says
// nothing, so that the next one is asked, and an error where it says something that does not work: that ends the
// search. Messages name variables, files, profiles and hosts, and show no value of a secret.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/base/result.h"
#include "engine/credentials.h"
#include "engine/credentials/fetch.h"
#include "engine/credentials/profile.h"
#include "engine/credentials/variables.h"

namespace s3dlio {

// What a provider sees of the world; tests give it another one.
struct Surroundings {
  Variables variables;
  Fetch fetch;
  std::function<double()> now;                           // seconds since the epoch
  std::function<void(std::chrono::milliseconds)> pause;  // between two attempts

  static Surroundings real(Variables variables, std::string ca_bundle);
};

using Found = Result<std::optional<Credentials>>;

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN or AWS_SECURITY_TOKEN, AWS_CREDENTIAL_EXPIRATION.
Found from_environment(const Surroundings& world);

// What a profile asks for that only Python can do, as an error: an assumed role, SSO, a login, a process.
std::optional<Error> needs_python(const Profile& profile);
Found from_credentials_file(const Profile& profile);
Found from_config_file(const Profile& profile);

// AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or the profile's settings of these names: exchanged at STS.
struct WebIdentityOptions {
  bool ignore_variables = false;  // the caller named a profile
  std::string sts_endpoint;       // "https://sts.eu-central-1.amazonaws.com"
};
Found from_web_identity(const Surroundings& world, const Profile& profile, const WebIdentityOptions& options);

// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI: ECS, EKS pod identity, Greengrass.
Found from_container(const Surroundings& world);

// The role of the EC2 instance, by IMDSv2 alone. nullopt where no metadata service answers.
Found from_instance(const Surroundings& world, const Profile& profile);

// ---- shared by those that ask a service ----

// The body of `url`'s answer with its members AccessKeyId, SecretAccessKey, Token, Expiration.
Result<Credentials> credentials_of_document(std::string_view body, double now, const std::string& where);
// Credentials as a place gives them. kCredentials: a control character, which no header can carry.
Result<Credentials> checked(Credentials credentials, const std::string& where);
// "2030-01-31T12:00:00Z" or with an offset; nullopt where it is no time.
std::optional<double> seconds_of_time(std::string_view text);

}  // namespace s3dlio
