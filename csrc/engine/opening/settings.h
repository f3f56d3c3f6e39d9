// The options of one scheme: a table of names, what each is given in text, and what the environment adds.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/credentials.h"
#include "engine/credentials/profile.h"
#include "engine/credentials/variables.h"
#include "engine/open.h"
#include "engine/store/s3/s3_store.h"
#include "engine/tuning.h"

namespace s3dlio::opening {

// ---- tuning: every scheme's ----
std::vector<std::string_view> tuning_names();
// The options given, else S3DLIO_<NAME IN CAPITALS>, else the defaults.
Result<Tuning> tuning_of(const OpenOptions& options, const Variables& variables);
// Checksums switched off by AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION, or the profile's
// settings of these names, where nothing of ours says otherwise.
Result<Unit> apply_checksum_settings(const OpenOptions& options, const Variables& variables, const Profile& profile,
                                     Tuning& tuning);
void show(const Tuning& tuning, OpenOptions& settings);

// ---- s3 ----
struct S3Settings {
  s3::S3Options store;
  std::string profile, ca_bundle;
  std::string access_key_id, secret_access_key, session_token;
};
std::vector<std::string_view> s3_names();
// What is given, checked. Names that are no s3 option are passed over.
Result<S3Settings> s3_settings_of(const OpenOptions& options);
// What is missing, filled from the environment and the profile.
Result<Unit> fill_from_environment(S3Settings& settings, const Variables& variables, const Profile& profile);
// Where STS is, for web identities.
std::string sts_endpoint_of(const S3Settings& settings, const Variables& variables, const Profile& profile);
void show(S3Settings settings, OpenOptions& shown);

// kInvalidArgument for options that are not in `names`.
Result<Unit> refuse_unknown(const OpenOptions& options, std::string_view scheme,
                            std::initializer_list<std::vector<std::string_view>> names);

}  // namespace s3dlio::opening
