// Percent-encoding as signatures want it: every byte outside A-Z a-z 0-9 - . _ ~ becomes %XX, upper case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace s3dlio::text {

enum class Slash : bool { kEncode, kKeep };

void append_encoded(std::string& out, std::string_view text, Slash slash = Slash::kEncode);
std::string encoded(std::string_view text, Slash slash = Slash::kEncode);

// The way back; "+" stands for itself unless `plus_is_space`. nullopt: a "%" without two hex digits after it.
std::optional<std::string> decoded(std::string_view text, bool plus_is_space = false);

}  // namespace s3dlio::text
