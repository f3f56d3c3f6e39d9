// One HTTP/1.1 request and the head of its answer, as values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace s3dlio::http {

// In order, as sent or received. Look-up ignores case.
class Headers {
 public:
  void add(std::string name, std::string value) { inner_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);                 // replaces every earlier one
  std::optional<std::string_view> find(std::string_view name) const;  // the first
  size_t count(std::string_view name) const;
  auto begin() const { return inner_.begin(); }
  auto end() const { return inner_.end(); }
  size_t size() const { return inner_.size(); }
  void reserve(size_t count) { inner_.reserve(count); }

 private:
  std::vector<std::pair<std::string, std::string>> inner_;
};

struct Request {
  std::string method = "GET";
  std::string path = "/";  // percent-encoded, ready for the request line
  std::string query;       // percent-encoded "a=b&c", without '?'
  Headers headers;         // without Content-Length and Connection, which the exchange adds; Host is set by the dialect
  // Body: `document` (owned) if not empty, else the concatenated `payload` spans, which the caller keeps alive until
  // done.
  std::string document;
  std::vector<std::span<const std::byte>> payload;

  uint64_t body_size() const;
};

struct ResponseHead {
  int status = 0;
  std::string reason;
  Headers headers;
  bool keep_alive = true;
  bool chunked = false;
  // Of the body that follows; absent for chunked and close-delimited bodies. For an answer to HEAD: of the body a GET
  // would get.
  std::optional<uint64_t> content_length;
};

// "bytes 0-9/100" -> {0, 10, 100}; total is absent for "/*". "bytes */100" -> unsatisfied, with total.
struct ContentRange {
  uint64_t start = 0;
  uint64_t end = 0;  // half-open
  std::optional<uint64_t> total;
  bool unsatisfied = false;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

}  // namespace s3dlio::http
