#include <algorithm>
#include <string>

#include "dialect_fixture.h"
#include "engine/base/log.h"
#include "engine/text/utf8.h"

using namespace s3dlio;
using namespace s3dlio::s3;
using transfer::Verdict;

namespace {

std::string list_xml(std::initializer_list<std::string> keys, const std::string& next_token = "",
                     std::initializer_list<std::string> prefixes = {}) {
  std::string out = "<ListBucketResult>";
  for (const auto& key : keys) out += "<Contents><Key>" + key + "</Key><Size>1</Size></Contents>";
  for (const auto& prefix : prefixes) out += "<CommonPrefixes><Prefix>" + prefix + "</Prefix></CommonPrefixes>";
  if (!next_token.empty())
    out += "<IsTruncated>true</IsTruncated><NextContinuationToken>" + next_token + "</NextContinuationToken>";
  return out + "</ListBucketResult>";
}

struct Judged {
  int status;
  std::string_view code;
  ErrorCode error;
  Verdict verdict;
};

}  // namespace

TEST_CASE("a service that takes only equal parts is known, and its refusal names the rule") {
  S3Options options = path_options();
  CHECK_FALSE(dialect_of(options)->limits().equal_parts);
  options.endpoint_url = "https://account.r2.cloudflarestorage.com";
  const auto dialect = dialect_of(options);
  CHECK(dialect->limits().equal_parts);
  const auto refused = dialect->read_error(answer(400),
                                           "<Error><Code>InvalidPart</Code><Message>All non-trailing parts "
                                           "must have the same length.</Message></Error>");
  CHECK(says(refused.error.message, "equal_parts"));
  CHECK_FALSE(says(dialect->read_error(answer(400), error_xml("InvalidPart")).error.message, "equal_parts"));
}

TEST_CASE("service codes become errors and verdicts") {
  const auto dialect = dialect_of(aws_options());
  using enum ErrorCode;
  for (const Judged& expected : {
           Judged{503, "SlowDown", kThrottled, Verdict::kThrottled},
           Judged{503, "ServiceUnavailable", kThrottled, Verdict::kThrottled},
           Judged{429, "TooManyRequests", kThrottled, Verdict::kThrottled},
           Judged{500, "InternalError", kServer, Verdict::kRetry},
           Judged{400, "RequestTimeout", kTimeout, Verdict::kRetry},
           Judged{400, "BadDigest", kChecksumMismatch, Verdict::kRetry},
           Judged{400, "ExpiredToken", kCredentials, Verdict::kRefreshCredentials},
           Judged{403, "RequestTimeTooSkewed", kCredentials, Verdict::kFixClock},
           Judged{403, "SignatureDoesNotMatch", kCredentials, Verdict::kFinal},
           Judged{403, "InvalidAccessKeyId", kCredentials, Verdict::kFinal},
           Judged{403, "AccessDenied", kAccessDenied, Verdict::kFinal},
           Judged{404, "NoSuchKey", kNotFound, Verdict::kFinal},
           Judged{404, "NoSuchBucket", kBucketNotFound, Verdict::kFinal},
           Judged{404, "NoSuchUpload", kNotFound, Verdict::kFinal},
           Judged{412, "PreconditionFailed", kPreconditionFailed, Verdict::kFinal},
           Judged{409, "ConditionalRequestConflict", kPreconditionFailed, Verdict::kRetry},
           Judged{416, "InvalidRange", kRangeNotSatisfiable, Verdict::kFinal},
           Judged{409, "BucketAlreadyOwnedByYou", kAlreadyExists, Verdict::kFinal},
           Judged{403, "InvalidObjectState", kUnsupported, Verdict::kFinal},
           Judged{501, "NotImplemented", kUnsupported, Verdict::kFinal},
           Judged{400, "NeverHeardOf", kInvalidArgument, Verdict::kFinal},
           Judged{503, "NeverHeardOf", kThrottled, Verdict::kThrottled},
           Judged{502, "", kServer, Verdict::kRetry},
           Judged{504, "", kServer, Verdict::kRetry},
           Judged{599, "", kServer, Verdict::kRetry},
           Judged{404, "", kNotFound, Verdict::kFinal},
           Judged{403, "", kAccessDenied, Verdict::kFinal},
           Judged{416, "", kRangeNotSatisfiable, Verdict::kFinal},
       }) {
    CAPTURE(expected.code);
    CAPTURE(expected.status);
    const std::string body = expected.code.empty() ? "<html>a proxy</html>" : error_xml(expected.code);
    const auto judged = dialect->read_error(answer(expected.status), body);
    CHECK(judged.error.code == expected.error);
    CHECK(judged.verdict == expected.verdict);
    CHECK(judged.error.http_status == expected.status);
    CHECK(judged.error.service_code == expected.code);
    CHECK(says(judged.error.message, std::to_string(expected.status)));
    if (!expected.code.empty()) CHECK(judged.error.request_id == "R-1");
  }
}

TEST_CASE("messages name the likely cause") {
  const auto dialect = dialect_of(aws_options());
  CHECK(says(dialect->read_error(answer(403), error_xml("SignatureDoesNotMatch")).error.message, "secret access key"));
  CHECK(says(dialect->read_error(answer(404), error_xml("NoSuchBucket")).error.message, "region"));
  CHECK(dialect->read_error(answer(412), error_xml("PreconditionFailed", "<Condition>If-None-Match</Condition>"))
            .error.code == ErrorCode::kAlreadyExists);
  auto open = aws_options();
  open.unsigned_access = true;
  CHECK(says(dialect_of(open)->read_error(answer(403), error_xml("AccessDenied")).error.message, "unsigned_access"));
  CHECK(dialect->read_error(answer(500, {{"x-amz-request-id", "H-1"}}), "").error.request_id == "H-1");
  const auto noisy = dialect->read_error(
      answer(400), error_xml("Odd", std::string("<Message>").append(5000, 'x') + "\n\x01</Message>"));
  CHECK(noisy.error.message.size() < 600);
}

TEST_CASE("L8: a refusal names the option that leaves out what is refused") {
  const auto dialect = dialect_of(path_options());
  const auto message = [&](int status, std::string_view code, std::string_view words, std::string_view more = "") {
    return dialect
        ->read_error(answer(status), "<Error><Code>" + std::string(code) + "</Code><Message>" + std::string(words) +
                                         "</Message>" + std::string(more) + "</Error>")
        .error.message;
  };
  const std::string implies = "A header you provided implies functionality that is not implemented";
  CHECK(says(message(501, "NotImplemented", implies, "<Header>If-None-Match</Header>"), "conditional_commit=False"));
  CHECK_FALSE(says(message(501, "NotImplemented", implies, "<Header>If-None-Match</Header>"), "upload_checksum"));
  CHECK(says(message(501, "NotImplemented", implies, "<Header>x-amz-checksum-crc64nvme</Header>"),
             "upload_checksum=\"none\""));
  CHECK_FALSE(
      says(message(501, "NotImplemented", implies, "<Header>x-amz-checksum-crc64nvme</Header>"), "conditional_commit"));
  CHECK(says(message(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-mode' received"), "verify=\"never\""));
  CHECK(
      says(message(400, "InvalidRequest", "Value for x-amz-checksum-crc64nvme header is invalid."), "upload_checksum"));
  const std::string unsaid = message(501, "NotImplemented", implies);
  CHECK(says(unsaid, "upload_checksum=\"none\""));
  CHECK(says(unsaid, "conditional_commit=False"));
  CHECK_FALSE(says(message(403, "AccessDenied", "checksum"), "upload_checksum"));
}

TEST_CASE("a body that is not there leaves the headers to judge by") {
  const auto dialect = dialect_of(aws_options());
  const auto bare = dialect->read_error(answer(400), "");
  CHECK(bare.verdict == Verdict::kRefreshCredentials);  // HEAD with an expired token
  CHECK(bare.error.code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(says(bare.error.message, "token"));  // nothing says that it was one
  const auto elsewhere = dialect->read_error(answer(400, {{"x-amz-bucket-region", "us-west-2"}}), "");
  CHECK(elsewhere.verdict == Verdict::kRedirect);
  CHECK(dialect->read_error(answer(400, {{"x-amz-bucket-region", "us-west-2"}}), "").verdict ==
        Verdict::kRefreshCredentials);
  CHECK(dialect->read_error(answer(403, {{"x-amz-bucket-region", "eu-west-1"}}), "").verdict == Verdict::kFinal);

  http::Request request = dialect->head("k", "", false);
  dialect->sign(request, kKeys, std::chrono::system_clock::time_point(std::chrono::seconds(1369353600)));
  CHECK(dialect->read_error(answer(403, {{"Date", "Fri, 24 May 2013 00:14:00 GMT"}}), "").verdict == Verdict::kFinal);
  CHECK(dialect->read_error(answer(403, {{"Date", "Fri, 24 May 2013 00:20:00 GMT"}}), "").verdict ==
        Verdict::kFixClock);
  CHECK(dialect->read_error(answer(403, {{"Date", "Thu, 23 May 2013 23:40:00 GMT"}}), "").verdict ==
        Verdict::kFixClock);
}

TEST_CASE("redirects are followed once learnt, and refused where they must be") {
  auto dialect = dialect_of(aws_options());
  auto judged =
      dialect->read_error(answer(400), error_xml("AuthorizationHeaderMalformed", "<Region>ap-south-1</Region>"));
  CHECK(judged.verdict == Verdict::kRedirect);
  CHECK(dialect->endpoint().host == "train.s3.ap-south-1.amazonaws.com");
  judged = dialect->read_error(answer(307, {{"Location", "https://train.s3-us-west-1.amazonaws.com/k"}}),
                               error_xml("TemporaryRedirect"));
  CHECK(judged.verdict == Verdict::kRedirect);
  CHECK(dialect->endpoint().host == "train.s3.us-west-1.amazonaws.com");

  for (const auto* foreign : {"https://evil.example/k", "http://train.s3.us-west-1.amazonaws.com/k", "gopher://x",
                              "//evil.example/", "/login"}) {
    CAPTURE(foreign);
    judged = dialect->read_error(answer(302, {{"Location", foreign}}), "");
    CHECK(judged.verdict == Verdict::kFinal);
    CHECK(judged.error.code == ErrorCode::kRedirect);
    CHECK(dialect->endpoint().host == "train.s3.us-west-1.amazonaws.com");
    CHECK(dialect->endpoint().tls);
  }
  CHECK(says(
      dialect->read_error(answer(302, {{"Location", "http://train.s3.us-west-1.amazonaws.com/"}}), "").error.message,
      "https to http"));
  CHECK(says(dialect->read_error(answer(301), "").error.message, "region="));
  // A redirect's message must not leak what a URL carries.
  CHECK_FALSE(says(
      dialect->read_error(answer(302, {{"Location", "https://u:hunter2@evil.example/?X-Amz-Signature=abcdef0123"}}), "")
          .error.message,
      "hunter2"));
  CHECK(dialect->read_error(answer(304), "").error.code == ErrorCode::kPreconditionFailed);
}

TEST_CASE("a 200 may carry an error") {
  const auto dialect = dialect_of(aws_options());
  const auto body = error_xml("InternalError");
  CHECK(dialect->read_complete(answer(200), body).error().code == ErrorCode::kServer);
  CHECK(dialect->read_copy(answer(200), body).error().code == ErrorCode::kServer);
  CHECK(dialect->read_error_body(body).verdict == Verdict::kRetry);
  CHECK(dialect->read_error_body(error_xml("SlowDown")).verdict == Verdict::kThrottled);
  CHECK(dialect->read_error_body(error_xml("AccessDenied")).verdict == Verdict::kFinal);
  CHECK(dialect->read_error_body(error_xml("SomethingNew")).verdict == Verdict::kRetry);
  for (const auto* broken : {"", "\n\n", "<CompleteMultipartUploadResult><ETag>x"}) {
    CHECK(dialect->read_complete(answer(200), broken).error().code == ErrorCode::kProtocol);
    CHECK(dialect->read_error_body(broken).verdict == Verdict::kRetry);
  }
  const auto done =
      dialect->read_complete(answer(200, {{"x-amz-version-id", "v"}}),
                             "<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag></CompleteMultipartUploadResult>");
  REQUIRE(done.ok());
  CHECK(done.value().etag == "\"e-2\"");
  CHECK(done.value().version_id == "v");
  CHECK(dialect->read_copy(answer(200), "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>").value().etag == "e");
  CHECK_FALSE(dialect->read_copy(answer(200), "<CopyObjectResult/>").ok());
}

TEST_CASE("a part without an ETag is an error") {
  const auto dialect = dialect_of(aws_options());
  CHECK(dialect->read_part(answer(200), "").error().code == ErrorCode::kProtocol);
  const auto part = dialect->read_part(answer(200, {{"ETag", "\"e\""}, {"x-amz-checksum-crc32", "y/Q5Jg=="}}), "");
  REQUIRE(part.ok());
  CHECK(part.value().etag == "\"e\"");
  CHECK(part.value().checksum.value == 0xCBF43926u);
  CHECK(dialect->read_part(answer(200), "<CopyPartResult><ETag>c</ETag></CopyPartResult>").value().etag == "c");
  CHECK(dialect->read_part(answer(200), error_xml("InternalError")).error().code == ErrorCode::kServer);
  CHECK_FALSE(dialect->read_part(answer(200), "<CopyPartResult/>").ok());
}

TEST_CASE("metadata comes out of the headers") {
  const auto dialect = dialect_of(aws_options());
  auto head = answer(206, {{"ETag", "unquoted"},
                           {"content-range", "bytes 0-9/12345"},
                           {"Last-Modified", "Fri, 24 May 2013 00:00:00 GMT"},
                           {"Content-Type", "a/b"},
                           {"x-amz-version-id", "v"},
                           {"x-amz-meta-name", "caf\xE9"},
                           {"x-amz-meta-other", "caf\xC3\xA9"},
                           {"X-Amz-Meta-Note", "n"},
                           {"x-amz-storage-class", "GLACIER"},
                           {"x-amz-server-side-encryption", "AES256"},
                           {"x-amz-checksum-crc32", "y/Q5Jg==-3"}});
  head.content_length = 10;
  const auto meta = dialect->read_meta("k", head, dialect->read_size(head).value());
  CHECK(meta.key == "k");
  CHECK(meta.size == 12345);
  CHECK(meta.etag == "unquoted");
  CHECK(meta.last_modified == 1369353600.0);
  CHECK(meta.content_type == "a/b");
  CHECK(meta.user_metadata.at("note") == "n");
  CHECK(meta.storage_class == "GLACIER");
  CHECK(meta.server_side_encryption == "AES256");
  CHECK(meta.checksum == "y/Q5Jg==-3");
  CHECK(meta.user_metadata.at("name") == "caf\u00e9");   // Latin-1
  CHECK(meta.user_metadata.at("other") == "caf\u00e9");  // UTF-8
  CHECK(text::is_utf8(meta.content_type));

  head = answer(200);
  CHECK_FALSE(dialect->read_size(head));  // unknown is not 0
  head.content_length = 77;
  CHECK(dialect->read_size(head) == 77);
  head = answer(206, {{"Content-Range", "bytes 0-0/*"}});
  head.content_length = 1;
  CHECK_FALSE(dialect->read_size(head));  // 1 is the range's length
}

TEST_CASE("G43: a checksum that cannot be read is told, once; one of another form is not") {
  const auto dialect = dialect_of(aws_options());
  std::string told;
  set_log_sink([&](LogLevel, std::string_view message) { told += std::string(message) + "\n"; }, LogLevel::kWarning);
  CHECK(dialect->read_checksum(answer(200, {{"x-amz-checksum-crc32", "y/Q5Jg==-2"}})).kind == ChecksumKind::kNone);
  CHECK(told.empty());
  for (int i = 0; i < 2; ++i) {
    CHECK(dialect->read_checksum(answer(200, {{"x-amz-checksum-crc32c", "gar bage"}})).kind == ChecksumKind::kNone);
  }
  CHECK(says(told, "x-amz-checksum-crc32c: 'gar bage'"));
  CHECK(std::count(told.begin(), told.end(), '\n') == 1);
  // Another that can be read serves.
  CHECK(dialect->read_checksum(answer(200, {{"x-amz-checksum-crc64nvme", "?"}, {"x-amz-checksum-crc32c", "4waSgw=="}}))
            .kind == ChecksumKind::kCrc32c);
  set_log_sink({}, LogLevel::kDebug);
}

TEST_CASE("only a checksum of the whole object is one to verify against") {
  const auto dialect = dialect_of(aws_options());
  const std::pair<std::string, std::string> crc{"x-amz-checksum-crc64nvme", "rosUhgp5mIg="};
  CHECK(dialect->read_checksum(answer(200, {crc})).value == 0xAE8B14860A799888ull);
  CHECK(dialect->read_checksum(answer(200, {crc})).kind == ChecksumKind::kCrc64Nvme);
  CHECK(
      dialect
          ->read_checksum(answer(200, {{"x-amz-checksum-crc32c", "4waSgw=="}, {"x-amz-checksum-type", "FULL_OBJECT"}}))
          .value == 0xE3069283u);
  CHECK(dialect->read_checksum(answer(200, {crc, {"x-amz-checksum-type", "COMPOSITE"}})).kind == ChecksumKind::kNone);
  CHECK(dialect->read_checksum(answer(200, {{"x-amz-checksum-crc32", "y/Q5Jg==-2"}})).kind == ChecksumKind::kNone);
  CHECK(dialect->read_checksum(answer(200, {{"x-amz-checksum-crc32", "garbage"}})).kind == ChecksumKind::kNone);
  CHECK(dialect->read_checksum(answer(200)).kind == ChecksumKind::kNone);
  CHECK(dialect->read_checksum(answer(206, {crc, {"Content-Range", "bytes 0-9/10"}})).kind == ChecksumKind::kCrc64Nvme);
  CHECK(dialect->read_checksum(answer(206, {crc, {"Content-Range", "bytes 0-9/20"}})).kind == ChecksumKind::kNone);
  CHECK(dialect->read_checksum(answer(206, {crc, {"Content-Range", "bytes 10-19/20"}})).kind == ChecksumKind::kNone);
  CHECK(dialect->read_checksum(answer(206, {crc, {"Content-Range", "bytes 0-9/*"}})).kind == ChecksumKind::kNone);
  CHECK(dialect->read_checksum(answer(206, {crc})).kind == ChecksumKind::kNone);
  // An object stored in parts, by a service that does not say what kind of checksum it keeps.
  CHECK(dialect->read_checksum(answer(200, {crc, {"ETag", "\"0f03-12\""}})).kind == ChecksumKind::kNone);
  CHECK(dialect->read_checksum(answer(200, {crc, {"ETag", "0f03-12"}})).kind == ChecksumKind::kNone);
  CHECK(dialect->read_checksum(answer(200, {crc, {"ETag", "\"0f03-x\""}})).kind == ChecksumKind::kCrc64Nvme);
  CHECK(dialect->read_checksum(answer(200, {crc, {"ETag", "\"0f03-12\""}, {"x-amz-checksum-type", "FULL_OBJECT"}}))
            .kind == ChecksumKind::kCrc64Nvme);
}

TEST_CASE("pages of a listing follow each other") {
  const auto dialect = dialect_of(path_options());
  ListRequest request;
  request.prefix = "a/";
  request.delimiter = "/";
  request.start_after = "a/1";
  CHECK(dialect->list(request).query ==
        "list-type=2&encoding-type=url&max-keys=1000&prefix=a%2F&delimiter=%2F&start-after=a%2F1");
  auto page = dialect->read_list(request, list_xml({"a/1", "a/2", "a/4"}, "t &amp; u", {"a/3/"}));
  REQUIRE(page.ok());
  REQUIRE(page.value().objects.size() == 2);  // what is not greater than start_after is dropped
  CHECK(page.value().objects[0].key == "a/2");
  request.continuation_token = page.value().continuation_token;
  CHECK(dialect->list(request).query ==
        "list-type=2&encoding-type=url&max-keys=1000&prefix=a%2F&delimiter=%2F&continuation-token=t%20%26%20u");
  page = dialect->read_list(request, list_xml({"a/5"}));
  REQUIRE(page.ok());
  CHECK(page.value().continuation_token.empty());
  request.continuation_token = "a service's own";
  CHECK(says(dialect->list(request).query, "continuation-token=a%20service%27s%20own"));
}

TEST_CASE("a listing that would never end, or names keys twice, is an error") {
  const auto dialect = dialect_of(path_options());
  ListRequest request;
  auto page = dialect->read_list(request, list_xml({"a"}, "t1"));
  REQUIRE(page.ok());
  request.continuation_token = page.value().continuation_token;
  CHECK_FALSE(dialect->read_list(request, list_xml({"b"}, "t1")).ok());  // the same token
  CHECK_FALSE(dialect->read_list(request, list_xml({"a"}, "t2")).ok());  // the same page
  CHECK(dialect->read_list(request, list_xml({"b"}, "t2")).ok());
  CHECK_FALSE(dialect->read_list(request, list_xml({"b", "b"})).ok());
  CHECK_FALSE(dialect->read_list(request, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>").ok());
  request.continuation_token = "raw";  // a service's own, from elsewhere
  CHECK_FALSE(dialect->read_list(request, list_xml({"b"}, "raw")).ok());
  request.prefix = "x/";
  CHECK_FALSE(dialect->read_list(request, list_xml({"y/1"})).ok());  // not what was asked for
}

TEST_CASE("a cycle of tokens of any length is found") {
  const auto dialect = dialect_of(path_options());
  for (const int before : {0, 1, 5}) {
    for (const int cycle : {1, 2, 3, 7, 100}) {
      ListRequest request;
      bool found = false;
      for (int i = 0; i < 1000 && !found; ++i) {
        const int token = i < before ? i : before + (i - before) % cycle;
        const auto page = dialect->read_list(request, list_xml({}, numbered("t", token)));
        found = !page.ok();
        if (page.ok()) request.continuation_token = page.value().continuation_token;
      }
      CAPTURE(before);
      CAPTURE(cycle);
      CHECK(found);
    }
  }
  ListRequest request;  // a long listing without one is none
  for (int i = 0; i < 3000; ++i) {
    const auto page = dialect->read_list(request, list_xml({std::to_string(100000 + i)}, numbered("t", i)));
    REQUIRE(page.ok());
    request.continuation_token = page.value().continuation_token;
  }
}

namespace {

// What a listing of these pages gives: the names as they come, or the error's message.
std::string listed(const std::shared_ptr<transfer::Dialect>& dialect,
                   std::initializer_list<std::initializer_list<std::string>> pages) {
  ListRequest request;
  std::string names;
  int left = static_cast<int>(pages.size());
  for (const auto& keys : pages) {
    const auto page = dialect->read_list(request, list_xml(keys, --left == 0 ? "" : numbered("t", left)));
    if (!page.ok()) return page.error().message;
    for (const auto& object : page.value().objects) names += object.key + " ";
    request.continuation_token = page.value().continuation_token;
  }
  return names;
}

}  // namespace

TEST_CASE("AWS's order is relied upon, that of others is mended within a page") {
  const auto other = dialect_of(path_options());
  CHECK(listed(other, {{"b", "a", "c"}, {"d"}}) == "a b c d ");
  CHECK(says(listed(other, {{"b", "a", "c"}, {"bb"}}), "a page goes back to bb"));
  const auto aws = dialect_of(aws_options());
  CHECK(listed(aws, {{"a", "b"}, {"d"}}) == "a b d ");
  CHECK(says(listed(aws, {{"a", "b"}, {"aa"}}), "a page goes back to aa"));
  CHECK(says(listed(aws, {{"a/x"}, {"a-b"}}), "a page goes back to a-b"));
}

TEST_CASE("pages that overlap, descend or come again are an error; the orders of known services are none") {
  const auto dialect = dialect_of(path_options());
  CHECK(says(listed(dialect, {{"a", "b", "c"}, {"c", "d"}}), "goes back to c"));
  CHECK(says(listed(dialect, {{"a", "b", "c"}, {"b", "d"}}), "goes back to b"));
  CHECK(says(listed(dialect, {{"d", "e"}, {"b", "c"}}), "goes back to b"));
  CHECK(says(listed(dialect, {{"a", "b"}, {"c", "d"}, {"a", "b"}}), "goes back to a"));
  CHECK(says(listed(dialect, {{"a", "c"}, {}, {"b"}}), "goes back to b"));
  // Gateways over folders: what is in a folder comes before the folder's neighbours.
  CHECK(listed(dialect, {{"a/x", "a/y"}, {"a-b", "a.txt"}, {"a0"}}) == "a/x a/y a-b a.txt a0 ");
  CHECK(says(listed(dialect, {{"a/x"}, {"a-b"}, {"a/y"}}), "goes back to a/y"));
  CHECK(listed(dialect, {{"a-b"}, {"a/x"}, {"a0"}}) == "a-b a/x a0 ");
  // UTF-16: U+1F600 comes before U+FF01. Not in the same listing as the folders' order.
  CHECK(listed(dialect, {{"\xF0\x9F\x98\x80"}, {"\xEF\xBC\x81"}}) == "\xF0\x9F\x98\x80 \xEF\xBC\x81 ");
  CHECK(says(listed(dialect, {{"\xF0\x9F\x98\x80"}, {"\xEF\xBC\x81", "z/x"}, {"z-b"}}), "goes back to"));
}

TEST_CASE("common prefixes follow each other like keys, and one that goes on in the next page is one") {
  const auto dialect = dialect_of(path_options());
  ListRequest request;
  request.delimiter = "/";
  auto page = dialect->read_list(request, list_xml({"k"}, "t1", {"b/", "c/"}));
  REQUIRE(page.ok());
  request.continuation_token = page.value().continuation_token;
  CHECK_FALSE(dialect->read_list(request, list_xml({}, "", {"b/", "d/"})).ok());
  CHECK_FALSE(dialect->read_list(request, list_xml({}, "", {"a/"})).ok());
  CHECK_FALSE(dialect->read_list(request, list_xml({"j"}, "", {"d/"})).ok());
  page = dialect->read_list(request, list_xml({"l"}, "", {"c/", "d/"}));
  REQUIRE(page.ok());
  CHECK(page.value().common_prefixes == std::vector<std::string>{"d/"});
}

TEST_CASE("empty pages are passed over, but not for ever") {
  const auto dialect = dialect_of(path_options());
  ListRequest request;
  const auto pass = [&](int count, const char* prefix) {
    for (int i = 0; i < count; ++i) {
      const auto page = dialect->read_list(request, list_xml({}, numbered(prefix, i)));
      if (!page.ok()) return page.error().message;
      request.continuation_token = page.value().continuation_token;
    }
    return std::string();
  };
  CHECK(pass(9000, "a").empty());
  const auto page = dialect->read_list(request, list_xml({"k"}, "t"));  // after which they are counted anew
  REQUIRE(page.ok());
  request.continuation_token = page.value().continuation_token;
  CHECK(pass(9000, "b").empty());
  CHECK(says(pass(2000, "c"), "10001 pages in a row held no name"));
}

TEST_CASE("start_after holds on every page, also where the service does not know it") {
  const auto dialect = dialect_of(path_options());
  ListRequest request;
  request.start_after = "b.1, x";
  auto page = dialect->read_list(request, list_xml({"a", "b"}, "t1"));
  REQUIRE(page.ok());
  CHECK(page.value().objects.empty());
  request.start_after = "";
  request.continuation_token = page.value().continuation_token;
  CHECK(says(dialect->list(request).query, "continuation-token=t1"));
  page = dialect->read_list(request, list_xml({"b.1", "b.1, x", "c"}));
  REQUIRE(page.ok());
  REQUIRE(page.value().objects.size() == 1);
  CHECK(page.value().objects[0].key == "c");
}

TEST_CASE("keys of any bytes survive a page's token") {
  const auto dialect = dialect_of(path_options());
  ListRequest request;
  const std::string key(1024, '%');
  auto page = dialect->read_list(request,
                                 "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%01%20%0A</"
                                 "Key><Size>1</Size></Contents><IsTruncated>true"
                                 "</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>");
  REQUIRE(page.ok());
  CHECK(page.value().objects[0].key == "\x01 \n");
  request.continuation_token = page.value().continuation_token;
  CHECK_FALSE(dialect
                  ->read_list(request,
                              "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%01+%0A</Key>"
                              "<Size>1</Size></Contents></ListBucketResult>")
                  .ok());
  request = {};
  CHECK(dialect->read_list(request, list_xml({key})).value().objects[0].key == key);
}

TEST_CASE("many deletions: every key is accounted for, in the caller's order") {
  const auto dialect = dialect_of(path_options());
  const std::vector<std::string> keys{"c", "a", "b", "missing", "a"};
  const auto outcomes = dialect->read_delete_many(keys,
                                                  "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</"
                                                  "Code><Message>no</Message></Error><Deleted><Key>a</Key></Deleted>"
                                                  "<Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>");
  REQUIRE(outcomes.ok());
  REQUIRE(outcomes.value().size() == 5);
  CHECK(outcomes.value()[0].key == "c");
  CHECK_FALSE(outcomes.value()[0].error);
  CHECK_FALSE(outcomes.value()[1].error);
  REQUIRE(outcomes.value()[2].error);
  CHECK(outcomes.value()[2].error->code == ErrorCode::kAccessDenied);
  REQUIRE(outcomes.value()[3].error);
  CHECK(outcomes.value()[3].error->code == ErrorCode::kProtocol);
  CHECK_FALSE(outcomes.value()[4].error);
  CHECK(dialect->read_delete_many(keys, error_xml("InternalError")).error().code == ErrorCode::kServer);
  const auto odd = dialect->read_delete_many(
      {"x"}, "<DeleteResult><Error><Key>x</Key><Code>Odd</Code><Message>m</Message></Error></DeleteResult>");
  CHECK(odd.value().at(0).error->code == ErrorCode::kServer);
  CHECK(says(odd.value().at(0).error->message, "Odd: m"));
  CHECK(dialect->read_delete_many(keys, "").error().code == ErrorCode::kProtocol);
}

TEST_CASE("buckets may come in pages") {
  const auto dialect = dialect_of(path_options());
  const std::string body =
      "<ListAllMyBucketsResult><Buckets><Bucket><Name>a</Name></Bucket></Buckets><ContinuationToken>t</"
      "ContinuationToken></ListAllMyBucketsResult>";
  CHECK(dialect->read_buckets(body).value().at(0).name == "a");
  CHECK(dialect->read_buckets_continuation(body) == "t");
  CHECK(dialect->read_buckets_continuation("<ListAllMyBucketsResult/>").empty());
}
