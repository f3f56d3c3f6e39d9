#include "engine/store/s3/endpoint.h"

#include <doctest/doctest.h>

using namespace s3dlio;
using namespace s3dlio::s3;

namespace {

S3Options options_for(std::string bucket, std::string region = "eu-west-1", std::string url = {}) {
  S3Options options;
  options.bucket = std::move(bucket);
  options.region = std::move(region);
  options.endpoint_url = std::move(url);
  return options;
}

std::shared_ptr<Location> location_of(const S3Options& options) {
  auto made = Location::make(options);
  if (!made.ok()) FAIL(made.error().message);
  return *made;
}

std::string refusal(const S3Options& options) {
  auto made = Location::make(options);
  if (made.ok()) return "accepted";
  CHECK((made.error().code == ErrorCode::kInvalidArgument || made.error().code == ErrorCode::kUnsupported));
  return made.error().message;
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("AWS hosts follow from the region") {
  CHECK(aws_host("us-east-1", false, false) == "s3.us-east-1.amazonaws.com");
  CHECK(aws_host("eu-west-1", true, false) == "s3.dualstack.eu-west-1.amazonaws.com");
  CHECK(aws_host("us-gov-west-1", false, true) == "s3-fips.us-gov-west-1.amazonaws.com");
  CHECK(aws_host("us-east-2", true, true) == "s3-fips.dualstack.us-east-2.amazonaws.com");
  CHECK(aws_host("cn-north-1", false, false) == "s3.cn-north-1.amazonaws.com.cn");
  for (const bool dualstack : {false, true}) {
    for (const bool fips : {false, true}) {
      for (const auto* region : {"us-east-1", "cn-north-1", "us-isob-east-1", "eusc-de-east-1"}) {
        CHECK(region_of_aws_host("b.c." + aws_host(region, dualstack, fips)) == region);
      }
    }
  }
  CHECK(region_of_aws_host("b.s3-eu-west-1.amazonaws.com") == "eu-west-1");
  CHECK(region_of_aws_host("s3.amazonaws.com") == "");
  CHECK(region_of_aws_host("s3.eu-west-1.example.com") == "");
  CHECK(region_of_aws_host("s3.eu-west-1.notamazonaws.com") == "");
}

TEST_CASE("virtual style on AWS, path style elsewhere and for dotted names") {
  auto place = location_of(options_for("train"))->current();
  CHECK(place->bucket_host == "train.s3.eu-west-1.amazonaws.com");
  CHECK(place->service_host == "s3.eu-west-1.amazonaws.com");
  CHECK(place->root_path == "");
  CHECK(place->bucket.tls);

  place = location_of(options_for("my.data"))->current();
  CHECK(place->bucket_host == "s3.eu-west-1.amazonaws.com");
  CHECK(place->root_path == "/my.data");

  place = location_of(options_for("train", "", "http://127.0.0.1:9000/base/"))->current();
  CHECK(place->bucket_host == "127.0.0.1:9000");
  CHECK(place->root_path == "/base/train");
  CHECK(place->service_path == "/base/");
  CHECK(place->region == "us-east-1");
  CHECK_FALSE(place->bucket.tls);

  auto options = options_for("train", "r", "https://s3.example.com");
  options.addressing = Addressing::kVirtual;
  CHECK(location_of(options)->current()->bucket_host == "train.s3.example.com");
  options = options_for("train");
  options.addressing = Addressing::kPath;
  CHECK(location_of(options)->current()->root_path == "/train");
  options = options_for("train", "", "https://s3.ap-south-1.amazonaws.com");
  CHECK(location_of(options)->current()->region == "ap-south-1");
}

TEST_CASE("endpoint URLs") {
  auto url = parse_endpoint_url("https://[::1]:8443");
  REQUIRE(url.ok());
  CHECK(url->server.host == "::1");
  CHECK(url->server.port == 8443);
  url = parse_endpoint_url("HTTP://Host.Example");
  REQUIRE(url.ok());
  CHECK(url->server.host == "host.example");
  CHECK(url->server.port == 80);
  for (const auto* bad : {"", "host:9000", "s3://bucket", "ftp://h", "http://", "http://h:0", "http://h:65536",
                          "http://h:x", "http://h:", "http://h/p?q", "http://h/p#f", "http://h/a b", "http://h\r\nX: y",
                          "http://[::1", "http://[x]", "http://[::1]x", "http://a..b", "http://h/\x01"}) {
    CAPTURE(bad);
    const auto parsed = parse_endpoint_url(bad);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == ErrorCode::kInvalidArgument);
    CHECK(says(parsed.error().message, "expected http://host"));
  }
  CHECK(says(parse_endpoint_url("s3://bucket").error().message, "s3://bucket has another scheme"));
  for (const auto* secret :
       {"https://user:hunter2@host", "user:hunter2@host", "x://user:hunter2@host", "https://user:hunter2",
        "user:hunter2", "https://h/?X-Amz-Security-Token=hunter2", "h?hunter2", "https://h#hunter2",
        "https://u:a/hunter2@host", "https://u:?hunter2@host", "https://[::1]:hunter2/x", "user:hunter2@x://host"}) {
    CAPTURE(secret);
    CHECK_FALSE(says(parse_endpoint_url(secret).error().message, "hunter2"));
  }
}

TEST_CASE("bucket names are checked before anything is sent") {
  for (const auto* good : {"abc", "a-b.c-1", "123"}) CHECK(check_bucket_name(good, true).ok());
  for (const auto* bad :
       {"ab", "Abc", "a_b", "a/b", "a b", "-ab", "ab-", "a..b", ".ab", "a\nb", "arn:aws:s3:x", "x--x-s3"}) {
    CAPTURE(bad);
    CHECK_FALSE(check_bucket_name(bad, true).ok());
  }
  CHECK_FALSE(check_bucket_name(std::string(64, 'a'), true).ok());
  for (const auto* good : {"My_Bucket", "ab", "x"}) CHECK(check_bucket_name(good, false).ok());
  for (const auto* bad : {"a/b", "..", ".", "a?b", "a%2f"}) CHECK_FALSE(check_bucket_name(bad, false).ok());
}

TEST_CASE("options that do not fit together are refused") {
  CHECK(says(refusal(options_for("train", "eu west")), "region"));
  CHECK(says(refusal(options_for("train", "evil.com/")), "region"));
  auto options = options_for("train", "", "http://127.0.0.1:1");
  options.addressing = Addressing::kVirtual;
  CHECK(says(refusal(options), "host name"));
  options = options_for("My_Bucket", "", "http://h.example");
  options.addressing = Addressing::kVirtual;
  CHECK(says(refusal(options), "My_Bucket"));
  options = options_for("train", "", "http://h.example");
  options.fips = true;
  CHECK(says(refusal(options), "fips"));
  CHECK(location_of(options_for(""))->current()->service_path == "/");
}

TEST_CASE("a redirect teaches AWS's region, and nothing but a region") {
  const auto location = location_of(options_for("train", "us-east-1"));
  CHECK(location->learn("eu-central-1", "train.s3.eu-central-1.amazonaws.com") == Lesson::kLearnt);
  CHECK(location->current()->bucket_host == "train.s3.eu-central-1.amazonaws.com");
  CHECK(location->learn("", "train.s3-us-west-2.amazonaws.com") == Lesson::kLearnt);
  CHECK(location->current()->region == "us-west-2");
  CHECK(location->current()->bucket_host == "train.s3.us-west-2.amazonaws.com");
  CHECK(location->learn("", "https://train.s3.us-west-2.amazonaws.com/key") == Lesson::kLearnt);  // known already
  CHECK(location->learn("", "https://evil.example/") == Lesson::kForeign);
  CHECK(location->learn("", "https://s3.eu-west-1.amazonaws.com.evil.example/") == Lesson::kForeign);
  CHECK(location->learn("eu-west-1", "https://evil.example/") == Lesson::kForeign);
  CHECK(location->learn("", "http://train.s3.us-west-2.amazonaws.com/key") == Lesson::kDowngrade);
  CHECK(location->learn("x.evil.example/", "") == Lesson::kNothing);
  CHECK(location->learn("", "") == Lesson::kNothing);
  CHECK(location->current()->bucket_host == "train.s3.us-west-2.amazonaws.com");
}

TEST_CASE("a redirect never leads from one partition of AWS to another") {
  const auto location = location_of(options_for("train", "us-east-1"));
  CHECK(location->learn("cn-north-1", "") == Lesson::kForeign);
  CHECK(location->learn("", "train.s3.cn-north-1.amazonaws.com.cn") == Lesson::kForeign);
  CHECK(location->learn("", "ec2-1-2-3-4.us-west-2.compute.amazonaws.com") == Lesson::kForeign);
  CHECK(location->learn("", "evil.execute-api.s3.us-west-2.amazonaws.com") == Lesson::kForeign);
  CHECK(location->current()->bucket_host == "train.s3.us-east-1.amazonaws.com");
}

TEST_CASE("elsewhere a redirect stays on host and port and never leaves TLS") {
  auto location = location_of(options_for("train", "r1", "https://s3.one.example.com:8443"));
  CHECK(location->learn("r2", "") == Lesson::kLearnt);
  CHECK(location->current()->region == "r2");
  CHECK(location->current()->bucket_host == "s3.one.example.com:8443");
  for (const auto* same : {"https://s3.one.example.com:8443/train/key?x", "https://train.s3.one.example.com:8443/key",
                           "S3.one.example.com:8443", "s3.one.example.com", "train.s3.one.example.com"}) {
    CAPTURE(same);
    CHECK(location->learn("", same) == Lesson::kLearnt);
  }
  for (const auto* other :
       {"https://s3.two.example.com:8443/train/key", "https://s3.one.example.com/", "https://s3.one.example.com:9443/",
        "s3.one.example.com:9443", "https://x.s3.one.example.com:8443/", "https://example.org/",
        "https://user:pw@s3.one.example.com:8443/", "ftp://s3.one.example.com:8443/"}) {
    CAPTURE(other);
    CHECK(location->learn("", other) == Lesson::kForeign);
  }
  CHECK(location->learn("", "http://s3.one.example.com:8443/") == Lesson::kDowngrade);
  CHECK(location->current()->bucket_host == "s3.one.example.com:8443");
  CHECK(location->current()->root_path == "/train");

  location = location_of(options_for("train", "r1", "http://127.0.0.1:9000"));
  CHECK(location->learn("", "http://127.0.0.1:9001/train/key") == Lesson::kForeign);
  CHECK(location->learn("", "127.0.0.1:9001") == Lesson::kForeign);
  CHECK(location->learn("", "https://127.0.0.1:9443/") == Lesson::kForeign);
  CHECK(location->learn("", "http://127.0.0.2:9000/train/key") == Lesson::kForeign);
  CHECK(location->learn("", "127.0.0.1:9000") == Lesson::kLearnt);
  CHECK(location->learn("", "https://127.0.0.1:9000/") == Lesson::kLearnt);  // the same server, from now on with TLS
  CHECK(location->learn("", "http://127.0.0.1:9000/") == Lesson::kDowngrade);

  location = location_of(options_for("train", "r1", "http://[::1]:9000"));
  CHECK(location->learn("", "[::1]") == Lesson::kLearnt);
  CHECK(location->learn("", "[::1]:9001") == Lesson::kForeign);
}

TEST_CASE("from the port of HTTP to that of HTTPS is the one way to another port") {
  const auto location = location_of(options_for("train", "r1", "http://s3.example.com"));
  CHECK(location->learn("", "https://s3.example.com/train/key") == Lesson::kLearnt);
  CHECK(location->current()->bucket.tls);
  CHECK(location->current()->bucket.port == 443);
}

TEST_CASE("neighbours below a shared suffix are strangers") {
  for (const auto& [mine, theirs] : {std::pair{"mine.duckdns.org", "yours.duckdns.org"},
                                     std::pair{"minio.a.svc.cluster.local", "minio.b.svc.cluster.local"},
                                     std::pair{"shop.co.uk", "evil.co.uk"}, std::pair{"localhost", "localhost.evil"}}) {
    const auto location = location_of(options_for("train", "r1", std::string("https://") + mine));
    CAPTURE(theirs);
    CHECK(location->learn("", std::string("https://") + theirs + "/train/key") == Lesson::kForeign);
    CHECK(location->current()->bucket_host == mine);
  }
}

TEST_CASE("an endpoint_url of AWS may be sent to AWS's other hosts of S3, and to none of its customers'") {
  const auto location = location_of(options_for("train", "", "https://s3.us-east-1.amazonaws.com"));
  CHECK(location->learn("", "https://ec2-1-2-3-4.us-west-2.compute.amazonaws.com/") == Lesson::kForeign);
  CHECK(location->learn("", "https://other.s3.us-west-2.amazonaws.com/") == Lesson::kForeign);
  CHECK(location->learn("", "https://s3.us-west-2.amazonaws.com:8443/") == Lesson::kForeign);
  CHECK(location->learn("", "https://s3.cn-north-1.amazonaws.com.cn/") == Lesson::kForeign);
  CHECK(location->learn("", "https://train.s3.eu-west-1.amazonaws.com/key") == Lesson::kLearnt);
  CHECK(location->current()->bucket_host == "s3.eu-west-1.amazonaws.com");
  CHECK(location->current()->region == "eu-west-1");
}

TEST_CASE("loopback") {
  CHECK(is_loopback("localhost"));
  CHECK(is_loopback("127.8.0.1"));
  CHECK(is_loopback("::1"));
  CHECK_FALSE(is_loopback("127.example.com"));
  CHECK_FALSE(is_loopback("128.0.0.1"));
}
