#include <algorithm>

#include "text.h"
#include "verbs.h"

namespace s3dlio_bench {
namespace {

struct Span {
  uint64_t start = 0, end = 0;
};
enum class RangeForm { kWhole, kPart, kUnsatisfiable };

RangeForm parse_range(std::string_view value, uint64_t size, Span& span) {
  span = {0, size};
  const size_t dash = value.find('-');
  if (!value.starts_with("bytes=") || dash == std::string_view::npos || value.find(',') != std::string_view::npos) {
    return RangeForm::kWhole;  // what cannot be read is ignored, as HTTP says
  }
  const auto first = parse_number<uint64_t>(value.substr(6, dash - 6));
  const auto last = parse_number<uint64_t>(value.substr(dash + 1));
  if (first) {
    if (*first >= size) return RangeForm::kUnsatisfiable;
    span = {*first, last ? std::min(size, *last + 1) : size};
    return span.end > span.start ? RangeForm::kPart : RangeForm::kWhole;
  }
  if (!last) return RangeForm::kWhole;
  if (*last == 0 || size == 0) return RangeForm::kUnsatisfiable;
  span = {size - std::min(size, *last), size};
  return RangeForm::kPart;
}

bool names_etag(std::string_view value, std::string_view etag) {
  return value == "*" || value.find(etag) != std::string_view::npos ||
         (etag.size() > 2 && value == etag.substr(1, etag.size() - 2));
}

std::string content_range(const Span& span, uint64_t size) {
  return "bytes " + std::to_string(span.start) + "-" + std::to_string(span.end - 1) + "/" + std::to_string(size);
}

}  // namespace

ObjectPointer Verbs::find(const std::string& bucket, const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto objects = buckets_.find(bucket);
  if (objects == buckets_.end()) return nullptr;
  const auto found = objects->second.find(key);
  return found == objects->second.end() ? nullptr : found->second;
}

Response Verbs::get_object(const Request& request) {
  const ObjectPointer object = find(request.bucket, request.key);
  if (!object) {
    const std::lock_guard lock(mutex_);
    return buckets_.contains(request.bucket) ? no_such_key() : no_such_bucket();
  }
  const auto if_match = request.header("if-match");
  if (!if_match.empty() && !names_etag(if_match, object->etag)) {
    return error_response(412, "PreconditionFailed", "The object has another etag");
  }
  Response response;
  response.headers = object->metadata;
  response.headers["etag"] = object->etag;
  response.headers["last-modified"] = http_date(object->modified);
  response.headers["accept-ranges"] = "bytes";
  if (const auto other = request.header("if-none-match"); !other.empty() && names_etag(other, object->etag)) {
    response.status = 304;
    return response;
  }

  Span span;
  const RangeForm form = parse_range(request.header("range"), object->size, span);
  if (form == RangeForm::kUnsatisfiable) {
    response = error_response(416, "InvalidRange", "The requested range is not satisfiable");
    response.headers["content-range"] = "bytes */" + std::to_string(object->size);
    return response;
  }
  if (form == RangeForm::kPart) {
    response.status = 206;
    response.headers["content-range"] = content_range(span, object->size);
  }
  const bool whole = span.start == 0 && span.end == object->size;
  if (whole && request.header("x-amz-checksum-mode") == "ENABLED" && !object->checksum.name.empty()) {
    response.headers["x-amz-checksum-" + object->checksum.name] = object->checksum.value;
    response.headers["x-amz-checksum-type"] =
        object->checksum.value.find('-') == std::string::npos ? "FULL_OBJECT" : "COMPOSITE";
  }
  if (request.method == "HEAD") {
    response.stated_length = span.end - span.start;
    return response;
  }
  if (object->discarded) return error_response(501, "NotImplemented", "The bytes of this object were discarded");
  response.slices = cut(object->bytes, span.start, span.end - span.start);
  return response;
}

std::optional<Response> Verbs::receive(Request& request, Object& object) const {
  object.bytes = {request.data};
  object.size = request.data_size;
  object.discarded = request.discarded;
  object.etag = new_etag();
  object.modified = time(nullptr);
  object.checksum = stated_checksum(request.headers);
  if (!verify_ || object.discarded) return std::nullopt;
  if (object.checksum.name.empty()) object.checksum.name = "crc64nvme";
  const auto kind = kind_of(object.checksum.name);
  if (kind == s3dlio::ChecksumKind::kNone) return std::nullopt;
  const std::string computed = compute_checksum(kind, object.bytes);
  if (!object.checksum.value.empty() && object.checksum.value != computed) {
    return error_response(400, "BadDigest", "The " + object.checksum.name + " you specified did not match");
  }
  object.checksum.value = computed;
  return std::nullopt;
}

std::optional<Response> Verbs::refuse_write(const Request& request) const {
  const auto bucket = buckets_.find(request.bucket);
  if (bucket == buckets_.end()) return no_such_bucket();
  const auto existing = bucket->second.find(request.key);
  const bool exists = existing != bucket->second.end();
  if (exists && request.header("if-none-match") == "*") {
    return error_response(412, "PreconditionFailed", "The object exists");
  }
  const auto if_match = request.header("if-match");
  if (!if_match.empty() && !exists) return no_such_key();
  if (!if_match.empty() && !names_etag(if_match, existing->second->etag)) {
    return error_response(412, "PreconditionFailed", "The object has another etag");
  }
  return std::nullopt;
}

Response Verbs::put_object(Request& request) {
  auto object = std::make_shared<Object>();
  if (auto refused = receive(request, *object)) return *refused;
  object->metadata = stored_headers(request.headers);
  const std::lock_guard lock(mutex_);
  if (auto refused = refuse_write(request)) return *refused;
  Response response;
  response.headers["etag"] = object->etag;
  if (!object->checksum.name.empty()) {
    response.headers["x-amz-checksum-" + object->checksum.name] = object->checksum.value;
  }
  buckets_.find(request.bucket)->second[request.key] = std::move(object);
  return response;
}

ObjectPointer Verbs::find_copy_source(const Request& request) {
  std::string source = percent_decode(request.header("x-amz-copy-source"), false);
  source.erase(0, source.find_first_not_of('/'));
  const size_t slash = source.find('/');
  if (slash == std::string::npos) return nullptr;
  const ObjectPointer found = find(source.substr(0, slash), source.substr(slash + 1));
  const auto range = request.header("x-amz-copy-source-range");
  if (!found || range.empty()) return found;
  Span span;
  if (parse_range(range, found->size, span) != RangeForm::kPart) return nullptr;
  auto part = std::make_shared<Object>(*found);
  part->bytes = cut(found->bytes, span.start, span.end - span.start);
  part->size = span.end - span.start;
  part->checksum = {};
  return part;
}

Response Verbs::copy_object(const Request& request) {
  const ObjectPointer source = find_copy_source(request);
  if (!source) return no_such_key();
  const auto if_match = request.header("x-amz-copy-source-if-match");
  if (!if_match.empty() && !names_etag(if_match, source->etag)) {
    return error_response(412, "PreconditionFailed", "The source has another etag");
  }
  auto copied = std::make_shared<Object>(*source);
  copied->etag = new_etag();
  copied->modified = time(nullptr);
  if (request.header("x-amz-metadata-directive") == "REPLACE") copied->metadata = stored_headers(request.headers);
  const std::string text = "<CopyObjectResult>" + element("ETag", copied->etag) +
                           element("LastModified", iso_date(copied->modified)) + "</CopyObjectResult>";
  const std::lock_guard lock(mutex_);
  if (auto refused = refuse_write(request)) return *refused;
  buckets_.find(request.bucket)->second[request.key] = std::move(copied);
  return xml_response(text);
}

Response Verbs::delete_object(const Request& request) {
  const std::lock_guard lock(mutex_);
  Response response;
  response.status = 204;
  if (request.asks("uploadId")) {
    return uploads_.erase(std::string(request.parameter("uploadId"))) == 1 ? response : no_such_upload();
  }
  const auto bucket = buckets_.find(request.bucket);
  if (bucket == buckets_.end()) return no_such_bucket();
  bucket->second.erase(request.key);
  return response;
}

}  // namespace s3dlio_bench
