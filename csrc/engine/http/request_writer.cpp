#include "engine/http/request_writer.h"

#include <algorithm>

#include "engine/http/text.h"

namespace s3dlio::http {
namespace {

bool all_token(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char); }

// Visible ASCII: the dialect has percent-encoded everything else.
bool is_target(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// POST and PUT say "0" too: servers answer 411 otherwise.
bool needs_length(const Request& request, uint64_t size) {
  return size > 0 || request.method == "PUT" || request.method == "POST";
}

Error refuse(const std::string& what) {
  return make_error(ErrorCode::kInvalidArgument, what + " holds a character HTTP does not allow there");
}

}  // namespace

std::string Endpoint::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? 443 : 80) ? name : name + ":" + std::to_string(port);
}

Result<std::string> write_head(const Request& request, const Endpoint& endpoint) {
  if (!all_token(request.method)) return refuse("method");
  if (request.path.empty() || request.path.front() != '/' || !is_target(request.path)) return refuse("path");
  if (!is_target(request.query)) return refuse("query");
  std::string head;
  head.reserve(1024);
  head.append(request.method).append(" ").append(request.path);
  if (!request.query.empty()) head.append("?").append(request.query);
  head.append(" HTTP/1.1\r\n");
  if (!request.headers.find("Host")) head.append("Host: ").append(endpoint.authority()).append("\r\n");
  for (const auto& [name, value] : request.headers) {
    if (!all_token(name)) return refuse("a header's name");
    if (!std::all_of(value.begin(), value.end(), is_value_char)) return refuse("header " + name);
    head.append(name).append(": ").append(value).append("\r\n");
  }
  const uint64_t size = request.body_size();
  if (needs_length(request, size)) head.append("Content-Length: ").append(std::to_string(size)).append("\r\n");
  head.append("\r\n");
  return head;
}

}  // namespace s3dlio::http
