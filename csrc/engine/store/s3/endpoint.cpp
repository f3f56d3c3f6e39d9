#include "engine/store/s3/endpoint.h"

#include <array>
#include <cctype>

namespace s3dlio::s3 {
namespace {

struct Partition {
  std::string_view region_prefix, domain;
};
// The first that fits; everything else is the commercial partition.
constexpr std::array kPartitions{
    Partition{"cn-", "amazonaws.com.cn"},    Partition{"us-iso-", "c2s.ic.gov"},
    Partition{"us-isob-", "sc2s.sgov.gov"},  Partition{"us-isof-", "csp.hci.ic.gov"},
    Partition{"eu-isoe-", "cloud.adc-e.uk"}, Partition{"eusc-", "amazonaws.eu"},
    Partition{"", "amazonaws.com"},
};

std::string_view domain_of(std::string_view region) {
  for (const Partition& partition : kPartitions) {
    if (region.starts_with(partition.region_prefix)) return partition.domain;
  }
  return kPartitions.back().domain;
}

// The domain of AWS that `host`, an S3 service's own without a bucket in front, belongs to; "" for every other host.
std::string_view aws_service_domain(std::string_view host) {
  if (!host.starts_with("s3.") && !host.starts_with("s3-")) return {};
  for (const Partition& partition : kPartitions) {
    if (host.ends_with(partition.domain) && host[host.size() - partition.domain.size() - 1] == '.') {
      return partition.domain;
    }
  }
  return {};
}

// A name of one label's characters only: what a wildcard certificate and DNS allow in front of the host.
bool fits_in_host(std::string_view bucket) {
  for (const char c : bucket) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isupper(byte) || c == '_' || c == '.') return false;
  }
  return bucket.size() <= 63;
}

Error invalid(std::string message) { return make_error(ErrorCode::kInvalidArgument, std::move(message)); }

}  // namespace

std::string aws_host(std::string_view region, bool dualstack, bool fips) {
  std::string host = fips ? "s3-fips." : "s3.";
  if (dualstack) host += "dualstack.";
  host.append(region).append(".").append(domain_of(region));
  return host;
}

std::string region_of_aws_host(std::string_view host) {
  for (const Partition& partition : kPartitions) {
    if (!host.ends_with(partition.domain)) continue;
    std::string_view rest = host.substr(0, host.size() - partition.domain.size());
    if (!rest.ends_with('.')) continue;
    rest.remove_suffix(1);
    // "<bucket>.s3[-fips][.dualstack].<region>", or the older "<bucket>.s3-<region>"
    const size_t dot = rest.rfind('.');
    const std::string_view last = dot == std::string_view::npos ? rest : rest.substr(dot + 1);
    const std::string_view before = dot == std::string_view::npos ? std::string_view{} : rest.substr(0, dot);
    const auto ends_with_label = [](std::string_view text, std::string_view label) {
      return text == label || (text.ends_with(label) && text[text.size() - label.size() - 1] == '.');
    };
    if (ends_with_label(before, "s3") || ends_with_label(before, "s3-fips") || ends_with_label(before, "dualstack")) {
      return std::string(last);
    }
    if (last.starts_with("s3-") && last != "s3-fips" && last != "s3-accelerate" && last != "s3-external-1") {
      return std::string(last.substr(3));
    }
    return {};
  }
  return {};
}

std::shared_ptr<const Place> Location::place_at(std::string region, http::Endpoint service) const {
  auto place = std::make_shared<Place>();
  place->region = std::move(region);
  place->service = std::move(service);
  if (inner_is_aws_) place->service.host = aws_host(place->region, inner_dualstack_, inner_fips_);
  place->bucket = place->service;
  place->root_path = inner_base_path_;
  place->service_path = inner_base_path_ + '/';
  if (inner_virtual_) {
    place->bucket.host = inner_bucket_ + '.' + place->service.host;
  } else {
    place->root_path.append("/").append(inner_bucket_);
  }
  place->service_host = place->service.authority();
  place->bucket_host = place->bucket.authority();
  return place;
}

Result<std::shared_ptr<Location>> Location::make(const S3Options& options) {
  std::shared_ptr<Location> location(new Location);
  location->inner_bucket_ = options.bucket;
  location->inner_is_aws_ = options.endpoint_url.empty();
  location->inner_dualstack_ = options.dualstack;
  location->inner_fips_ = options.fips;
  std::string region = options.region;
  if (!location->inner_is_aws_) {
    if (options.dualstack || options.fips) {
      return invalid("dualstack and fips choose among AWS's own endpoints; they cannot be joined with endpoint_url");
    }
    auto url = parse_endpoint_url(options.endpoint_url);
    if (!url.ok()) return url.error();
    location->inner_base_path_ = url->base_path;
    location->inner_configured_ = url->server;
    if (region.empty()) region = region_of_aws_host(url->server.host);
  }
  if (region.empty() || region == "aws-global") region = "us-east-1";
  if (!is_region_name(region)) {
    return invalid(
        "the region holds other characters than letters, digits, \"-\" and \"_\"; expected e.g. eu-central-1");
  }
  if (!options.bucket.empty()) {
    const auto sound = check_bucket_name(options.bucket, location->inner_is_aws_);
    if (!sound.ok()) return sound.error();
  }
  // In front of a host a dotted or upper-case name has no certificate; those buckets go into the path.
  const bool can_be_virtual = !options.bucket.empty() && fits_in_host(options.bucket);
  if (options.addressing == Addressing::kVirtual && !options.bucket.empty()) {
    const std::string& host = location->inner_configured_.host;
    const bool is_address =
        host.find_first_not_of("0123456789.") == std::string::npos || host.find(':') != std::string::npos;
    if (!location->inner_is_aws_ && is_address) {
      return invalid("addressing=\"virtual\" needs an endpoint with a host name, found the address " + host);
    }
    if (!can_be_virtual && options.bucket.find('.') == std::string::npos) {
      return invalid("addressing=\"virtual\" needs a bucket name of lower-case letters, digits and \"-\", found " +
                     options.bucket);
    }
  }
  location->inner_virtual_ = can_be_virtual && (options.addressing == Addressing::kVirtual ||
                                                (options.addressing == Addressing::kAuto && location->inner_is_aws_));
  location->inner_place_ = location->place_at(std::move(region), location->inner_configured_);
  return location;
}

std::shared_ptr<const Place> Location::current() const {
  std::lock_guard lock(inner_mutex_);
  return inner_place_;
}

// Whether what is signed for `now` may go to `to`. Who runs a host or a port says nothing about the one beside it:
// names below one suffix (duckdns.org, svc.cluster.local) and ports of one address have many owners.
bool Location::may_go(const http::Endpoint& now, const http::Endpoint& to) const {
  const std::string_view domain = aws_service_domain(inner_configured_.host);
  if (!domain.empty() && domain == aws_service_domain(to.host)) return to.port == now.port;
  const bool begins_tls = !now.tls && to.tls && now.port == 80 && to.port == 443;
  return to.host == now.host && (to.port == now.port || begins_tls);
}

// Takes from `target` what may be taken: the region of an AWS host, or the same server by another name.
Lesson Location::follow(const Place& now, std::string_view target, std::string& region, http::Endpoint& service) const {
  const bool has_scheme = target.find("://") != std::string_view::npos;
  std::string url = has_scheme ? std::string() : std::string(now.service.tls ? "https://" : "http://");
  url.append(target);
  const size_t authority = url.find("://") + 3;
  url.resize(std::min(url.find_first_of("/?#", authority), url.size()));  // where it leads, not which object
  const auto parsed = parse_endpoint_url(url);
  if (!parsed.ok()) return Lesson::kForeign;
  if (now.service.tls && !parsed->server.tls) return Lesson::kDowngrade;
  http::Endpoint server = parsed->server;
  const std::string in_front = inner_bucket_ + '.';
  if (!inner_bucket_.empty() && server.host.starts_with(in_front)) server.host.erase(0, in_front.size());
  if (inner_is_aws_) {  // the host follows from the region
    if (aws_service_domain(server.host) != domain_of(now.region)) return Lesson::kForeign;
    if (region.empty()) region = region_of_aws_host(server.host);
    return is_region_name(region) ? Lesson::kLearnt : Lesson::kNothing;
  }
  const bool has_port = !url.ends_with(']') && url.find(':', std::max(authority, url.rfind(']') + 1)) != url.npos;
  if (!has_scheme && !has_port) server.port = now.service.port;
  if (!may_go(now.service, server)) return Lesson::kForeign;
  if (region.empty() && server.host != now.service.host) region = region_of_aws_host(server.host);
  service = std::move(server);
  return Lesson::kLearnt;
}

Lesson Location::learn(std::string_view region, std::string_view endpoint_or_url) {
  std::string new_region(is_region_name(region) ? region : std::string_view{});
  const auto now = current();
  http::Endpoint service = now->service;
  if (!endpoint_or_url.empty()) {
    const Lesson lesson = follow(*now, endpoint_or_url, new_region, service);
    if (lesson != Lesson::kLearnt) return lesson;
  }
  if (new_region.empty() && service == now->service && endpoint_or_url.empty()) return Lesson::kNothing;
  if (new_region.empty()) new_region = now->region;
  if (inner_is_aws_ && domain_of(new_region) != domain_of(now->region)) return Lesson::kForeign;
  if (new_region == now->region && service == now->service) return Lesson::kLearnt;
  auto place = place_at(std::move(new_region), std::move(service));
  std::lock_guard lock(inner_mutex_);
  inner_place_ = std::move(place);
  return Lesson::kLearnt;
}

}  // namespace s3dlio::s3
