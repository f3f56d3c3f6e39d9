// A request as S3 clients write it (path style), and the answer to one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "block.h"

namespace s3dlio_bench {

using Headers = std::map<std::string, std::string, std::less<>>;  // names in lower case

struct Request {
  std::string method;
  std::string bucket;  // "" for the service itself
  std::string key;     // "" for the bucket itself
  Headers query;       // decoded; a name without a value has ""
  Headers headers;
  std::string body;  // documents (XML); an object's bytes travel in `data`
  Slice data;
  uint64_t data_size = 0;  // of the object's bytes, also when they were discarded
  bool discarded = false;

  bool asks(std::string_view name) const { return query.contains(name); }
  // "" when absent.
  std::string_view header(std::string_view name) const;
  std::string_view parameter(std::string_view name) const;
};

// nullopt: not HTTP/1.1 as we know it.
std::optional<Request> parse_request(std::string_view head);

struct Response {
  int status = 200;
  Headers headers;
  std::string text;  // sent before the slices
  Slices slices;
  std::optional<uint64_t> stated_length;  // of an answer to HEAD: the body that GET would have

  std::string head() const;
};
Response xml_response(std::string_view text);
Response error_response(int status, std::string_view code, std::string_view message);

}  // namespace s3dlio_bench
