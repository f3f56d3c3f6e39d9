// Who we are to a service, and how to learn it anew. Resolved outside the engine (botocore in Python) and pushed in.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/base/result.h"

namespace s3dlio {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;         // "" for long-lived keys
  std::optional<double> expires_at;  // seconds since the epoch
};

// Runs on a helper thread, may block for seconds, gives kCredentials when there are none.
using CredentialSource = std::function<Result<Credentials>()>;

}  // namespace s3dlio
