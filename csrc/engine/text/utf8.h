// Whether bytes are text.
#pragma once

#include <string_view>

namespace s3dlio::text {

// Shortest forms only, no surrogates, at most U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace s3dlio::text
