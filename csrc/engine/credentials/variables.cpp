#include "engine/credentials/variables.h"

#include <pwd.h>
#include <strings.h>
#include <unistd.h>

#include <array>
#include <cstring>

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program to declare it

namespace s3dlio {
namespace {

std::string home_in_passwd() {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> text{};
  if (::getpwuid_r(::getuid(), &entry, text.data(), text.size(), &found) != 0 || found == nullptr) return "";
  return found->pw_dir;
}

}  // namespace

Variables Variables::of_process() {
  Variables all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const char* equals = std::strchr(*entry, '=');
    if (equals != nullptr)
      all.inner_values_.emplace(std::string(*entry, static_cast<size_t>(equals - *entry)), equals + 1);
  }
  return all;
}

std::string Variables::get(std::string_view name) const {
  const auto found = inner_values_.find(name);
  return found == inner_values_.end() ? std::string() : found->second;
}

std::string Variables::first(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    if (std::string value = get(name); !value.empty()) return value;
  }
  return "";
}

bool Variables::is_true(std::string_view name) const { return ::strcasecmp(get(name).c_str(), "true") == 0; }

std::string Variables::expand_home(std::string path) const {
  if (path != "~" && !path.starts_with("~/")) return path;
  std::string home = get("HOME");
  if (home.empty()) home = home_in_passwd();
  return home.empty() ? path : home + path.substr(1);
}

}  // namespace s3dlio
