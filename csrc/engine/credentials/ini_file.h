// The AWS tools' configuration files: sections of "name = value" lines, read by the rules of Python's configparser,
// which the AWS CLI and botocore use.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace s3dlio {

using IniSection = std::map<std::string, std::string, std::less<>>;  // names in lower case
using IniSections = std::map<std::string, IniSection, std::less<>>;  // by what stands between the brackets

// Lines that begin with "#" or ";" are comments; a line that is indented goes on with the value above it, joined by a
// line break; a section or a name that comes twice is merged, the later value winning.
// The error names the line and never quotes it: people keep keys in these files. `path` is for its text.
Result<IniSections> parse_ini(std::string_view text, std::string_view path);

// nullopt: there is no such file. kInvalidArgument: it cannot be read or parsed.
Result<std::optional<IniSections>> read_ini_file(const std::string& path);

// The "name = value" lines of a value that has lines of its own (`s3 =` in a services section).
IniSection nested_settings(std::string_view value);

}  // namespace s3dlio
