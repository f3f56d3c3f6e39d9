// Dates as HTTP writes them: "Sun, 06 Nov 1994 08:49:37 GMT".
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace s3dlio::text {

// nullopt for anything but the fixed form every server must send. Ignores the locale. In whole seconds: the system
// clock's nanoseconds end in the year 2262, and services write 9999 for "never".
std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text);

}  // namespace s3dlio::text
