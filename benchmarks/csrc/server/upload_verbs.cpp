#include "text.h"
#include "verbs.h"

namespace s3dlio_bench {
namespace {

struct NamedPart {
  int number = 0;
  std::string etag;
};

std::vector<NamedPart> parts_of(std::string_view document) {
  std::vector<NamedPart> parts;
  for (const std::string_view part : elements_of(document, "Part")) {
    parts.push_back({parse_number<int>(first_element(part, "PartNumber")).value_or(0), first_element(part, "ETag")});
  }
  return parts;
}

// Leaves in `upload` exactly the parts the client names.
std::optional<Response> keep_named_parts(Upload& upload, const std::vector<NamedPart>& named) {
  std::map<int, ObjectPointer> kept;
  int last = 0;
  for (const NamedPart& part : named) {
    if (part.number <= last) return error_response(400, "InvalidPartOrder", "Parts must be in ascending order");
    last = part.number;
    const auto found = upload.parts.find(part.number);
    if (found == upload.parts.end() || found->second->etag.find(part.etag) == std::string::npos) {
      return error_response(400, "InvalidPart", "Part " + std::to_string(part.number) + " is not there as named");
    }
    kept.insert(*found);
  }
  if (kept.empty()) return error_response(400, "MalformedXML", "No part is named");
  upload.parts = std::move(kept);
  return std::nullopt;
}

Object joined(const Upload& upload) {
  Object object;
  for (const auto& [number, part] : upload.parts) {
    object.bytes.insert(object.bytes.end(), part->bytes.begin(), part->bytes.end());
    object.size += part->size;
    object.discarded = object.discarded || part->discarded;
  }
  object.etag = new_etag(upload.parts.size());
  object.metadata = upload.metadata;
  object.modified = time(nullptr);
  return object;
}

}  // namespace

Response Verbs::create_upload(const Request& request) {
  Upload upload;
  upload.bucket = request.bucket;
  upload.key = request.key;
  upload.metadata = stored_headers(request.headers);
  upload.checksum_name = lower(request.header("x-amz-checksum-algorithm"));
  const auto type = request.header("x-amz-checksum-type");
  upload.full_object = type.empty() ? upload.checksum_name == "crc64nvme" : type == "FULL_OBJECT";
  upload.begun = time(nullptr);

  const std::lock_guard lock(mutex_);
  if (!buckets_.contains(request.bucket)) return no_such_bucket();
  const std::string id = "upload-" + std::to_string(next_upload_++);
  uploads_[id] = std::move(upload);
  return xml_response("<InitiateMultipartUploadResult>" + element("Bucket", request.bucket) +
                      element("Key", request.key) + element("UploadId", id) + "</InitiateMultipartUploadResult>");
}

Response Verbs::upload_part(Request& request) {
  const auto number = parse_number<int>(request.parameter("partNumber"));
  if (!number || *number < 1 || *number > 10000) {
    return error_response(400, "InvalidArgument", "Part number must be an integer between 1 and 10000");
  }
  auto part = std::make_shared<Object>();
  const bool copied = !request.header("x-amz-copy-source").empty();
  if (copied) {
    const ObjectPointer source = find_copy_source(request);
    if (!source) return no_such_key();
    *part = *source;
    part->etag = new_etag();
  } else if (auto refused = receive(request, *part)) {
    return *refused;
  }
  Response response;
  if (copied) response = xml_response("<CopyPartResult>" + element("ETag", part->etag) + "</CopyPartResult>");
  response.headers["etag"] = part->etag;
  if (!part->checksum.name.empty()) response.headers["x-amz-checksum-" + part->checksum.name] = part->checksum.value;

  const std::lock_guard lock(mutex_);
  const auto upload = uploads_.find(request.parameter("uploadId"));
  if (upload == uploads_.end()) return no_such_upload();
  upload->second.parts[*number] = std::move(part);
  return response;
}

Response Verbs::complete_upload(const Request& request) {
  const std::lock_guard lock(mutex_);
  const auto found = uploads_.find(request.parameter("uploadId"));
  if (found == uploads_.end()) return no_such_upload();
  if (auto refused = refuse_write(request)) return *refused;
  Upload upload = found->second;
  if (auto refused = keep_named_parts(upload, parts_of(request.body))) return *refused;

  Object object = joined(upload);
  const auto stated_size = request.header("x-amz-mp-object-size");
  if (!stated_size.empty() && stated_size != std::to_string(object.size)) {
    return error_response(400, "InvalidRequest", "x-amz-mp-object-size differs from the size of the parts");
  }
  const Checksum stated = stated_checksum(request.headers);
  const std::string name = stated.name.empty() ? upload.checksum_name : stated.name;
  object.checksum = {name, checksum_of_parts(upload, kind_of(name))};
  if (object.checksum.value.empty()) object.checksum = stated;
  if (verify_ && !stated.value.empty() && stated.value != object.checksum.value) {
    return error_response(400, "BadDigest", "The " + name + " of the whole object did not match");
  }

  std::string text = element("Bucket", request.bucket) + element("Key", request.key) + element("ETag", object.etag);
  if (!object.checksum.name.empty()) {
    std::string tag = "Checksum";
    for (const char letter : name) tag += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    text +=
        element(tag, object.checksum.value) + element("ChecksumType", upload.full_object ? "FULL_OBJECT" : "COMPOSITE");
  }
  buckets_.find(request.bucket)->second[request.key] = std::make_shared<Object>(std::move(object));
  uploads_.erase(found);
  return xml_response("<CompleteMultipartUploadResult>" + text + "</CompleteMultipartUploadResult>");
}

Response Verbs::list_parts(const Request& request) {
  const std::lock_guard lock(mutex_);
  const auto found = uploads_.find(request.parameter("uploadId"));
  if (found == uploads_.end()) return no_such_upload();
  std::string text = element("Bucket", request.bucket) + element("Key", request.key) + element("IsTruncated", "false");
  for (const auto& [number, part] : found->second.parts) {
    text += "<Part>" + element("PartNumber", std::to_string(number)) + element("ETag", part->etag) +
            element("Size", std::to_string(part->size)) + "</Part>";
  }
  return xml_response("<ListPartsResult>" + text + "</ListPartsResult>");
}

}  // namespace s3dlio_bench
