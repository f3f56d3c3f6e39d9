// What may be shown of the URL of a service that somebody wrote: scheme, host, port and path.
#pragma once

#include <string>
#include <string_view>

namespace s3dlio {

// "***" for user info, for query and fragment, and for what stands where a port should and is none: the URL need not be
// well formed, and people put credentials in all of these. What is left passes through redact(); one line of 200
// characters at most.
std::string redact_url(std::string_view url);

}  // namespace s3dlio
