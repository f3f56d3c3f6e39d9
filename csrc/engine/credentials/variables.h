// The process's environment variables as they were at one moment. What a store reads of them it reads when it is
// opened: getenv() on an engine thread would race with a setenv() of the program.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace s3dlio {

// Immutable; share it freely between threads.
class Variables {
 public:
  Variables() = default;
  explicit Variables(std::map<std::string, std::string, std::less<>> values) : inner_values_(std::move(values)) {}
  static Variables of_process();

  // "" where it is not set: an empty variable counts as none, as it does to botocore.
  std::string get(std::string_view name) const;
  // The first of `names` that is set and not empty.
  std::string first(std::initializer_list<std::string_view> names) const;
  bool is_set(std::string_view name) const { return !get(name).empty(); }
  // "true", in any case.
  bool is_true(std::string_view name) const;

  // `path` with "~" at its front replaced by the home folder.
  std::string expand_home(std::string path) const;

 private:
  std::map<std::string, std::string, std::less<>> inner_values_;
};

}  // namespace s3dlio
