// rooms: store_s3
// Feeds any bytes to every reader of the service's documents. They may refuse them, and nothing else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "engine/store/s3/documents.h"
#include "engine/store/s3/s3_store.h"
#include "engine/text/xml.h"

using namespace s3dlio;

namespace {

// Reads a document in whatever order `choices` says: enter, take the text, skip.
void walk(std::string_view choices, std::string_view body) {
  text::XmlReader xml(body);
  xml.enter_root();
  std::string_view name;
  for (const char choice : choices) {
    switch (choice & 3) {
      case 0:
        xml.text();
        break;
      case 1:
        xml.skip();
        break;
      default:
        xml.next_child(name);
    }
  }
  if (xml.finish() == xml.failed()) std::abort();
}

transfer::Dialect& dialect() {
  static const auto made = [] {
    s3::S3Options options;
    options.bucket = "b";
    options.endpoint_url = "https://s3.example.com";
    return *s3::make_s3_dialect(options, ChecksumKind::kCrc64Nvme);
  }();
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  walk(body.substr(0, body.size() / 8), body.substr(body.size() / 8));
  s3::read_error_document(body);
  static_cast<void>(s3::read_list_document(body));
  static_cast<void>(s3::read_delete_document(body));
  s3::read_result_document(body, "CompleteMultipartUploadResult");
  s3::read_result_document(body, "CopyObjectResult");
  static_cast<void>(s3::read_upload_id_document(body));
  static_cast<void>(s3::read_uploads_document(body));
  static_cast<void>(s3::read_buckets_document(body));

  ListRequest request;
  request.continuation_token = body.substr(0, size / 3);
  static_cast<void>(dialect().list(request));
  static_cast<void>(dialect().read_list(request, body));
  http::ResponseHead head;
  head.status = 301;
  head.headers.add("Location", std::string(body.substr(0, size / 2)));
  dialect().read_error(head, body);
  // Whatever a redirect says, credentials stay within the domain and under TLS.
  const http::Endpoint endpoint = dialect().endpoint();
  if (!endpoint.tls || !(endpoint.host == "example.com" || endpoint.host.ends_with(".example.com"))) std::abort();
  return 0;
}
