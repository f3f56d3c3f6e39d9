#include "engine/store/s3/documents.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "engine/store/s3/checksum_names.h"
#include "engine/text/percent.h"
#include "engine/text/xml.h"

namespace s3dlio::s3 {
namespace {

Error bad_document(std::string_view expected, std::string_view what) {
  std::string message = "the answer is no readable ";
  message.append(expected).append(": ").append(what);
  message += "; a proxy or a service that does not speak S3 may have answered, check the endpoint";
  return make_error(ErrorCode::kProtocol, std::move(message));
}

// Runs `read_child` over the children of a root named `root`. It must consume each child and says what is wrong, or "".
template <class ReadChild>
std::optional<Error> read_document(text::XmlReader& xml, std::string_view root, ReadChild read_child) {
  const std::string_view found = xml.enter_root();
  if (xml.failed()) return bad_document(root, xml.failure());
  if (found != root) return bad_document(root, std::string("its root is ").append(found.substr(0, 64)));
  std::string_view name;
  while (xml.next_child(name)) {
    const std::string_view wrong = read_child(name);
    if (!wrong.empty() && !xml.failed()) return bad_document(root, wrong);
  }
  if (!xml.finish()) return bad_document(root, xml.failure());
  return std::nullopt;
}

bool parse_size(std::string_view text, uint64_t& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
}

std::string_view read_object(text::XmlReader& xml, ObjectMeta& object) {
  std::string_view wrong;
  std::string_view name;
  bool has_key = false;
  bool has_size = false;  // unknown is not 0
  while (xml.next_child(name)) {
    if (name == "Key") {
      object.key = xml.text();
      has_key = !object.key.empty();
    } else if (name == "Size") {
      has_size = true;
      if (!parse_size(xml.text(), object.size)) wrong = "a Size is no number";
    } else if (name == "ETag") {
      object.etag = xml.text();
    } else if (name == "LastModified") {
      object.last_modified = seconds_of_iso_date(xml.text());
    } else if (name == "StorageClass") {
      object.storage_class = xml.text();
    } else {
      xml.skip();
    }
  }
  if (!has_key) return "an object has no Key";
  return has_size ? wrong : "an object has no Size";
}

std::string_view read_prefix(text::XmlReader& xml, std::vector<std::string>& prefixes) {
  std::string_view name;
  while (xml.next_child(name)) {
    if (name == "Prefix") {
      prefixes.emplace_back(xml.text());
    } else {
      xml.skip();
    }
  }
  return {};
}

// Keys of a listing asked for with encoding-type=url. S3 writes a space as "+" there.
bool decode_in_place(std::string& key) {
  if (key.find_first_of("%+") == std::string::npos) return true;
  auto plain = text::decoded(key, true);
  if (!plain) return false;
  key = std::move(*plain);
  return true;
}

std::string_view read_upload(text::XmlReader& xml, transfer::UploadPage& page) {
  transfer::UploadInfo upload;
  std::string_view name;
  while (xml.next_child(name)) {
    if (name == "Key") {
      upload.key = xml.text();
    } else if (name == "UploadId") {
      upload.upload_id = xml.text();
    } else if (name == "Initiated") {
      upload.initiated = seconds_of_iso_date(xml.text());
    } else {
      xml.skip();
    }
  }
  if (upload.key.empty() || upload.upload_id.empty()) return "an upload has no Key or UploadId";
  page.uploads.push_back(std::move(upload));
  return {};
}

std::string_view read_bucket(text::XmlReader& xml, std::vector<BucketInfo>& buckets) {
  BucketInfo bucket;
  std::string_view name;
  while (xml.next_child(name)) {
    if (name == "Name") {
      bucket.name = xml.text();
    } else if (name == "CreationDate") {
      bucket.created = seconds_of_iso_date(xml.text());
    } else {
      xml.skip();
    }
  }
  if (bucket.name.empty()) return "a bucket has no Name";
  buckets.push_back(std::move(bucket));
  return {};
}

void read_error_fields(text::XmlReader& xml, ErrorDocument& error) {
  std::string_view name;
  while (xml.next_child(name)) {
    if (name == "Code") {
      error.code = xml.text();
    } else if (name == "Message") {
      error.message = xml.text();
    } else if (name == "RequestId") {
      error.request_id = xml.text();
    } else if (name == "Region") {
      error.region = xml.text();
    } else if (name == "Endpoint") {
      error.endpoint = xml.text();
    } else if (name == "Condition") {
      error.condition = xml.text();
    } else if (name == "Header") {
      error.header = xml.text();
    } else {
      xml.skip();
    }
  }
}

}  // namespace

std::optional<ErrorDocument> read_error_document(std::string_view body) {
  text::XmlReader xml(body);
  ErrorDocument error;
  const std::string_view root = xml.enter_root();
  if (root == "Error") {
    read_error_fields(xml, error);
  } else if (root == "ErrorResponse") {
    std::string_view name;
    while (xml.next_child(name)) {
      if (name == "Error") {
        read_error_fields(xml, error);
      } else {
        xml.skip();
      }
    }
  }
  if (!xml.finish() || error.code.empty()) return std::nullopt;
  return error;
}

Result<ListDocument> read_list_document(std::string_view body) {
  text::XmlReader xml(body);
  ListDocument list;
  bool url_encoded = false;
  const auto error = read_document(xml, "ListBucketResult", [&](std::string_view name) -> std::string_view {
    if (name == "Contents") return read_object(xml, list.objects.emplace_back());
    if (name == "CommonPrefixes") return read_prefix(xml, list.common_prefixes);
    if (name == "EncodingType") {
      url_encoded = xml.text() == "url";
    } else if (name == "IsTruncated") {
      const std::string_view value = xml.text();
      list.truncated = value == "true";
      if (value != "true" && value != "false") return "IsTruncated is neither true nor false";
    } else if (name == "NextContinuationToken") {
      list.next_token = xml.text();
    } else {
      xml.skip();
    }
    return {};
  });
  if (error) return *error;
  if (url_encoded) {
    bool sound = true;
    for (auto& object : list.objects) sound = decode_in_place(object.key) && sound;
    for (auto& prefix : list.common_prefixes) sound = decode_in_place(prefix) && sound;
    if (!sound) return bad_document("ListBucketResult", "a key is not percent-encoded as announced");
  }
  return list;
}

Result<DeleteDocument> read_delete_document(std::string_view body) {
  text::XmlReader xml(body);
  DeleteDocument document;
  const auto error = read_document(xml, "DeleteResult", [&](std::string_view kind) -> std::string_view {
    if (kind != "Deleted" && kind != "Error") return xml.skip(), std::string_view{};
    const bool failed = kind == "Error";
    DeleteDocument::Failure entry;
    std::string_view name;
    while (xml.next_child(name)) {
      if (name == "Key") {
        entry.key = xml.text();
      } else if (name == "Code") {
        entry.code = xml.text();
      } else if (name == "Message") {
        entry.message = xml.text();
      } else {
        xml.skip();
      }
    }
    if (entry.key.empty()) return "an entry has no Key";
    if (failed) {
      document.failures.push_back(std::move(entry));
    } else {
      document.deleted.push_back(std::move(entry.key));
    }
    return {};
  });
  if (error) return *error;
  return document;
}

std::optional<PutResult> read_result_document(std::string_view body, std::string_view root) {
  text::XmlReader xml(body);
  PutResult result;
  const auto error = read_document(xml, root, [&](std::string_view name) -> std::string_view {
    if (name == "ETag") {
      result.etag = xml.text();
    } else if (const ChecksumKind kind = checksum_of_element(name); kind != ChecksumKind::kNone) {
      result.checksum_kind = kind;
      result.checksum = xml.text();
    } else {
      xml.skip();
    }
    return {};
  });
  if (error) return std::nullopt;
  return result;
}

Result<std::vector<std::pair<std::string, std::string>>> read_tags_document(std::string_view body) {
  text::XmlReader xml(body);
  std::vector<std::pair<std::string, std::string>> tags;
  const auto error = read_document(xml, "Tagging", [&](std::string_view name) -> std::string_view {
    if (name != "TagSet") return xml.skip(), std::string_view{};
    std::string_view wrong, element;
    while (xml.next_child(element)) {
      if (element != "Tag") {
        xml.skip();
        continue;
      }
      auto& [tag, value] = tags.emplace_back();
      std::string_view part;
      while (xml.next_child(part)) {
        if (part == "Key") {
          tag = xml.text();
        } else if (part == "Value") {
          value = xml.text();
        } else {
          xml.skip();
        }
      }
      if (tag.empty()) wrong = "a tag has no Key";
    }
    return wrong;
  });
  if (error) return *error;
  return tags;
}

Result<std::string> read_upload_id_document(std::string_view body) {
  text::XmlReader xml(body);
  std::string id;
  const auto error =
      read_document(xml, "InitiateMultipartUploadResult", [&](std::string_view name) -> std::string_view {
        if (name == "UploadId") {
          id = xml.text();
        } else {
          xml.skip();
        }
        return {};
      });
  if (error) return *error;
  if (id.empty()) return bad_document("InitiateMultipartUploadResult", "it has no UploadId");
  return id;
}

Result<transfer::UploadedPage> read_parts_document(std::string_view body) {
  text::XmlReader xml(body);
  transfer::UploadedPage page;
  std::string marker;  // of this page, echoed
  bool truncated = false;
  const auto error = read_document(xml, "ListPartsResult", [&](std::string_view name) -> std::string_view {
    if (name == "Part") {
      std::string_view field;
      while (xml.next_child(field)) {
        if (field == "LastModified") {
          page.newest = std::max(page.newest, seconds_of_iso_date(xml.text()));
        } else {
          xml.skip();
        }
      }
    } else if (name == "IsTruncated") {
      truncated = xml.text() == "true";
    } else if (name == "PartNumberMarker") {
      marker = xml.text();
    } else if (name == "NextPartNumberMarker") {
      page.marker = xml.text();
    } else {
      xml.skip();
    }
    return {};
  });
  if (error) return *error;
  if (!truncated) {
    page.marker.clear();
  } else if (page.marker.empty() || page.marker == marker) {
    return bad_document("ListPartsResult", "it is truncated but names no next page");
  }
  return page;
}

Result<transfer::UploadPage> read_uploads_document(std::string_view body) {
  text::XmlReader xml(body);
  transfer::UploadPage page;
  std::string key_marker, upload_id_marker;  // of this page, echoed
  bool url_encoded = false;
  bool truncated = false;
  const auto error = read_document(xml, "ListMultipartUploadsResult", [&](std::string_view name) -> std::string_view {
    if (name == "Upload") return read_upload(xml, page);
    if (name == "EncodingType") {
      url_encoded = xml.text() == "url";
    } else if (name == "IsTruncated") {
      truncated = xml.text() == "true";
    } else if (name == "KeyMarker") {
      key_marker = xml.text();
    } else if (name == "UploadIdMarker") {
      upload_id_marker = xml.text();
    } else if (name == "NextKeyMarker") {
      page.key_marker = xml.text();
    } else if (name == "NextUploadIdMarker") {
      page.upload_id_marker = xml.text();
    } else {
      xml.skip();
    }
    return {};
  });
  if (error) return *error;
  if (!truncated) {
    page.key_marker.clear();
    page.upload_id_marker.clear();
  } else if (page.key_marker.empty()) {
    return bad_document("ListMultipartUploadsResult", "it is truncated but names no next page");
  } else if (page.key_marker == key_marker && page.upload_id_marker == upload_id_marker) {
    return bad_document("ListMultipartUploadsResult", "its next page is itself, which would never end");
  }
  if (url_encoded) {
    bool sound = decode_in_place(page.key_marker);
    for (auto& upload : page.uploads) sound = decode_in_place(upload.key) && sound;
    if (!sound) return bad_document("ListMultipartUploadsResult", "a key is not percent-encoded as announced");
  }
  return page;
}

Result<BucketsDocument> read_buckets_document(std::string_view body) {
  text::XmlReader xml(body);
  BucketsDocument document;
  const auto error = read_document(xml, "ListAllMyBucketsResult", [&](std::string_view name) -> std::string_view {
    if (name == "ContinuationToken") {
      document.next_token = xml.text();
    } else if (name == "Buckets") {
      std::string_view wrong;
      std::string_view child;
      while (xml.next_child(child)) {
        if (child == "Bucket") {
          if (const auto found = read_bucket(xml, document.buckets); !found.empty()) wrong = found;
        } else {
          xml.skip();
        }
      }
      return wrong;
    } else {
      xml.skip();
    }
    return {};
  });
  if (error) return *error;
  return document;
}

double seconds_of_iso_date(std::string_view text) {
  const auto number = [&text](size_t at, size_t digits, int& out) {
    if (at + digits > text.size()) return false;
    const char* first = text.data() + at;
    const auto parsed = std::from_chars(first, first + digits, out);
    return parsed.ec == std::errc{} && parsed.ptr == first + digits && *first != '-';
  };
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!number(0, 4, year) || !number(5, 2, month) || !number(8, 2, day) || !number(11, 2, hour) ||
      !number(14, 2, minute) || !number(17, 2, second) || text[4] != '-' || text[7] != '-' || text[10] != 'T') {
    return 0;
  }
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return 0;
  double fraction = 0;
  double weight = 0.1;
  for (size_t i = 20; text.size() > 19 && text[19] == '.' && i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    fraction += weight * (text[i] - '0');
    weight /= 10;
  }
  const auto days_since = sys_days(date).time_since_epoch().count();
  return static_cast<double>(days_since) * 86400.0 + hour * 3600.0 + minute * 60.0 + second + fraction;
}

}  // namespace s3dlio::s3
