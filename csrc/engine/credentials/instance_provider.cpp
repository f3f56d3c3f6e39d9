// The role of the EC2 instance, from its metadata service. Only its second version is spoken: the first one gives the
// keys to whoever can make this machine send a GET.
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "engine/base/log.h"
#include "engine/credentials/providers.h"

namespace s3dlio {
namespace {

constexpr const char* kUsual = "http://169.254.169.254";
constexpr const char* kOverIpv6 = "http://[fd00:ec2::254]";
constexpr const char* kRolePath = "/latest/meta-data/iam/security-credentials/";

struct Service {
  FetchUrl url;  // its path without a slash at the end
  std::chrono::nanoseconds timeout = std::chrono::seconds(1);
  int attempts = 1;
};

Error failed(const std::string& what) {
  return make_error(ErrorCode::kCredentials, "the instance's metadata service: " + what);
}

std::string setting(const Variables& variables, const Profile& profile, std::string_view variable,
                    std::string_view name) {
  std::string value = variables.get(variable);
  return value.empty() ? profile.get(name) : value;
}

Result<double> positive(const std::string& text, std::string_view variable, double usual) {
  if (text.empty()) return usual;
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || !(value > 0) || value > 1e6) {
    return failed(std::string(variable) + " is no number above 0");
  }
  return value;
}

Result<Service> service_of(const Variables& variables, const Profile& profile) {
  Service service;
  std::string base = setting(variables, profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
  if (base.empty()) {
    const std::string mode =
        setting(variables, profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
    base = ::strcasecmp(mode.c_str(), "ipv6") == 0 ? kOverIpv6 : kUsual;
  }
  auto url = parse_fetch_url(base);
  if (!url) return failed("AWS_EC2_METADATA_SERVICE_ENDPOINT: " + url.error().message);
  service.url = *url;
  while (service.url.path.ends_with('/')) service.url.path.pop_back();
  auto timeout = positive(setting(variables, profile, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout"),
                          "AWS_METADATA_SERVICE_TIMEOUT", 1);
  if (!timeout) return timeout.error();
  service.timeout = std::chrono::nanoseconds(static_cast<int64_t>(*timeout * 1e9));
  auto attempts =
      positive(setting(variables, profile, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts"),
               "AWS_METADATA_SERVICE_NUM_ATTEMPTS", 1);
  if (!attempts) return attempts.error();
  service.attempts = static_cast<int>(std::min(std::ceil(*attempts), 100.0));
  return service;
}

// The last of at most so many attempts: an answer below 500, or what went wrong.
Result<FetchAnswer> ask(const Surroundings& world, const Service& service, const char* method, const std::string& path,
                        std::string_view header, std::string value) {
  Result<FetchAnswer> answer = failed("it was not asked");
  for (int attempt = 0; attempt < service.attempts; ++attempt) {
    FetchRequest request;
    request.method = method;
    request.url = service.url;
    request.url.path += path;
    request.timeout = service.timeout;
    request.headers.add(std::string(header), value);
    answer = world.fetch(std::move(request));
    if (answer && answer->status < 500) break;
  }
  return answer;
}

bool is_role_name(std::string_view name) {
  return !name.empty() && name.size() <= 256 && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c < '\x7F' && c != '/' && c != '?' && c != '#';
  });
}

}  // namespace

Found from_instance(const Surroundings& world, const Profile& profile) {
  if (world.variables.is_true("AWS_EC2_METADATA_DISABLED")) return std::optional<Credentials>();
  auto service = service_of(world.variables, profile);
  if (!service) return service.error();

  auto token = ask(world, *service, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "21600");
  // No service, or not one of this kind: this is no instance.
  if (!token || token->status != 200 || token->body.empty()) return std::optional<Credentials>();
  if (token->body.find_first_of("\r\n") != std::string::npos) return failed("its token holds a line break");
  add_secret(token->body);
  constexpr std::string_view kHeader = "X-aws-ec2-metadata-token";

  auto role = ask(world, *service, "GET", kRolePath, kHeader, token->body);
  if (!role) return failed(role.error().message);
  if (role->status == 404) return std::optional<Credentials>();  // an instance without a role
  if (role->status != 200) return failed("asked for the role, it answers with status " + std::to_string(role->status));
  const std::string name = role->body.substr(0, role->body.find('\n'));
  if (!is_role_name(name)) return failed("its answer is no name of a role");

  auto answer = ask(world, *service, "GET", kRolePath + name, kHeader, token->body);
  if (!answer) return failed(answer.error().message);
  if (answer->status != 200) {
    return failed("asked for the keys, it answers with status " + std::to_string(answer->status));
  }
  auto credentials = credentials_of_document(answer->body, world.now(), "the instance's metadata service");
  if (!credentials) return credentials.error();
  return std::optional<Credentials>(std::move(credentials).value());
}

}  // namespace s3dlio
