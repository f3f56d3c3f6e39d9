#include <algorithm>
#include <array>

#include "engine/opening/scheme.h"

namespace s3dlio::opening {
namespace {

constexpr std::array kSchemes = {
    Scheme{"s3", resolve_s3},
    Scheme{"file", resolve_file},
    Scheme{"direct", resolve_file},
};

Error invalid(std::string_view uri, std::string_view what) {
  std::string message = "\"";
  message.append(uri.substr(0, uri.find('\0'))).append("\" ").append(what);
  return make_error(ErrorCode::kInvalidArgument,
                    message + "; expected s3://bucket/prefix, file:///path or direct:///path");
}

}  // namespace

const Scheme* scheme_of(std::string_view name) {
  const auto found =
      std::find_if(kSchemes.begin(), kSchemes.end(), [&](const Scheme& each) { return each.name == name; });
  return found == kSchemes.end() ? nullptr : found;
}

Result<StoreUri> parse_store_uri(std::string_view uri) {
  StoreUri out;
  const size_t mark = uri.find("://");
  if (mark == std::string_view::npos) return invalid(uri, "is no URI");
  out.scheme = uri.substr(0, mark);
  if (scheme_of(out.scheme) == nullptr) return invalid(uri, "has an unknown scheme");
  if (uri.find('\0') != std::string_view::npos) return invalid(uri, "goes on with a NUL");
  std::string_view rest = uri.substr(mark + 3);
  const size_t slash = std::min(rest.find('/'), rest.size());
  out.bucket = rest.substr(0, slash);
  out.prefix = rest.substr(std::min(slash + 1, rest.size()));
  const bool is_file = out.scheme != "s3";
  if (is_file && (!out.bucket.empty() || rest.empty()))
    return invalid(uri, "is no absolute path: three slashes are needed");
  if (!is_file && out.bucket.empty() && !out.prefix.empty()) return invalid(uri, "names no bucket");
  if (!out.prefix.empty() && !out.prefix.ends_with('/')) out.prefix += '/';
  return out;
}

}  // namespace s3dlio::opening
