#include "message.h"

#include <algorithm>

#include "text.h"

namespace s3dlio_bench {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::string_view kXmlDeclaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

std::string_view find_or_empty(const Headers& headers, std::string_view name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

// Cuts `text` at the first `separator` and gives what stood before it; `text` keeps what stands behind.
std::string_view take_until(std::string_view& text, std::string_view separator) {
  const size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + separator.size());
  return taken;
}

Headers parse_query(std::string_view query) {
  Headers result;
  while (!query.empty()) {
    std::string_view value = take_until(query, "&");
    const std::string_view name = take_until(value, "=");
    result[percent_decode(name, true)] = percent_decode(value, true);
  }
  return result;
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 416:
      return "Range Not Satisfiable";
    case 501:
      return "Not Implemented";
    default:
      return "Answer";
  }
}

}  // namespace

std::string_view Request::header(std::string_view name) const { return find_or_empty(headers, name); }
std::string_view Request::parameter(std::string_view name) const { return find_or_empty(query, name); }

std::optional<Request> parse_request(std::string_view head) {
  std::string_view line = take_until(head, "\r\n");
  Request request;
  request.method = take_until(line, " ");
  std::string_view target = take_until(line, " ");
  if (target.starts_with(kScheme)) {  // the absolute form, which every server has to take
    target.remove_prefix(kScheme.size());
    target.remove_prefix(std::min(target.find('/'), target.size()));
  }
  if (!line.starts_with("HTTP/1.") || !target.starts_with("/")) return std::nullopt;

  std::string_view path = take_until(target, "?").substr(1);
  request.query = parse_query(target);
  request.bucket = percent_decode(take_until(path, "/"), false);
  request.key = percent_decode(path, false);
  while (!head.empty()) {
    std::string_view value = take_until(head, "\r\n");
    if (value.empty()) break;
    const std::string_view name = take_until(value, ":");
    request.headers[lower(name)] = trim(value);
  }
  return request;
}

std::string Response::head() const {
  std::string text_head =
      concat({"HTTP/1.1 ", std::to_string(status), " ", reason_of(status), "\r\nx-amz-request-id: bench\r\n"});
  for (const auto& [name, value] : headers) text_head += concat({name, ": ", value, "\r\n"});
  if (status != 204 && status != 304) {
    const uint64_t length = stated_length.value_or(text.size() + size_of(slices));
    text_head += "content-length: " + std::to_string(length) + "\r\n";
  }
  return text_head + "\r\n";
}

Response xml_response(std::string_view text) {
  Response response;
  response.headers["content-type"] = "application/xml";
  response.text = concat({kXmlDeclaration, text});
  return response;
}

Response error_response(int status, std::string_view code, std::string_view message) {
  Response response = xml_response("<Error>" + element("Code", code) + element("Message", message) +
                                   element("RequestId", "bench") + "</Error>");
  response.status = status;
  return response;
}

}  // namespace s3dlio_bench
