// Credentials where no Python resolves them: every place of botocore's chain that needs none, in its order.
#pragma once

#include <string>

#include "engine/credentials.h"
#include "engine/credentials/providers.h"

namespace s3dlio {

struct ChainOptions {
  std::string profile;  // as the caller names it; then the environment's keys do not count. "": AWS_PROFILE, "default"
  std::string sts_endpoint;  // where web identities are exchanged
};

// Asks, one after the other: the environment, the profile's role, web identity, SSO, the credentials file, a process,
// the config file, the container, the instance. The first that says something decides. Files and services are asked
// anew at each call; what is asked, and when, is the caller's matter (transfer's credentials cache renews ahead).
// kCredentials: nothing was found, with every place that was looked at, or what was found does not work.
CredentialSource make_credential_chain(ChainOptions options, Surroundings world);

}  // namespace s3dlio
