// The credentials a container is given by its agent: ECS, EKS pod identity, Greengrass.
#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

#include "engine/base/log.h"
#include "engine/base/redact_url.h"
#include "engine/credentials/providers.h"

namespace s3dlio {
namespace {

constexpr const char* kEcsAgent = "http://169.254.170.2";
// ECS, EKS over IPv4 and IPv6, this machine.
constexpr std::array<std::string_view, 4> kPlainHosts = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23",
                                                         "localhost"};
constexpr int kMostAttempts = 3;
constexpr std::chrono::seconds kPause(1);
constexpr std::chrono::seconds kTimeout(2);

bool is_loopback_address(std::string_view host) {
  const bool is_ipv4 = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "::1" || (is_ipv4 && host.starts_with("127."));
}

// The token would go to whoever a name in the environment points to: plain HTTP only to this machine and the agents.
bool may_be_asked(const http::Endpoint& server) {
  return server.tls || is_loopback_address(server.host) ||
         std::find(kPlainHosts.begin(), kPlainHosts.end(), server.host) != kPlainHosts.end();
}

Error failed(const std::string& what) {
  return make_error(ErrorCode::kCredentials, "the container's credentials: " + what);
}

// "" where no token is wanted. Read anew each time: agents replace the file.
Result<std::string> authorization(const Variables& variables) {
  std::string token = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string path = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); !path.empty()) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return failed("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names " + path + ", which cannot be read");
    token.assign(std::istreambuf_iterator<char>(file), {});
  }
  if (token.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
    return failed("the authorization token holds a line break");
  }
  return token;
}

Result<FetchUrl> url_of(const Variables& variables) {
  const std::string relative = variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string full = variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const char* name = relative.empty() ? "AWS_CONTAINER_CREDENTIALS_FULL_URI" : "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
  if (!relative.empty() && !relative.starts_with('/')) return failed(std::string(name) + " does not begin with \"/\"");
  auto url = parse_fetch_url(relative.empty() ? full : kEcsAgent + relative);
  if (!url) return failed(std::string(name) + ": " + url.error().message);
  if (!may_be_asked(url->server)) {
    return failed(
        std::string(name) + " names " + redact_url(full) +
        "; over plain http only a loopback address, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23] are asked");
  }
  return url;
}

}  // namespace

Found from_container(const Surroundings& world) {
  if (world.variables.first({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}).empty()) {
    return std::optional<Credentials>();
  }
  auto url = url_of(world.variables);
  if (!url) return url.error();
  auto token = authorization(world.variables);
  if (!token) return token.error();
  if (!token->empty()) add_secret(*token);

  FetchRequest request;
  request.url = *url;
  request.timeout = kTimeout;
  request.headers.add("Accept", "application/json");
  if (!token->empty()) request.headers.add("Authorization", *token);
  const std::string where = "the container's credentials from " + url->server.authority();
  Error last;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    if (attempt > 0) world.pause(kPause);
    auto answer = world.fetch(request);
    if (!answer) {
      last = make_error(ErrorCode::kCredentials, where + ": " + answer.error().message);
    } else if (answer->status != 200) {
      last = make_error(ErrorCode::kCredentials, where + ": the answer has status " + std::to_string(answer->status));
    } else {
      auto credentials = credentials_of_document(answer->body, world.now(), where);
      if (credentials) return std::optional<Credentials>(std::move(credentials).value());
      last = credentials.error();
    }
  }
  return last;
}

}  // namespace s3dlio
