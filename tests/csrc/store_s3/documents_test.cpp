#include "engine/store/s3/documents.h"

#include <doctest/doctest.h>

using namespace s3dlio;
using namespace s3dlio::s3;

TEST_CASE("a listing as S3 writes it") {
  const auto list = read_list_document(R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a%2F</Prefix><KeyCount>3</KeyCount>
<MaxKeys>1000</MaxKeys><Delimiter>%2F</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
<Contents><Key>a%2F..%2F%01+x%2Bv</Key><LastModified>2009-10-12T17:50:30.500Z</LastModified>
<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Size>434234</Size>
<StorageClass>STANDARD</StorageClass><Owner><ID>x</ID></Owner></Contents>
<Contents><Key>a%2F%C3%BC</Key><Size>0</Size></Contents>
<CommonPrefixes><Prefix>a%2Fb%2F</Prefix></CommonPrefixes></ListBucketResult>)");
  REQUIRE(list.ok());
  const ListDocument& document = list.value();
  REQUIRE(document.objects.size() == 2);
  CHECK(document.objects[0].key == "a/../\x01 x+v");
  CHECK(document.objects[0].size == 434234);
  CHECK(document.objects[0].etag == "\"fba9dede5f27731c9771645a39863328\"");
  CHECK(document.objects[0].last_modified == doctest::Approx(1255369830.5));
  CHECK(document.objects[0].storage_class == "STANDARD");
  CHECK(document.objects[1].key == "a/\u00fc");
  CHECK(document.objects[1].etag.empty());
  CHECK(document.common_prefixes == std::vector<std::string>{"a/b/"});
  CHECK(document.truncated);
  CHECK(document.next_token == "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
}

TEST_CASE("keys are taken literally when the service does not announce an encoding") {
  const auto list = read_list_document(
      "<ListBucketResult><Contents><Key>a%2Fb+c&#10;</Key><Size>1</Size></Contents></ListBucketResult>");
  REQUIRE(list.ok());
  CHECK(list.value().objects.at(0).key == "a%2Fb+c\n");
  CHECK_FALSE(list.value().truncated);
}

TEST_CASE("a listing that cannot be right is an error") {
  for (const auto* bad :
       {"", "<html></html>", "<ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>",  // unknown is not 0
        "<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>1e3</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%zz</Key><Size>1</Size></Contents></"
        "ListBucketResult>"}) {
    CAPTURE(bad);
    const auto list = read_list_document(bad);
    REQUIRE_FALSE(list.ok());
    CHECK(list.error().code == ErrorCode::kProtocol);
  }
}

TEST_CASE("errors, plain and wrapped") {
  auto error = read_error_document(
      "<?xml "
      "version=\"1.0\"?><Error><Code>PermanentRedirect</Code><Message>go</"
      "Message><Endpoint>b.s3.eu-west-1.amazonaws.com"
      "</Endpoint><Bucket>b</Bucket><RequestId>R1</RequestId><Region>eu-west-1</Region><HostId>h</HostId></Error>");
  REQUIRE(error);
  CHECK(error->code == "PermanentRedirect");
  CHECK(error->endpoint == "b.s3.eu-west-1.amazonaws.com");
  CHECK(error->region == "eu-west-1");
  CHECK(error->request_id == "R1");
  error = read_error_document(
      "<ErrorResponse><Error><Code>X</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>");
  REQUIRE(error);
  CHECK(error->code == "X");
  for (const auto* none : {"", "<html><body>502</body></html>", "{\"code\": 1}", "<Error><Message>m</Message></Error>",
                           "<Error><Code>X</Code>"}) {
    CHECK_FALSE(read_error_document(none));
  }
}

TEST_CASE("deletions, completions, uploads, buckets") {
  const auto deleted = read_delete_document(
      "<DeleteResult><Deleted><Key>a</Key><DeleteMarker>true</DeleteMarker></Deleted><Error><Key>b&amp;</"
      "Key><Code>AccessDenied</Code>"
      "<Message>no</Message></Error></DeleteResult>");
  REQUIRE(deleted.ok());
  CHECK(deleted.value().deleted == std::vector<std::string>{"a"});
  REQUIRE(deleted.value().failures.size() == 1);
  CHECK(deleted.value().failures[0].key == "b&");
  CHECK(deleted.value().failures[0].code == "AccessDenied");
  CHECK_FALSE(read_delete_document("<DeleteResult><Deleted/></DeleteResult>").ok());

  const auto done = read_result_document(
      "\n\n<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag><ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME>"
      "</CompleteMultipartUploadResult>",
      "CompleteMultipartUploadResult");
  REQUIRE(done);
  CHECK(done->etag == "\"e-2\"");
  CHECK(done->checksum_kind == ChecksumKind::kCrc64Nvme);
  CHECK_FALSE(read_result_document("<Error><Code>InternalError</Code></Error>", "CopyObjectResult"));

  CHECK(read_upload_id_document(
            "<InitiateMultipartUploadResult><UploadId>u&amp;1</UploadId></InitiateMultipartUploadResult>")
            .value() == "u&1");
  CHECK_FALSE(read_upload_id_document("<InitiateMultipartUploadResult/>").ok());

  const auto buckets = read_buckets_document(
      "<ListAllMyBucketsResult><Owner><ID>x</ID></Owner><Buckets><Bucket><Name>a</"
      "Name><CreationDate>2019-12-11T23:32:47+00:00"
      "</CreationDate></Bucket><Bucket><Name>b</Name></Bucket></Buckets><ContinuationToken>t</ContinuationToken></"
      "ListAllMyBucketsResult>");
  REQUIRE(buckets.ok());
  REQUIRE(buckets.value().buckets.size() == 2);
  CHECK(buckets.value().buckets[0].created == 1576107167.0);
  CHECK(buckets.value().next_token == "t");
  CHECK_FALSE(
      read_buckets_document("<ListAllMyBucketsResult><Buckets><Bucket/></Buckets></ListAllMyBucketsResult>").ok());
}

TEST_CASE("pages of uploads end, or are an error") {
  const std::string upload =
      "<Upload><Key>a%20b</Key><UploadId>u</UploadId><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>";
  const auto read = [&](const std::string& head) {
    return read_uploads_document("<ListMultipartUploadsResult><EncodingType>url</EncodingType>" + head + upload +
                                 "</ListMultipartUploadsResult>");
  };
  auto page = read(
      "<IsTruncated>true</IsTruncated><NextKeyMarker>a%20b</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>");
  REQUIRE(page.ok());
  CHECK(page.value().uploads.at(0).key == "a b");
  CHECK(page.value().uploads.at(0).initiated == 1289422113.0);
  CHECK(page.value().key_marker == "a b");
  CHECK(page.value().upload_id_marker == "u");
  page = read("<IsTruncated>false</IsTruncated><NextKeyMarker>a</NextKeyMarker>");
  REQUIRE(page.ok());
  CHECK(page.value().key_marker.empty());
  CHECK_FALSE(read("<IsTruncated>true</IsTruncated>").ok());
  CHECK_FALSE(read("<IsTruncated>true</IsTruncated><KeyMarker>k</KeyMarker><UploadIdMarker>u</"
                   "UploadIdMarker><NextKeyMarker>k</NextKeyMarker>"
                   "<NextUploadIdMarker>u</NextUploadIdMarker>")
                  .ok());
}

TEST_CASE("dates") {
  CHECK(seconds_of_iso_date("1970-01-01T00:00:01Z") == 1.0);
  CHECK(seconds_of_iso_date("2024-02-29T00:00:00.250Z") == doctest::Approx(1709164800.25));
  for (const auto* bad : {"", "2024-02-30T00:00:00Z", "2024-13-01T00:00:00Z", "2024-02-29", "2024-02-29 00:00:00",
                          "2024-02-29T24:00:00Z", "x"}) {
    CHECK(seconds_of_iso_date(bad) == 0);
  }
}
