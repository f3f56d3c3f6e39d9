// A request's head as it goes over the wire. Sans-I/O.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/http/client.h"
#include "engine/http/message.h"

namespace s3dlio::http {

// Request line, the caller's headers, Host (if they have none) and Content-Length, blank line included.
// kInvalidArgument: a character that would end a line or a field early. Names the header, never its value.
Result<std::string> write_head(const Request& request, const Endpoint& endpoint);

}  // namespace s3dlio::http
