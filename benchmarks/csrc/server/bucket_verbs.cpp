#include "text.h"
#include "verbs.h"

namespace s3dlio_bench {
namespace {

constexpr std::string_view kNamespace = R"( xmlns="http://s3.amazonaws.com/doc/2006-03-01/")";
constexpr size_t kMaxPage = 1000;

std::string document(std::string_view root, std::string_view content) {
  return concat({"<", root, kNamespace, ">", content, "</", root, ">"});
}

std::string entry_of(const std::string& shown_key, const Object& object) {
  const auto stored = object.metadata.find("x-amz-storage-class");
  std::string entry = "<Contents>" + element("Key", shown_key) + element("LastModified", iso_date(object.modified)) +
                      element("ETag", object.etag);
  if (!object.checksum.name.empty()) {
    std::string name = object.checksum.name;
    for (char& letter : name) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    entry += element("ChecksumAlgorithm", name);
  }
  return entry + element("Size", std::to_string(object.size)) +
         element("StorageClass", stored == object.metadata.end() ? "STANDARD" : stored->second) + "</Contents>";
}

// Continuation tokens are the last key shown, in hexadecimal: opaque, and safe in a URL.
std::string token_of(std::string_view key) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string token;
  for (const char letter : key) {
    token += {kHex[static_cast<unsigned char>(letter) >> 4], kHex[static_cast<unsigned char>(letter) & 15]};
  }
  return token;
}

std::optional<std::string> key_of_token(std::string_view token) {
  std::string key;
  if (token.size() % 2 != 0) return std::nullopt;
  for (size_t at = 0; at < token.size(); at += 2) {
    const auto code = parse_number<unsigned char>(token.substr(at, 2), 16);
    if (!code) return std::nullopt;
    key += static_cast<char>(*code);
  }
  return key;
}

struct Page {
  std::string entries, common_prefixes;
  size_t count = 0;
  std::string last;  // last key or common prefix shown
  bool more = false;
};

struct PageRequest {
  std::string prefix, delimiter, after;
  size_t max_keys = kMaxPage;
  bool encode = false;
  std::string shown(std::string_view key) const { return encode ? percent_encode(key) : std::string(key); }
};

// The first key behind every key that starts with `prefix`.
Bucket::const_iterator behind(const Bucket& bucket, std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (prefix.empty()) return bucket.end();
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return bucket.lower_bound(prefix);
}

Page page_of(const Bucket& bucket, const PageRequest& request) {
  Page page;
  auto at = request.after < request.prefix ? bucket.lower_bound(request.prefix) : bucket.upper_bound(request.after);
  while (at != bucket.end() && at->first.starts_with(request.prefix)) {
    const size_t cut =
        request.delimiter.empty() ? std::string::npos : at->first.find(request.delimiter, request.prefix.size());
    const bool folded = cut != std::string::npos;
    const std::string shown = folded ? at->first.substr(0, cut + request.delimiter.size()) : at->first;
    if (folded && shown <= request.after && request.after.starts_with(shown)) {  // shown on an earlier page
      at = behind(bucket, shown);
      continue;
    }
    if (page.count == request.max_keys) {
      page.more = true;
      break;
    }
    if (folded) {
      page.common_prefixes += "<CommonPrefixes>" + element("Prefix", request.shown(shown)) + "</CommonPrefixes>";
      at = behind(bucket, shown);
    } else {
      page.entries += entry_of(request.shown(shown), *at->second);
      ++at;
    }
    page.last = shown;
    ++page.count;
  }
  return page;
}

}  // namespace

Response Verbs::list_buckets() {
  std::string names;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, objects] : buckets_) {
    names += "<Bucket>" + element("Name", name) + element("CreationDate", iso_date(0)) + "</Bucket>";
  }
  return xml_response(
      document("ListAllMyBucketsResult", "<Owner><ID>bench</ID></Owner><Buckets>" + names + "</Buckets>"));
}

Response Verbs::create_bucket(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (!buckets_.try_emplace(name).second) {
    return error_response(409, "BucketAlreadyOwnedByYou", "The bucket exists and is yours");
  }
  Response response;
  response.headers["location"] = "/" + name;
  return response;
}

Response Verbs::delete_bucket(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(name);
  if (found == buckets_.end()) return no_such_bucket();
  if (!found->second.empty()) return error_response(409, "BucketNotEmpty", "The bucket is not empty");
  buckets_.erase(found);
  Response response;
  response.status = 204;
  return response;
}

Response Verbs::list_objects(const Request& request) {
  PageRequest wanted;
  wanted.prefix = request.parameter("prefix");
  wanted.delimiter = request.parameter("delimiter");
  wanted.after = request.parameter("start-after");
  wanted.encode = request.parameter("encoding-type") == "url";
  wanted.max_keys = std::min(kMaxPage, parse_number<size_t>(request.parameter("max-keys")).value_or(kMaxPage));
  if (const auto token = request.parameter("continuation-token"); !token.empty()) {
    const auto key = key_of_token(token);
    if (!key) return error_response(400, "InvalidArgument", "The continuation token provided is incorrect");
    wanted.after = *key;
  }

  const std::lock_guard lock(mutex_);
  const auto bucket = buckets_.find(request.bucket);
  if (bucket == buckets_.end()) return no_such_bucket();
  const Page page = page_of(bucket->second, wanted);
  std::string content = element("Name", request.bucket) + element("Prefix", wanted.shown(wanted.prefix)) +
                        element("MaxKeys", std::to_string(wanted.max_keys)) +
                        element("KeyCount", std::to_string(page.count)) +
                        element("IsTruncated", page.more ? "true" : "false");
  if (!wanted.delimiter.empty()) content += element("Delimiter", wanted.shown(wanted.delimiter));
  if (wanted.encode) content += element("EncodingType", "url");
  if (page.more) content += element("NextContinuationToken", token_of(page.last));
  return xml_response(document("ListBucketResult", content + page.entries + page.common_prefixes));
}

Response Verbs::list_uploads(const std::string& bucket) {
  std::string content = element("Bucket", bucket) + element("IsTruncated", "false");
  const std::lock_guard lock(mutex_);
  for (const auto& [id, upload] : uploads_) {
    if (upload.bucket != bucket) continue;
    content += "<Upload>" + element("Key", upload.key) + element("UploadId", id) +
               element("Initiated", iso_date(upload.begun)) + "</Upload>";
  }
  return xml_response(document("ListMultipartUploadsResult", content));
}

Response Verbs::delete_objects(const Request& request) {
  const bool quiet = first_element(request.body, "Quiet") == "true";
  std::string content;
  const std::lock_guard lock(mutex_);
  const auto bucket = buckets_.find(request.bucket);
  if (bucket == buckets_.end()) return no_such_bucket();
  for (const std::string_view escaped : elements_of(request.body, "Key")) {
    bucket->second.erase(xml_unescape(escaped));
    if (!quiet) content += "<Deleted><Key>" + std::string(escaped) + "</Key></Deleted>";
  }
  return xml_response(document("DeleteResult", content));
}

}  // namespace s3dlio_bench
