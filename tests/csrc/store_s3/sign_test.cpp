#include "dialect_fixture.h"
#include "engine/base/log.h"
#include "engine/sign/sigv4.h"

using namespace s3dlio;
using namespace s3dlio::s3;

namespace {

const auto kNow = std::chrono::system_clock::time_point(std::chrono::seconds(1369353600));  // 2013-05-24T00:00:00Z

std::string payload_hash(S3Options options, bool document) {
  const auto dialect = dialect_of(std::move(options));
  http::Request request = dialect->put("k", {}, {});
  const std::string body = "Welcome to Amazon S3.";
  if (document) {
    request.document = body;
  } else {
    request.payload = {std::as_bytes(std::span(body)).first(5), std::as_bytes(std::span(body)).subspan(5)};
  }
  dialect->sign(request, kKeys, kNow);
  return header(request, "x-amz-content-sha256");
}

constexpr auto kWelcome = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";

}  // namespace

TEST_CASE("the documentation's GET example comes out of the dialect") {
  S3Options options;
  options.bucket = "examplebucket";
  options.region = "us-east-1";
  const auto dialect = dialect_of(options);
  auto target = target_of("test.txt");
  target.range = *transfer::ByteRange::make(0, 10);
  http::Request request = dialect->get(target);
  dialect->sign(
      request, Credentials{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", std::nullopt}, kNow);
  CHECK(header(request, "Host") == "examplebucket.s3.us-east-1.amazonaws.com");
  CHECK(header(request, "x-amz-date") == "20130524T000000Z");
  CHECK(says(header(request, "Authorization"),
             "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
             "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="));
  // The published signature is for the older host name.
  request.headers.set("Host", "examplebucket.s3.amazonaws.com");
  const std::vector<sign::HeaderView> headers(request.headers.begin(), request.headers.end());
  const sign::SigningIdentity who{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1",
                                  "s3"};
  CHECK(says(
      sign::SigV4Signer().authorization({request.method, request.path, request.query, headers, sign::kEmptyPayloadHash},
                                        who, sign::Timestamp(kNow)),
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
}

TEST_CASE("payloads are signed over plain HTTP, not over TLS, unless told otherwise") {
  CHECK(payload_hash(path_options(), false) == kWelcome);
  CHECK(payload_hash(aws_options(), false) == "UNSIGNED-PAYLOAD");
  CHECK(payload_hash(aws_options(), true) == kWelcome);  // documents always
  auto options = aws_options();
  options.payload_signing = PayloadSigning::kAlways;
  CHECK(payload_hash(options, false) == kWelcome);
  options = path_options();
  options.payload_signing = PayloadSigning::kNever;
  CHECK(payload_hash(options, false) == "UNSIGNED-PAYLOAD");
  CHECK(payload_hash(options, true) == "UNSIGNED-PAYLOAD");
}

TEST_CASE("signing again replaces the first signature") {
  const auto dialect = dialect_of(aws_options());
  http::Request request = dialect->get(target_of("k"));
  dialect->sign(request, kKeys, kNow);
  const size_t count = request.headers.size();
  const std::string first = header(request, "Authorization");
  dialect->sign(request, kKeys, kNow + std::chrono::seconds(1));
  CHECK(request.headers.size() == count);
  CHECK(header(request, "Authorization") != first);
  dialect->sign(request, kKeys, kNow);
  CHECK(header(request, "Authorization") == first);
  CHECK(header(request, "x-amz-security-token") == "the-session-token-of-tests");
  CHECK(says(first, "x-amz-security-token"));
}

TEST_CASE("a token that is gone is not sent again") {
  const auto dialect = dialect_of(aws_options());
  http::Request request = dialect->get(target_of("k"));
  dialect->sign(request, kKeys, kNow);
  Credentials without = kKeys;
  without.session_token.clear();
  dialect->sign(request, without, kNow);
  CHECK(header(request, "x-amz-security-token") == "(none)");
}

TEST_CASE("after a redirect the same request is signed for the new region and host") {
  const auto dialect = dialect_of(aws_options());
  http::Request request = dialect->get(target_of("k"));
  dialect->sign(request, kKeys, kNow);
  CHECK(header(request, "Host") == "train.s3.eu-west-1.amazonaws.com");
  const auto judged = dialect->read_error(answer(301, {{"x-amz-bucket-region", "us-west-2"}}), "");
  CHECK(judged.verdict == transfer::Verdict::kRedirect);
  CHECK(dialect->endpoint().host == "train.s3.us-west-2.amazonaws.com");
  dialect->sign(request, kKeys, kNow);
  CHECK(header(request, "Host") == "train.s3.us-west-2.amazonaws.com");
  CHECK(says(header(request, "Authorization"), "/us-west-2/s3/"));
}

TEST_CASE("without credentials, or unsigned, nothing is signed") {
  auto options = aws_options();
  options.unsigned_access = true;
  for (const auto& dialect : {dialect_of(options), dialect_of(aws_options())}) {
    http::Request request = dialect->get(target_of("k"));
    dialect->sign(request, options.unsigned_access ? std::optional(kKeys) : std::nullopt, kNow);
    options.unsigned_access = false;
    CHECK(header(request, "Host") == "train.s3.eu-west-1.amazonaws.com");
    CHECK(header(request, "Authorization") == "(none)");
    CHECK(header(request, "x-amz-security-token") == "(none)");
  }
}

TEST_CASE("secrets that were used to sign show up in no text") {
  const auto dialect = dialect_of(aws_options());
  http::Request request = dialect->get(target_of("k"));
  dialect->sign(request, kKeys, kNow);
  CHECK_FALSE(says(redact("x the-secret-access-key-of-tests y"), "the-secret"));
  CHECK_FALSE(says(redact("x the-session-token-of-tests y"), "the-session"));
  const auto judged =
      dialect->read_error(answer(400), error_xml("Odd", "<Message>the-session-token-of-tests</Message>"));
  CHECK_FALSE(says(judged.error.message, "the-session-token"));
}
