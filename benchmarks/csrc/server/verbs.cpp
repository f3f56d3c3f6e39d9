#include "verbs.h"

#include <random>

namespace s3dlio_bench {
namespace {

constexpr std::string_view kStatsBucket = "-";  // no bucket can have this name

Response unsupported(const Request& request) {
  return error_response(501, "NotImplemented", request.method + " with these parameters is not served here");
}

Slice random_block(size_t size) {
  const auto block = take_block(size);
  std::mt19937_64 random(20260101);
  for (size_t at = 0; at < size; at += sizeof(uint64_t)) {  // the block is whole pages: the last word fits
    const uint64_t word = random();
    *reinterpret_cast<uint64_t*>(block.get() + at) = word;
  }
  return {block, block.get(), size};
}

}  // namespace

Response no_such_bucket() { return error_response(404, "NoSuchBucket", "The specified bucket does not exist"); }
Response no_such_key() { return error_response(404, "NoSuchKey", "The specified key does not exist."); }
Response no_such_upload() { return error_response(404, "NoSuchUpload", "The upload does not exist"); }

Response Verbs::answer(Request& request) {
  ++stats.requests;
  Response response = request.bucket.empty() || request.bucket == kStatsBucket ? answer_service(request)
                      : request.key.empty()                                    ? answer_bucket(request)
                                                                               : answer_object(request);
  if (request.method == "HEAD") {
    if (!response.stated_length) response.stated_length = 0;
    response.text.clear();
    response.slices.clear();
  }
  stats.bytes_in += request.data_size;
  stats.bytes_out += response.text.size() + size_of(response.slices);
  return response;
}

Response Verbs::answer_service(const Request& request) {
  if (request.method != "GET") return unsupported(request);
  if (request.bucket.empty()) return list_buckets();
  Response response;
  response.headers["content-type"] = "application/json";
  response.text =
      "{\"connections\": " + std::to_string(stats.connections) + ", \"requests\": " + std::to_string(stats.requests) +
      ", \"bytes_in\": " + std::to_string(stats.bytes_in) + ", \"bytes_out\": " + std::to_string(stats.bytes_out) + "}";
  return response;
}

Response Verbs::answer_bucket(const Request& request) {
  if (request.method == "PUT" && request.query.empty()) return create_bucket(request.bucket);
  {
    const std::lock_guard lock(mutex_);
    if (!buckets_.contains(request.bucket)) return no_such_bucket();
  }
  if (request.method == "HEAD") return {};
  if (request.method == "DELETE") return delete_bucket(request.bucket);
  if (request.method == "POST" && request.asks("delete")) return delete_objects(request);
  if (request.method == "GET" && request.asks("location")) return xml_response("<LocationConstraint/>");
  if (request.method == "GET" && request.asks("uploads")) return list_uploads(request.bucket);
  if (request.method == "GET" && request.parameter("list-type") == "2") return list_objects(request);
  return unsupported(request);
}

Response Verbs::answer_object(Request& request) {
  const bool in_upload = request.asks("uploadId");
  if (request.method == "GET" || request.method == "HEAD") {
    return in_upload ? list_parts(request) : get_object(request);
  }
  if (request.method == "PUT") {
    if (in_upload) return upload_part(request);
    return request.header("x-amz-copy-source").empty() ? put_object(request) : copy_object(request);
  }
  if (request.method == "POST" && request.asks("uploads")) return create_upload(request);
  if (request.method == "POST" && in_upload) return complete_upload(request);
  if (request.method == "DELETE") return delete_object(request);
  return unsupported(request);
}

void Verbs::seed(const std::string& bucket, const std::string& prefix, size_t count, size_t size) {
  Object object;
  object.bytes = {random_block(size)};
  object.size = size;
  object.modified = time(nullptr);
  object.checksum = {"crc64nvme", compute_checksum(s3dlio::ChecksumKind::kCrc64Nvme, object.bytes)};
  const std::lock_guard lock(mutex_);
  Bucket& objects = buckets_[bucket];
  for (size_t at = 0; at < count; ++at) {
    const std::string number = std::to_string(at);
    object.etag = new_etag();
    objects[prefix + std::string(8 - std::min<size_t>(8, number.size()), '0') + number] =
        std::make_shared<Object>(object);
  }
}

}  // namespace s3dlio_bench
