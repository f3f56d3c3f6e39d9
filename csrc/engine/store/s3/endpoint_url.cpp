#include <algorithm>
#include <charconv>

#include "engine/base/redact_url.h"
#include "engine/store/s3/endpoint.h"

namespace s3dlio::s3 {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

Error bad_url(std::string_view url, std::string_view what) {
  std::string message = "endpoint_url ";
  message.append(redact_url(url)).append(" ").append(what);
  message += "; expected http://host[:port][/path] or https://host[:port][/path]";
  return make_error(ErrorCode::kInvalidArgument, std::move(message));
}

bool is_host(std::string_view host) {
  const auto fits = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; };
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), fits) && host.front() != '.' &&
         host.find("..") == std::string_view::npos;
}
bool is_ipv6(std::string_view host) {
  const auto fits = [](char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f') || c == ':' || c == '.'; };
  return host.find(':') != std::string_view::npos && host.size() <= 45 && std::all_of(host.begin(), host.end(), fits);
}
bool is_ipv4(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) { return is_digit(c) || c == '.'; });
}

bool is_path(std::string_view path) {
  constexpr std::string_view kMarks = "-._~/%!$&'()*+,;=:@";
  return std::all_of(path.begin(), path.end(),
                     [&](char c) { return is_letter(c) || is_digit(c) || kMarks.find(c) != std::string_view::npos; });
}

}  // namespace

Result<EndpointUrl> parse_endpoint_url(std::string_view url) {
  EndpointUrl out;
  std::string_view rest = url;
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return bad_url(url, "has no scheme");
  const std::string scheme = lowered(url.substr(0, scheme_end));
  rest.remove_prefix(scheme_end + 3);
  const size_t host_end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, host_end);
  const std::string_view path = rest.substr(host_end);
  if (authority.find('@') != std::string_view::npos) {
    return bad_url(url, "holds a user name or password; pass access_key_id and secret_access_key instead");
  }
  if (scheme != "http" && scheme != "https") return bad_url(url, "has another scheme");
  out.server.tls = scheme == "https";
  out.server.port = out.server.tls ? 443 : 80;

  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return bad_url(url, "has an unclosed [");
    const std::string_view host = authority.substr(1, close - 1);
    if (!is_ipv6(host)) return bad_url(url, "has no IPv6 address between the brackets");
    out.server.host = lowered(host);
    port = authority.substr(close + 1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    if (!is_host(authority.substr(0, colon))) return bad_url(url, "has no valid host name");
    out.server.host = lowered(authority.substr(0, colon));
    port = authority.substr(colon);
  }
  if (!port.empty()) {
    port.remove_prefix(1);
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), out.server.port);
    if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() || out.server.port == 0) {
      return bad_url(url, "has a port that is no number from 1 to 65535");
    }
  }
  if (!is_path(path)) return bad_url(url, "has a query, a fragment or a character a path cannot hold");
  out.base_path = path;
  while (out.base_path.ends_with('/')) out.base_path.pop_back();
  return out;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || (host.starts_with("127.") && is_ipv4(host));
}

bool is_region_name(std::string_view text) {
  const auto fits = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; };
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), fits);
}

Result<Unit> check_bucket_name(std::string_view bucket, bool on_aws) {
  const auto broken = [bucket](std::string_view rule) {
    std::string message = "bucket name \"";
    for (const char c : bucket.substr(0, 80)) message += (c >= ' ' && c < 0x7F) ? c : '?';
    message.append("\": ").append(rule);
    return make_error(ErrorCode::kInvalidArgument, std::move(message));
  };
  if (bucket.starts_with("arn:")) return broken("access point ARNs are not supported; use the access point's alias");
  const auto aws_letter = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c); };
  const auto fits = [&](char c) {
    return aws_letter(c) || c == '-' || c == '.' || (!on_aws && (is_letter(c) || c == '_'));
  };
  if (!std::all_of(bucket.begin(), bucket.end(), fits)) {
    return broken(on_aws ? "only lower-case letters, digits, \"-\" and \".\" may be used"
                         : "only letters, digits, \"-\", \"_\" and \".\" may be used");
  }
  if (on_aws && (bucket.size() < 3 || bucket.size() > 63)) return broken("it must be 3 to 63 characters long");
  if (bucket.size() > 255) return broken("it must be at most 255 characters long");
  if (bucket.find("..") != std::string_view::npos || bucket == ".")
    return broken("dots must stand between other characters");
  if (on_aws && (!aws_letter(bucket.front()) || !aws_letter(bucket.back()))) {
    return broken("it must begin and end with a letter or digit");
  }
  if (on_aws && bucket.ends_with("--x-s3")) {
    return make_error(ErrorCode::kUnsupported, "directory buckets (S3 Express One Zone) are not supported");
  }
  return Unit{};
}

}  // namespace s3dlio::s3
