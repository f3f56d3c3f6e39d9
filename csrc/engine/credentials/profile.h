// One profile of the AWS tools' two files: ~/.aws/config (AWS_CONFIG_FILE) and ~/.aws/credentials
// (AWS_SHARED_CREDENTIALS_FILE).
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/credentials/ini_file.h"
#include "engine/credentials/variables.h"

namespace s3dlio {

struct Profile {
  std::string name;
  bool is_named = false;  // by the caller or AWS_PROFILE: then it must be somewhere
  bool is_there = false;  // in one of the files
  std::string config_path, credentials_path;
  bool has_config_file = false, has_credentials_file = false;
  IniSection config;       // "[profile name]" (or "[name]") of the config file
  IniSection credentials;  // "[name]" of the credentials file
  // What the section that `services` names says of S3 and STS; `missing_services`: the name of one that is not there.
  IniSection s3_service, sts_service;
  std::string missing_services;

  // The credentials file's setting, else the config file's; "".
  std::string get(std::string_view setting) const;
  std::string in_config(std::string_view setting) const;
};

// `wanted`: as the caller names it; "": AWS_PROFILE, then "default". kInvalidArgument: a file that cannot be read.
Result<Profile> load_profile(const Variables& variables, const std::string& wanted);

}  // namespace s3dlio
