#include "engine/sign/sigv4.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "engine/text/percent.h"

using namespace s3dlio::sign;

namespace {

std::chrono::system_clock::time_point at(int year, unsigned month, unsigned day, int h = 0, int m = 0, int s = 0) {
  using namespace std::chrono;
  return sys_days(std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day)) + hours(h) + minutes(m) +
         seconds(s);
}

std::string signature_of(const std::string& authorization) {
  return authorization.substr(authorization.rfind("Signature=") + 10);
}

// The examples of the S3 documentation, "Signature Calculations for the Authorization Header".
std::string s3_example(std::string_view method, std::string_view path, std::string_view query,
                       std::vector<HeaderView> headers, std::string_view hash = kEmptyPayloadHash) {
  const Timestamp time(at(2013, 5, 24));
  headers.emplace_back("host", "examplebucket.s3.amazonaws.com");
  headers.emplace_back("x-amz-content-sha256", hash);
  headers.emplace_back("x-amz-date", time.full());
  const SigningIdentity who{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3"};
  return signature_of(SigV4Signer().authorization({method, path, query, headers, hash}, who, time));
}

// The generic suite AWS publishes (get-vanilla and its neighbours).
std::string suite_example(std::string_view method, std::string_view path, std::string_view query,
                          std::vector<HeaderView> headers = {}) {
  const Timestamp time(at(2015, 8, 30, 12, 36));
  headers.emplace_back("Host", "example.amazonaws.com");
  headers.emplace_back("X-Amz-Date", time.full());
  const SigningIdentity who{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service"};
  return signature_of(SigV4Signer().authorization({method, path, query, headers, kEmptyPayloadHash}, who, time));
}

struct Vector {
  std::string_view method, path, query;
  std::vector<HeaderView> headers;
  std::string_view hash, region, key, secret, authorization;
};
const std::vector<Vector> kVectors{
#include "botocore_vectors.inc"
};

}  // namespace

TEST_CASE("the S3 documentation's examples get their published signatures") {
  CHECK(s3_example("GET", "/test.txt", "", {{"Range", "bytes=0-9"}}) ==
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  CHECK(s3_example("PUT", "/test%24file.text", "",
                   {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                   hex(sha256(bytes_of("Welcome to Amazon S3.")))) ==
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  CHECK(s3_example("GET", "/", "lifecycle", {}) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  CHECK(s3_example("GET", "/", "max-keys=2&prefix=J", {}) ==
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  CHECK(s3_example("GET", "/", "prefix=J&max-keys=2", {}) ==
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("the generic test suite gets its published signatures") {
  CHECK(suite_example("GET", "/", "") == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  CHECK(suite_example("POST", "/", "") == "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  CHECK(suite_example("GET", "/", "Param2=value2&Param1=value1") ==
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  CHECK(suite_example("GET", "/", "", {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}}) ==
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
  CHECK(suite_example("GET", "/", "", {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}}) ==
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea");
  CHECK(suite_example("GET", "/%E1%88%B4", "") == "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
}

TEST_CASE("botocore signs the same way") {
  const SigV4Signer signer;
  const Timestamp time(at(2024, 2, 29, 23, 59, 58));
  REQUIRE(kVectors.size() >= 40);
  for (const Vector& v : kVectors) {
    const SigningIdentity who{v.key, v.secret, v.region, "s3"};
    CHECK(signer.authorization({v.method, v.path, v.query, v.headers, v.hash}, who, time) == v.authorization);
  }
}

TEST_CASE("cached keys follow secret, day, region and service") {
  const SigV4Signer signer;
  const std::vector<HeaderView> headers{{"host", "h"}};
  const SignedParts parts{"GET", "/", "", headers, kUnsignedPayload};
  const auto fresh = [&](const SigningIdentity& who, const Timestamp& time) {
    return SigV4Signer().authorization(parts, who, time);
  };
  const std::vector<SigningIdentity> people{
      {"k", "one", "r1", "s3"}, {"k", "two", "r1", "s3"}, {"k", "one", "r2", "s3"}, {"k", "one", "r1", "other"}};
  const std::vector<Timestamp> times{Timestamp(at(2024, 12, 31, 23)), Timestamp(at(2025, 1, 1))};
  for (int round = 0; round < 3; ++round) {
    for (const auto& who : people) {
      for (const auto& time : times) CHECK(signer.authorization(parts, who, time) == fresh(who, time));
    }
  }
}

TEST_CASE("several threads may sign at once") {
  const SigV4Signer signer;
  const std::vector<HeaderView> headers{{"host", "h"}};
  const SignedParts parts{"GET", "/", "", headers, kUnsignedPayload};
  const Timestamp time(at(2024, 1, 1));
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string secret = "secret" + std::to_string(t % 3);
      const SigningIdentity who{"k", secret, "r", "s3"};
      const std::string expected = SigV4Signer().authorization(parts, who, time);
      for (int i = 0; i < 500; ++i) wrong[t] += signer.authorization(parts, who, time) != expected;
    });
  }
  for (auto& thread : threads) thread.join();
  for (const int count : wrong) CHECK(count == 0);
}

TEST_CASE("times are written in UTC, with every field padded") {
  CHECK(Timestamp(at(2024, 2, 29, 3, 4, 5)).full() == "20240229T030405Z");
  CHECK(Timestamp(at(1999, 12, 31, 23, 59, 59)).date() == "19991231");
}

TEST_CASE("headers that change on the way stay out of the signature") {
  CHECK_FALSE(is_signed_header("User-Agent"));
  CHECK_FALSE(is_signed_header("accept-encoding"));
  CHECK_FALSE(is_signed_header("Content-Length"));
  CHECK(is_signed_header("x-amz-date"));
  CHECK(is_signed_header("Range"));
}

TEST_CASE("more headers than the small array holds are all signed") {
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) names.push_back("x-amz-meta-" + std::to_string(i));
  std::vector<HeaderView> headers;
  for (const auto& name : names) headers.emplace_back(name, "v");
  std::string list;
  canonical_request({"GET", "/", "", headers, ""}, &list);
  CHECK(std::count(list.begin(), list.end(), ';') == 39);
}
