// A small S3 in memory, for FakeClient: objects, conditions, ranges, uploads in parts, lists, batches; faults by hook.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/crc/crc.h"
#include "engine/text/percent.h"
#include "transfer/fake_client.h"

namespace s3dlio::test {

struct Stored {
  std::string data;
  std::string etag;
  bool has_checksum = true;
  std::map<std::string, std::string> headers;  // content type, metadata
};

inline std::string checksum_text(std::string_view data) {
  return crc_to_base64(ChecksumKind::kCrc64Nvme,
                       crc_update(ChecksumKind::kCrc64Nvme, 0, std::as_bytes(std::span(data.data(), data.size()))));
}

class FakeS3 {
 public:
  using Hook = std::function<std::optional<Reply>(const Seen& seen, int number)>;
  using Tamper = std::function<void(const Seen& seen, int number, Reply& reply)>;

  std::map<std::string, Stored> objects;
  struct Upload {
    std::string key;
    std::map<int, Stored> parts;
    std::map<std::string, std::string> headers;
    std::string initiated = "2024-01-01T00:00:00.000Z";
    std::string last_part;  // when it arrived; "" as many small services leave it
  };
  std::map<std::string, Upload> uploads;
  std::map<std::string, int> aborted;
  Hook instead;   // an answer in place of ours; the request is not carried out
  Tamper tamper;  // a change to our answer, after it was carried out
  int requests = 0;
  int generation = 0;
  size_t list_page = 1000;
  bool lists_all = false;  // uploads, whatever the prefix

  void store(const std::string& key, std::string data) {
    objects[key] = {std::move(data), "", true, {}};
    objects[key].etag = "\"g" + std::to_string(++generation) + "\"";
  }

  Reply operator()(const Seen& seen) {
    const int number = ++requests;
    if (instead) {
      if (auto reply = instead(seen, number)) return *reply;
    }
    Reply reply = serve(seen);
    reply.headers.add("x-amz-request-id", "REQ" + std::to_string(number));
    if (tamper) tamper(seen, number, reply);
    return reply;
  }

  static Reply error(int status, const std::string& code) {
    Reply reply;
    reply.status = status;
    reply.body = "<?xml version=\"1.0\"?><Error><Code>" + code +
                 "</Code><Message>scripted</Message><RequestId>RQ7</RequestId></Error>";
    reply.headers.add("Content-Type", "application/xml");
    return reply;
  }
  static Reply reset(http::Stage stage = http::Stage::kFirstByte) {
    Reply reply;
    reply.failure = make_error(ErrorCode::kConnection, "reset by peer");
    reply.failure_stage = stage;
    return reply;
  }

 private:
  static std::map<std::string, std::string> parse_query(const std::string& query) {
    std::map<std::string, std::string> out;
    size_t at = 0;
    while (at < query.size()) {
      const size_t end = std::min(query.find('&', at), query.size());
      const std::string item = query.substr(at, end - at);
      const size_t equals = std::min(item.find('='), item.size());
      out[item.substr(0, equals)] = equals < item.size() ? text::decoded(item.substr(equals + 1)).value_or("") : "";
      at = end + 1;
    }
    return out;
  }
  static std::string header(const http::Request& request, std::string_view name) {
    return std::string(request.headers.find(name).value_or(""));
  }
  static std::string between(std::string_view text, std::string_view open, std::string_view close, size_t& at) {
    const size_t start = text.find(open, at);
    if (start == std::string_view::npos) return at = std::string::npos, "";
    const size_t end = text.find(close, start);
    at = end;
    return std::string(text.substr(start + open.size(), end - start - open.size()));
  }

  Reply serve(const Seen& seen) {
    const http::Request& request = seen.request;
    auto query = parse_query(request.query);
    std::string key = text::decoded(request.path.substr(1)).value();
    const size_t slash = key.find('/');
    key = slash == std::string::npos ? "" : key.substr(slash + 1);
    if (key.empty()) return serve_bucket(seen, query);
    if (query.contains("uploads") || query.contains("uploadId")) return serve_upload(seen, key, query);
    if (request.method == "PUT") return header(request, "x-amz-copy-source").empty() ? put(seen, key) : copy(seen, key);
    if (request.method == "DELETE") {
      objects.erase(key);
      Reply reply;
      reply.status = 204;
      return reply;
    }
    return get(seen, key);
  }

  Reply get(const Seen& seen, const std::string& key) {
    const bool is_head = seen.request.method == "HEAD";
    const auto found = objects.find(key);
    if (found == objects.end()) {
      Reply reply = error(404, "NoSuchKey");
      reply.is_head = is_head;
      return reply;
    }
    const Stored& object = found->second;
    const std::string match = header(seen.request, "If-Match");
    if (!match.empty() && match != object.etag) return error(412, "PreconditionFailed");
    Reply reply;
    reply.headers.add("ETag", object.etag);
    reply.headers.add("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT");
    for (const auto& [name, value] : object.headers) reply.headers.add(name, value);
    reply.body = object.data;
    reply.is_head = is_head;
    if (is_head) reply.content_length = object.data.size();
    const std::string range = header(seen.request, "Range");
    if (range.empty()) {
      if (object.has_checksum && header(seen.request, "x-amz-checksum-mode") == "ENABLED") {
        reply.headers.add("x-amz-checksum-crc64nvme", checksum_text(object.data));
        reply.headers.add("x-amz-checksum-type", "FULL_OBJECT");
      }
      return reply;
    }
    const uint64_t start = std::stoull(range.substr(6));
    uint64_t end = std::stoull(range.substr(range.find('-') + 1)) + 1;
    const uint64_t total = object.data.size();
    if (start >= total) {
      Reply refused = error(416, "InvalidRange");
      refused.headers.add("Content-Range", "bytes */" + std::to_string(total));
      return refused;
    }
    end = std::min(end, total);
    reply.status = 206;
    reply.body = object.data.substr(start, end - start);
    reply.headers.add("Content-Range",
                      "bytes " + std::to_string(start) + "-" + std::to_string(end - 1) + "/" + std::to_string(total));
    return reply;
  }

  std::optional<Reply> refused_write(const http::Request& request, const std::string& key, std::string_view body) {
    const bool exists = objects.contains(key);
    if (header(request, "If-None-Match") == "*" && exists) return error(412, "PreconditionFailed");
    const std::string match = header(request, "If-Match");
    if (!match.empty() && (!exists || objects[key].etag != match)) return error(412, "PreconditionFailed");
    const std::string checksum = header(request, "x-amz-checksum-crc64nvme");
    if (!checksum.empty() && !body.empty() && checksum != checksum_text(body)) return error(400, "BadDigest");
    return std::nullopt;
  }

  static std::map<std::string, std::string> kept_headers(const http::Request& request) {
    std::map<std::string, std::string> kept;
    for (const std::string_view name :
         {"Content-Type", "Content-Encoding", "Cache-Control", "Content-Disposition", "Content-Language", "Expires",
          "x-amz-storage-class", "x-amz-tagging", "x-amz-server-side-encryption",
          "x-amz-server-side-encryption-aws-kms-key-id"}) {
      if (const auto value = request.headers.find(name)) kept[std::string(name)] = *value;
    }
    for (const auto& [name, value] : request.headers) {
      if (name.starts_with("x-amz-meta-")) kept[name] = value;
    }
    return kept;
  }

  Reply put(const Seen& seen, const std::string& key) {
    if (auto refused = refused_write(seen.request, key, seen.body)) return *refused;
    store(key, seen.body);
    objects[key].headers = kept_headers(seen.request);
    Reply reply;
    reply.headers.add("ETag", objects[key].etag);
    const std::string checksum = header(seen.request, "x-amz-checksum-crc64nvme");
    if (!checksum.empty()) reply.headers.add("x-amz-checksum-crc64nvme", checksum);
    return reply;
  }

  std::string source_of(const http::Request& request) {
    const std::string source = text::decoded(header(request, "x-amz-copy-source")).value();
    return source.substr(source.find('/', 1) + 1);
  }

  Reply copy(const Seen& seen, const std::string& key) {
    const std::string source = source_of(seen.request);
    if (!objects.contains(source)) return error(404, "NoSuchKey");
    const Stored from = objects[source];
    store(key, from.data);
    objects[key].headers = from.headers;
    objects[key].etag = from.etag;  // the same bytes have the same MD5
    Reply reply;
    reply.body = "<CopyObjectResult><ETag>" + objects[key].etag + "</ETag></CopyObjectResult>";
    return reply;
  }

  Reply serve_upload(const Seen& seen, const std::string& key, std::map<std::string, std::string>& query) {
    const http::Request& request = seen.request;
    if (request.method == "POST" && query.contains("uploads")) {
      const std::string id = "up" + std::to_string(++generation);
      uploads[id].key = key;
      uploads[id].headers = kept_headers(request);
      Reply reply;
      reply.body = "<InitiateMultipartUploadResult><UploadId>" + id + "</UploadId></InitiateMultipartUploadResult>";
      return reply;
    }
    const std::string id = query["uploadId"];
    if (!uploads.contains(id)) return error(404, "NoSuchUpload");
    if (request.method == "GET") {
      Reply reply;
      reply.body = "<ListPartsResult><IsTruncated>false</IsTruncated>";
      if (!uploads[id].last_part.empty()) {
        reply.body +=
            "<Part><PartNumber>1</PartNumber><LastModified>" + uploads[id].last_part + "</LastModified></Part>";
      }
      reply.body += "</ListPartsResult>";
      return reply;
    }
    if (request.method == "DELETE") {
      uploads.erase(id);
      ++aborted[key];
      Reply reply;
      reply.status = 204;
      return reply;
    }
    if (request.method == "PUT") return put_part(seen, id, std::stoi(query["partNumber"]));
    return complete(seen, key, id);
  }

  Reply put_part(const Seen& seen, const std::string& id, int number) {
    std::string data = seen.body;
    const bool copied = !header(seen.request, "x-amz-copy-source").empty();
    if (copied) {
      const std::string source = source_of(seen.request);
      const std::string range = header(seen.request, "x-amz-copy-source-range");
      const uint64_t start = std::stoull(range.substr(6));
      data = objects[source].data.substr(start, std::stoull(range.substr(range.find('-') + 1)) + 1 - start);
    } else {
      const std::string checksum = header(seen.request, "x-amz-checksum-crc64nvme");
      if (!checksum.empty() && checksum != checksum_text(data)) return error(400, "BadDigest");
    }
    Stored& part = uploads[id].parts[number];
    part.data = data;
    part.etag = "\"p" + std::to_string(++generation) + "\"";
    Reply reply;
    reply.headers.add("ETag", part.etag);
    if (copied) reply.body = "<CopyPartResult><ETag>" + part.etag + "</ETag></CopyPartResult>";
    return reply;
  }

  Reply complete(const Seen& seen, const std::string& key, const std::string& id) {
    std::string data;
    size_t at = 0;
    int count = 0;
    while (true) {
      const std::string number = between(seen.body, "<PartNumber>", "</PartNumber>", at);
      if (at == std::string::npos) break;
      const std::string etag = between(seen.body, "<ETag>", "</ETag>", at);
      const auto part = uploads[id].parts.find(std::stoi(number));
      std::string plain = etag;
      for (size_t quote; (quote = plain.find("&quot;")) != std::string::npos;) plain.replace(quote, 6, "\"");
      if (part == uploads[id].parts.end() || part->second.etag != plain) return error(400, "InvalidPart");
      data += part->second.data;
      ++count;
    }
    if (auto refused = refused_write(seen.request, key, data)) return *refused;
    const std::string size = header(seen.request, "x-amz-mp-object-size");
    if (!size.empty() && size != std::to_string(data.size())) return error(400, "InvalidRequest");
    const auto headers = uploads[id].headers;
    uploads.erase(id);
    store(key, data);
    Stored& object = objects[key];
    object.headers = headers;
    object.etag = "\"m" + std::to_string(++generation) + "-" + std::to_string(count) + "\"";
    Reply reply;
    reply.body = "<CompleteMultipartUploadResult><ETag>" + object.etag + "</ETag></CompleteMultipartUploadResult>";
    return reply;
  }

  Reply serve_bucket(const Seen& seen, std::map<std::string, std::string>& query) {
    Reply reply;
    if (seen.request.method == "GET" && query.contains("uploads")) {
      reply.body = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>";
      for (const auto& [id, upload] : uploads) {
        if (!lists_all && !upload.key.starts_with(query["prefix"])) continue;
        reply.body += "<Upload><Key>" + upload.key + "</Key><UploadId>" + id + "</UploadId>";
        if (!upload.initiated.empty()) reply.body += "<Initiated>" + upload.initiated + "</Initiated>";
        reply.body += "</Upload>";
      }
      reply.body += "</ListMultipartUploadsResult>";
      return reply;
    }
    if (seen.request.method == "GET") {
      reply.body = "<ListBucketResult>";
      std::string last = std::max(query["start-after"], query["continuation-token"]);
      size_t count = 0;
      bool truncated = false;
      for (auto it = objects.upper_bound(last); it != objects.end(); ++it) {
        if (!it->first.starts_with(query["prefix"])) continue;
        if (count == list_page) {
          truncated = true;
          break;
        }
        reply.body += "<Contents><Key>" + it->first + "</Key><Size>" + std::to_string(it->second.data.size()) +
                      "</Size><ETag>" + it->second.etag + "</ETag></Contents>";
        last = it->first;
        ++count;
      }
      reply.body += std::string("<IsTruncated>") + (truncated ? "true" : "false") + "</IsTruncated>";
      if (truncated) reply.body += "<NextContinuationToken>" + last + "</NextContinuationToken>";
      reply.body += "</ListBucketResult>";
      return reply;
    }
    if (seen.request.method == "POST" && query.contains("delete")) {
      reply.body = "<DeleteResult>";
      size_t at = 0;
      while (true) {
        const std::string key = between(seen.body, "<Key>", "</Key>", at);
        if (at == std::string::npos) break;
        objects.erase(key);
        reply.body += "<Deleted><Key>" + key + "</Key></Deleted>";
      }
      reply.body += "</DeleteResult>";
      return reply;
    }
    if (seen.request.method == "DELETE") reply.status = 204;
    return reply;
  }
};

}  // namespace s3dlio::test
