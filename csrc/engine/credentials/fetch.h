// One small document over HTTP, waited for: how the services that hand out credentials are asked. Runs on the thread
// that looks credentials up, which may block.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/http/client.h"

namespace s3dlio {

struct FetchUrl {
  http::Endpoint server;
  std::string path = "/";
  std::string query;
};
// kInvalidArgument, without the text of the URL, which may hold a secret: it is no http(s) URL, or has user info.
Result<FetchUrl> parse_fetch_url(std::string_view url);

struct FetchRequest {
  std::string method = "GET";
  FetchUrl url;
  http::Headers headers;
  std::string body;
  std::chrono::nanoseconds timeout = std::chrono::seconds(2);  // for all of it
};
struct FetchAnswer {
  int status = 0;
  std::string body;  // at most 64 KiB
};

// Errors: kConnection, kTimeout, kTls, kProtocol.
using Fetch = std::function<Result<FetchAnswer>(FetchRequest request)>;

// The engine's own client. `ca_bundle` as in http::ClientOptions.
Fetch fetch_over_http(std::string ca_bundle);

}  // namespace s3dlio
