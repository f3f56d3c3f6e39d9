#include "engine/credentials/profile.h"

#include <cctype>
#include <utility>

namespace s3dlio {
namespace {

std::string path_of(const Variables& variables, std::string_view variable, const char* usual) {
  std::string path = variables.get(variable);
  return variables.expand_home(path.empty() ? std::string(usual) : std::move(path));
}

// The profile a section of the config file is of: "profile x" and "profile \"x y\"" are of x and of x y.
std::string_view profile_of(std::string_view section) {
  constexpr std::string_view kWord = "profile";
  if (!section.starts_with(kWord) || section.size() == kWord.size()) return {};
  std::string_view name = section.substr(kWord.size());
  if (std::isspace(static_cast<unsigned char>(name.front())) == 0) return {};
  while (!name.empty() && std::isspace(static_cast<unsigned char>(name.front())) != 0) name.remove_prefix(1);
  while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back())) != 0) name.remove_suffix(1);
  if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front()) {
    name = name.substr(1, name.size() - 2);
  }
  return name;
}

const IniSection* config_section(const IniSections& all, std::string_view name) {
  for (const auto& [section, settings] : all) {
    if (profile_of(section) == name) return &settings;
  }
  const auto bare = all.find(name);
  return bare == all.end() ? nullptr : &bare->second;
}

void take_services(const IniSections& all, Profile& profile) {
  const std::string services = profile.in_config("services");
  if (services.empty()) return;
  const auto section = all.find("services " + services);
  if (section == all.end()) {
    profile.missing_services = services;
    return;
  }
  const auto settings_of = [&](std::string_view service) {
    const auto found = section->second.find(service);
    return found == section->second.end() ? IniSection() : nested_settings(found->second);
  };
  profile.s3_service = settings_of("s3");
  profile.sts_service = settings_of("sts");
}

std::string value_in(const IniSection& section, std::string_view setting) {
  const auto found = section.find(setting);
  return found == section.end() ? std::string() : found->second;
}

}  // namespace

std::string Profile::get(std::string_view setting) const {
  std::string value = value_in(credentials, setting);
  return value.empty() ? in_config(setting) : value;
}

std::string Profile::in_config(std::string_view setting) const { return value_in(config, setting); }

Result<Profile> load_profile(const Variables& variables, const std::string& wanted) {
  Profile profile;
  profile.name = wanted.empty() ? variables.get("AWS_PROFILE") : wanted;
  profile.is_named = !profile.name.empty();
  if (!profile.is_named) profile.name = "default";
  profile.config_path = path_of(variables, "AWS_CONFIG_FILE", "~/.aws/config");
  profile.credentials_path = path_of(variables, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");

  auto config = read_ini_file(profile.config_path);
  if (!config) return config.error();
  if (const auto& sections = config.value()) {
    profile.has_config_file = true;
    if (const IniSection* section = config_section(*sections, profile.name)) {
      profile.is_there = true;
      profile.config = *section;
      take_services(*sections, profile);
    }
  }
  auto credentials = read_ini_file(profile.credentials_path);
  if (!credentials) return credentials.error();
  if (const auto& sections = credentials.value()) {
    profile.has_credentials_file = true;
    if (const auto section = sections->find(profile.name); section != sections->end()) {
      profile.is_there = true;
      profile.credentials = section->second;
    }
  }
  return profile;
}

}  // namespace s3dlio
