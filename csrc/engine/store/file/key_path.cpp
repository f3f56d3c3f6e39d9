#include "engine/store/file/key_path.h"

#include <cstddef>

namespace s3dlio::file {
namespace {

constexpr size_t kMaxKey = 1024;

// Why a segment cannot be a file's or folder's name; nullptr when it can.
const char* fault_of(std::string_view segment) {
  if (segment.empty()) return "has an empty segment (\"//\", or \"/\" at an end), which no path can hold";
  if (segment == "." || segment == "..") return "has a \".\" or \"..\" segment, which would name another place";
  if (segment.starts_with(kTemporaryPrefix)) return "has a segment reserved for files being written (.s3dlio-tmp-)";
  return nullptr;
}

}  // namespace

Result<KeyPath> parse_key(const std::string& key) {
  const auto refuse = [&](const std::string& why) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the key " + why + "; file stores keep objects as files below the root");
  };
  if (key.empty()) return refuse("is empty");
  if (key.size() > kMaxKey) {
    return refuse("is " + std::to_string(key.size()) + " bytes long, more than " + std::to_string(kMaxKey));
  }
  if (key.find('\0') != std::string::npos) return refuse("has a NUL byte");
  size_t begin = 0;
  for (size_t slash = key.find('/');; slash = key.find('/', begin)) {
    if (const char* fault = fault_of(std::string_view(key).substr(begin, slash - begin))) return refuse(fault);
    if (slash == std::string::npos) break;
    begin = slash + 1;
  }
  return KeyPath{key, begin ? key.substr(0, begin - 1) : "", key.substr(begin)};
}

bool no_key_starts_with(std::string_view prefix) {
  if (prefix.find('\0') != std::string_view::npos) return true;
  size_t begin = 0;
  for (size_t slash = prefix.find('/'); slash != std::string_view::npos; slash = prefix.find('/', begin)) {
    if (fault_of(prefix.substr(begin, slash - begin))) return true;
    begin = slash + 1;
  }
  return false;  // the rest may be the beginning of a longer segment
}

}  // namespace s3dlio::file
