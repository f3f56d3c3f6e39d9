#include "dialect_fixture.h"
#include "engine/sign/digest.h"

using namespace s3dlio;
using namespace s3dlio::s3;
using transfer::ByteRange;
using transfer::Checksum;
using transfer::GetTarget;
using transfer::UploadedPart;

TEST_CASE("keys go into the path byte for byte") {
  const auto path = dialect_of(path_options());
  CHECK(path->get(target_of("a/../b//c d+\x01\u00fc%")).path == "/train/a/../b//c%20d%2B%01%C3%BC%25");
  CHECK(path->get(target_of("/x")).path == "/train//x");
  const auto virtual_style = dialect_of(aws_options());
  CHECK(virtual_style->get(target_of("a/b")).path == "/a/b");
  CHECK(virtual_style->list({}).path == "/");
  CHECK(path->list({}).path == "/train");
  CHECK(path->uri_of("a/b") == "s3://train/a/b");
}

TEST_CASE("GET and HEAD carry what was asked for") {
  const auto dialect = dialect_of(path_options());
  GetTarget target = target_of("k");
  auto request = dialect->get(target);
  CHECK(request.method == "GET");
  CHECK(request.query.empty());
  CHECK(header(request, "Accept-Encoding") == "identity");
  CHECK(header(request, "Range") == "(none)");
  CHECK(header(request, "x-amz-checksum-mode") == "(none)");
  target.range = *ByteRange::make(10, 20);
  target.version_id = "v/1";
  target.if_match = "\"e\"";
  target.want_checksum = true;
  request = dialect->get(target);
  CHECK(request.query == "versionId=v%2F1");
  CHECK(header(request, "Range") == "bytes=10-19");
  CHECK(header(request, "If-Match") == "\"e\"");
  CHECK(header(request, "x-amz-checksum-mode") == "ENABLED");
  request = dialect->head("k", "v", true);
  CHECK(request.method == "HEAD");
  CHECK(request.query == "versionId=v");
}

TEST_CASE("nothing from outside can start a new header") {
  const auto dialect = dialect_of(path_options());
  GetTarget target = target_of("k");
  target.if_match = "\"e\r\nX-Evil: 1\"";
  CHECK(header(dialect->get(target), "If-Match") == "\"e%0D%0AX-Evil: 1\"");
  for (auto field : {&PutOptions::content_type, &PutOptions::content_encoding, &PutOptions::cache_control,
                     &PutOptions::content_disposition, &PutOptions::storage_class, &PutOptions::if_match}) {
    for (const auto* bad : {"a\r\nb", "a\nb", "a\rb"}) {
      PutOptions options;
      options.*field = bad;
      CHECK_FALSE(dialect->check_put(options).ok());
    }
    PutOptions options;
    options.*field = std::string("a\0b", 3);
    CHECK_FALSE(dialect->check_put(options).ok());
    options.*field = "fine; value=\"x\"";
    CHECK(dialect->check_put(options).ok());
  }
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"", "v"}, {"a b", "v"}, {"a:", "v"}, {"a\r\n", "v"}, {"ok", "v\nX: 1"}, {"ok", "\u00fc"}}) {
    PutOptions options;
    options.user_metadata = {{name, value}};
    CHECK_FALSE(dialect->check_put(options).ok());
  }
  PutOptions both;
  both.if_none_match = true;
  both.if_match = "e";
  CHECK_FALSE(dialect->check_put(both).ok());
}

TEST_CASE("keys are checked") {
  const auto dialect = dialect_of(path_options());
  for (const std::string& good : {std::string("a"), std::string(1024, 'k'), std::string("\u00fc/../\x01")})
    CHECK(dialect->check_key(good).ok());
  for (const std::string& bad :
       {std::string(), std::string(1025, 'k'), std::string("a\0b", 3), std::string("\xff"), std::string("\xc0\xaf"),
        std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("ab\xc3")}) {
    const auto checked = dialect->check_key(bad);
    REQUIRE_FALSE(checked.ok());
    CHECK(checked.error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("PUT carries options, conditions and the checksum") {
  auto options_s3 = path_options();
  options_s3.requester_pays = true;
  options_s3.expected_bucket_owner = "123456789012";
  options_s3.encryption = Encryption::kKms;
  options_s3.kms_key_id = "key-1";
  const auto dialect = dialect_of(options_s3);
  PutOptions options;
  options.content_type = "text/plain";
  options.storage_class = "STANDARD_IA";
  options.user_metadata = {{"Note", "v"}};
  options.if_none_match = true;
  const auto request = dialect->put("k", options, {ChecksumKind::kCrc32c, 0xE3069283});
  CHECK(request.method == "PUT");
  CHECK(header(request, "Content-Type") == "text/plain");
  CHECK(header(request, "x-amz-storage-class") == "STANDARD_IA");
  CHECK(header(request, "x-amz-meta-note") == "v");
  CHECK(header(request, "If-None-Match") == "*");
  CHECK(header(request, "x-amz-checksum-crc32c") == "4waSgw==");
  CHECK(header(request, "x-amz-sdk-checksum-algorithm") == "CRC32C");
  CHECK(header(request, "x-amz-request-payer") == "requester");
  CHECK(header(request, "x-amz-expected-bucket-owner") == "123456789012");
  CHECK(header(request, "x-amz-server-side-encryption") == "aws:kms");
  CHECK(header(request, "x-amz-server-side-encryption-aws-kms-key-id") == "key-1");
  options = {};
  options.if_match = "\"e\"";
  const auto plain = dialect->put("k", options, {});
  CHECK(header(plain, "If-Match") == "\"e\"");
  CHECK(header(plain, "x-amz-sdk-checksum-algorithm") == "(none)");
}

TEST_CASE("a customer's key goes with every request that touches the object") {
  auto options = path_options();
  options.encryption = Encryption::kCustomerKey;
  options.customer_key = std::string(32, 'K');
  const auto dialect = dialect_of(options);
  const std::string prefix = "x-amz-server-side-encryption-customer-";
  for (const auto& request :
       {dialect->get(target_of("k")), dialect->head("k", "", false), dialect->put("k", {}, {}),
        dialect->start_upload("k", {}, ChecksumKind::kNone), dialect->upload_part({"k", "u"}, 1, {}),
        dialect->complete_upload({"k", "u"}, {}, {}, {})}) {
    CHECK(header(request, prefix + "algorithm") == "AES256");
    CHECK(header(request, prefix + "key") == "S0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0tLS0s=");
    CHECK(header(request, prefix + "key-MD5") == sign::md5_base64(sign::bytes_of(options.customer_key)));
  }
  for (const auto& request : {dialect->copy(copy_of("s", "k"), {}),
                              dialect->copy_part({"k", "u"}, 1, copy_of("s", "k"), *ByteRange::make(0, 1))}) {
    CHECK(header(request, prefix + "algorithm") == "AES256");
    CHECK(header(request, "x-amz-copy-source-server-side-encryption-customer-algorithm") == "AES256");
  }
  CHECK(header(dialect->list({}), prefix + "key") == "(none)");
  options.customer_key = "short";
  CHECK(says(make_s3_dialect(options, ChecksumKind::kNone).error().message, "5 bytes"));
  options.customer_key = std::string(32, 'K');
  options.endpoint_url = "http://s3.example.com";
  CHECK(says(make_s3_dialect(options, ChecksumKind::kNone).error().message, "https"));
}

TEST_CASE("copies name their source encoded") {
  const auto dialect = dialect_of(path_options());
  CopyRequest from = copy_of("a b/\u00fc?", "k");
  from.source_bucket = "other";
  from.source_version_id = "v+";
  from.source_if_match = "e";
  auto request = dialect->copy(from, {});
  CHECK(header(request, "x-amz-copy-source") == "/other/a%20b/%C3%BC%3F?versionId=v%2B");
  CHECK(header(request, "x-amz-copy-source-if-match") == "e");
  CHECK(header(request, "x-amz-metadata-directive") == "(none)");
  PutOptions options;
  options.content_type = "x/y";
  request = dialect->copy(copy_of("s", "k"), options);
  CHECK(header(request, "x-amz-copy-source") == "/train/s");
  CHECK(header(request, "x-amz-metadata-directive") == "REPLACE");
  request = dialect->copy_part({"k", "u&1"}, 7, copy_of("s", "k"), *ByteRange::make(5, 10));
  CHECK(request.query == "partNumber=7&uploadId=u%261");
  CHECK(header(request, "x-amz-copy-source-range") == "bytes=5-9");
}

TEST_CASE("a copy's source may be asked about in another bucket") {
  CopyRequest from = copy_of("a b", "k");
  from.source_version_id = "v";
  const auto aws = dialect_of(aws_options());
  CHECK(aws->head_source(from).path == "/a%20b");
  CHECK(aws->head_source(from).query == "versionId=v");
  from.source_bucket = "other";
  auto request = aws->head_source(from);
  aws->sign(request, kKeys, std::chrono::system_clock::now());
  CHECK(request.method == "HEAD");
  CHECK(request.path == "/other/a%20b");
  CHECK(header(request, "Host") == "s3.eu-west-1.amazonaws.com");
  CHECK(dialect_of(path_options())->head_source(from).path == "/other/a%20b");
}

TEST_CASE("an upload in parts") {
  const auto dialect = dialect_of(path_options());
  auto request = dialect->start_upload("k", {}, ChecksumKind::kCrc64Nvme);
  CHECK(request.method == "POST");
  CHECK(request.query == "uploads=");
  CHECK(header(request, "x-amz-checksum-algorithm") == "CRC64NVME");
  CHECK(header(request, "x-amz-checksum-type") == "FULL_OBJECT");
  request = dialect->upload_part({"k", "u"}, 2, {ChecksumKind::kCrc64Nvme, 0xAE8B14860A799888ull});
  CHECK(request.query == "partNumber=2&uploadId=u");
  CHECK(header(request, "x-amz-checksum-crc64nvme") == "rosUhgp5mIg=");

  const Checksum one{ChecksumKind::kCrc64Nvme, 1}, whole{ChecksumKind::kCrc64Nvme, 3};
  PutOptions options;
  options.if_none_match = true;
  request = dialect->complete_upload({"k", "u"}, {{1, 100, "\"e1\"", one}, {2, 50, "e<2", one}}, options, whole);
  CHECK(request.method == "POST");
  CHECK(request.query == "uploadId=u");
  CHECK(header(request, "If-None-Match") == "*");
  CHECK(header(request, "x-amz-mp-object-size") == "150");
  CHECK(header(request, "x-amz-checksum-crc64nvme") == "AAAAAAAAAAM=");
  CHECK(header(request, "x-amz-checksum-type") == "FULL_OBJECT");
  CHECK(request.document ==
        "<CompleteMultipartUpload "
        "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><PartNumber>1</PartNumber><ETag>"
        "&quot;e1&quot;</ETag><ChecksumCRC64NVME>AAAAAAAAAAE=</ChecksumCRC64NVME></Part><Part><PartNumber>2</"
        "PartNumber><ETag>e&lt;2</ETag>"
        "<ChecksumCRC64NVME>AAAAAAAAAAE=</ChecksumCRC64NVME></Part></CompleteMultipartUpload>");
  request = dialect->complete_upload({"k", "u"}, {{1, 100, "e", {}}, {2, 0, "e", {}}}, {}, {});
  CHECK(header(request, "x-amz-mp-object-size") == "(none)");  // a size is not known
  CHECK(dialect->abort_upload({"k", "u"}).method == "DELETE");
  CHECK(dialect->list_uploads("p/", {{}, "k m", "id"}).query ==
        "uploads=&encoding-type=url&max-uploads=1000&prefix=p%2F&key-marker=k%20m&upload-id-marker=id");
}

TEST_CASE("many deletions carry a checksum, old style or new") {
  const std::vector<std::string> keys{"a&b", "c\rd"};
  auto request = dialect_of(path_options())->delete_many(keys);
  CHECK(request.query == "delete=");
  CHECK(says(request.document, "<Key>a&amp;b</Key>"));
  CHECK(says(request.document, "<Key>c&#13;d</Key>"));
  CHECK(header(request, "x-amz-checksum-crc64nvme") ==
        crc_to_base64(ChecksumKind::kCrc64Nvme,
                      crc_update(ChecksumKind::kCrc64Nvme, 0, sign::bytes_of(request.document))));
  CHECK(header(request, "Content-MD5") == "(none)");
  const auto old = dialect_of(path_options(), ChecksumKind::kNone);
  request = old->delete_many(keys);
  CHECK(header(request, "Content-MD5") == sign::md5_base64(sign::bytes_of(request.document)));
  CHECK_FALSE(old->can_delete_in_batch("a\x01"));
  CHECK(old->can_delete_in_batch("a\r\n\t\u00fc"));
  CHECK(old->delete_one("x").method == "DELETE");
}

TEST_CASE("buckets") {
  auto request = dialect_of(path_options())->create_bucket();
  CHECK(request.method == "PUT");
  CHECK(request.path == "/train");
  CHECK(says(request.document, "<LocationConstraint>eu-west-1</LocationConstraint>"));
  auto options = path_options();
  options.region = "us-east-1";
  CHECK(dialect_of(options)->create_bucket().document.empty());
  CHECK(dialect_of(aws_options())->delete_bucket().path == "/");

  const auto aws = dialect_of(aws_options());
  request = aws->list_buckets();
  aws->sign(request, kKeys, std::chrono::system_clock::now());
  CHECK(request.path == "/");
  CHECK(header(request, "Host") == "s3.eu-west-1.amazonaws.com");
  request = aws->list_buckets_after("a b");
  CHECK(request.query == "continuation-token=a%20b");
}
