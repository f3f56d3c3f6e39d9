// The schemes of stores that the engine opens. Another cloud is one more row in schemes.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/open.h"

namespace s3dlio::opening {

// The parts of a store's URI; nothing in it is decoded, collapsed or normalised.
struct StoreUri {
  std::string scheme;
  std::string bucket;  // "" for files
  std::string prefix;  // ends with "/" or is ""; of files: the folder, without its first slash
  std::string text() const { return scheme + "://" + bucket + "/" + prefix; }
};
// kInvalidArgument: no scheme, an unknown one, a relative path, or a NUL in it.
Result<StoreUri> parse_store_uri(std::string_view uri);

// A store that is ready to be opened: everything that can be wrong with its options was looked at.
struct Opening {
  std::function<Result<std::shared_ptr<ObjectStore>>()> open;
  OpenOptions settings;  // those in effect, without secrets
};

struct Scheme {
  std::string_view name;
  Result<Opening> (*resolve)(const StoreUri& uri, const OpenOptions& options, const Variables& variables);
};
// nullptr: there is none of this name.
const Scheme* scheme_of(std::string_view name);

// Each scheme's own, in its own file.
Result<Opening> resolve_s3(const StoreUri& uri, const OpenOptions& options, const Variables& variables);
Result<Opening> resolve_file(const StoreUri& uri, const OpenOptions& options, const Variables& variables);

}  // namespace s3dlio::opening
