// Where a bucket is: hosts of AWS by region, other services by URL, path or virtual style, and what redirects may
// teach.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/http/client.h"
#include "engine/store/s3/s3_store.h"

namespace s3dlio::s3 {

struct EndpointUrl {
  http::Endpoint server;
  std::string base_path;  // "" or "/a/b", as written
};
// kInvalidArgument names what was found, as redact_url() shows it, and what is expected.
Result<EndpointUrl> parse_endpoint_url(std::string_view url);

std::string aws_host(std::string_view region, bool dualstack, bool fips);
// The region an AWS S3 host name carries ("s3.eu-west-1.amazonaws.com", "b.s3-eu-west-1.amazonaws.com", ...); "" if
// none.
std::string region_of_aws_host(std::string_view host);
bool is_region_name(std::string_view text);  // letters, digits, "-" and "_": what may stand in a host and a signature
bool is_loopback(std::string_view host);

// kInvalidArgument, with the rule that is broken. `on_aws`: its stricter rules.
Result<Unit> check_bucket_name(std::string_view bucket, bool on_aws);

// Where requests go at one moment; immutable.
struct Place {
  std::string region;
  http::Endpoint service;                 // without the bucket, for list_buckets
  http::Endpoint bucket;                  // for everything else; the bucket's name is in the host in virtual style
  std::string service_host, bucket_host;  // as in the Host header
  std::string root_path;                  // of keys: base path and, in path style, the bucket; no slash at the end
  std::string service_path;               // of the service: base path and "/"
};

enum class Lesson : uint8_t { kLearnt, kNothing, kDowngrade, kForeign };

// The place, as corrected by redirects. Any thread.
class Location {
 public:
  static Result<std::shared_ptr<Location>> make(const S3Options& options);

  std::shared_ptr<const Place> current() const;
  bool is_aws() const { return inner_is_aws_; }

  // What an answer says about where to go; either may be "". Another host or port than the one in use is kForeign; S3's
  // hosts of one AWS partition are one service. kLearnt also when it was known already: another request's
  // answer may have been quicker.
  Lesson learn(std::string_view region, std::string_view endpoint_or_url);

 private:
  Location() = default;
  bool may_go(const http::Endpoint& now, const http::Endpoint& to) const;
  Lesson follow(const Place& now, std::string_view target, std::string& region, http::Endpoint& service) const;
  std::shared_ptr<const Place> place_at(std::string region, http::Endpoint service) const;

  std::string inner_bucket_;
  std::string inner_base_path_;
  http::Endpoint inner_configured_;
  bool inner_is_aws_ = false;  // the endpoint follows from the region
  bool inner_virtual_ = false;
  bool inner_dualstack_ = false;
  bool inner_fips_ = false;
  mutable std::mutex inner_mutex_;
  std::shared_ptr<const Place> inner_place_;
};

}  // namespace s3dlio::s3
