// A key as a path below the root: nothing in it can lead outside, and two keys never name one file. Private to
// store/file/.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace s3dlio::file {

// Files being written carry this in front of their name. They are no objects: never listed, read or written as keys.
inline constexpr std::string_view kTemporaryPrefix = ".s3dlio-tmp-";

struct KeyPath {
  std::string key;
  std::string folder;  // "a/b" of "a/b/c"; "" for a file in the root
  std::string name;    // "c"
};

// kInvalidArgument: empty, longer than 1024 bytes, absolute, with a NUL, with an empty segment, "." or "..", or a
// reserved name.
Result<KeyPath> parse_key(const std::string& key);

// True when no key can begin like that: "../", "a//", "/". An object store would list nothing, and so do we.
bool no_key_starts_with(std::string_view prefix);

}  // namespace s3dlio::file
