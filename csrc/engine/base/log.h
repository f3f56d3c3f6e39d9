// What the engine has to say while it works. Python routes it to `logging`; without a sink nothing is formatted.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace s3dlio {

enum class LogLevel : int { kDebug = 10, kInfo = 20, kWarning = 30, kError = 40 };

// The sink may be called from any engine thread and must not block for long. Replacing it is safe at any time.
void set_log_sink(std::function<void(LogLevel, std::string_view message)> sink, LogLevel minimum);
bool log_enabled(LogLevel level);
void log(LogLevel level, std::string_view message);  // redacted before it reaches the sink

// Replaces the values of credentials in any text by "***": Authorization, security and session tokens, SSE-C keys,
// X-Amz-Signature, X-Amz-Credential, SAS sig, X-Goog-Signature, URL userinfo. Every error message and log line passes
// through it.
std::string redact(std::string_view text);
// Registers a literal secret (a secret key, a token) that redact() removes wherever it shows up.
void add_secret(std::string_view secret);

}  // namespace s3dlio
