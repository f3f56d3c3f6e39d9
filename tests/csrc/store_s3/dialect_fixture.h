// A dialect as the tests of its verbs want it.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>

#include "engine/store/s3/s3_store.h"

namespace s3dlio::s3 {

inline S3Options path_options() {
  S3Options options;
  options.bucket = "train";
  options.region = "eu-west-1";
  options.endpoint_url = "http://127.0.0.1:9000";
  return options;
}
inline S3Options aws_options() {
  S3Options options;
  options.bucket = "train";
  options.region = "eu-west-1";
  return options;
}

inline std::shared_ptr<transfer::Dialect> dialect_of(S3Options options, ChecksumKind kind = ChecksumKind::kCrc64Nvme) {
  auto made = make_s3_dialect(std::move(options), kind);
  if (!made.ok()) FAIL(made.error().message);
  return *made;
}

inline std::string header(const http::Request& request, std::string_view name) {
  return std::string(request.headers.find(name).value_or("(none)"));
}

inline http::ResponseHead answer(int status, std::initializer_list<std::pair<std::string, std::string>> headers = {}) {
  http::ResponseHead head;
  head.status = status;
  for (const auto& [name, value] : headers) head.headers.add(name, value);
  return head;
}

inline std::string error_xml(std::string_view code, std::string_view more = "") {
  return "<?xml version=\"1.0\"?><Error><Code>" + std::string(code) + "</Code><Message>said so</Message>" +
         std::string(more) + "<RequestId>R-1</RequestId></Error>";
}

inline bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

inline transfer::GetTarget target_of(std::string key) {
  transfer::GetTarget target;
  target.key = std::move(key);
  return target;
}
inline CopyRequest copy_of(std::string source_key, std::string key) {
  CopyRequest request;
  request.source_key = std::move(source_key);
  request.key = std::move(key);
  return request;
}
inline std::string numbered(std::string_view name, int number) {
  return std::string(name).append(std::to_string(number));
}

inline const Credentials kKeys{"AKIDTESTONLY", "the-secret-access-key-of-tests", "the-session-token-of-tests",
                               std::nullopt};

}  // namespace s3dlio::s3
