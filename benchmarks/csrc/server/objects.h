// What the server holds: buckets, objects, uploads under way. Plain values behind one lock (see verbs.h).
#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "block.h"
#include "engine/crc/crc.h"
#include "message.h"

namespace s3dlio_bench {

struct Checksum {
  std::string name;   // "crc64nvme", "sha256", ...; "" for none
  std::string value;  // base64, "-N" behind it when composite
};

struct Object {
  Slices bytes;  // empty when discarded
  uint64_t size = 0;
  bool discarded = false;
  std::string etag;  // quoted
  Checksum checksum;
  Headers metadata;  // content-type, x-amz-meta-..., as sent
  time_t modified = 0;
};
using ObjectPointer = std::shared_ptr<const Object>;
using Bucket = std::map<std::string, ObjectPointer, std::less<>>;

struct Upload {
  std::string bucket, key;
  Headers metadata;
  std::string checksum_name;  // "" unless the client chose one
  bool full_object = false;   // the checksum's type; else composite
  time_t begun = 0;
  std::map<int, ObjectPointer> parts;
};

// A new value each time; opaque, as S3 says it is (not an MD5).
std::string new_etag(size_t parts = 0);
// Headers of a PUT that are stored and given back with the object.
Headers stored_headers(const Headers& headers);
// The x-amz-checksum-<name> header of a request, if any.
Checksum stated_checksum(const Headers& headers);
// kNone for names whose values are kept but not computed (sha1, sha256).
s3dlio::ChecksumKind kind_of(std::string_view checksum_name);
std::string compute_checksum(s3dlio::ChecksumKind kind, const Slices& bytes);  // base64
// Of the whole object from its parts': combined, or S3's checksum of checksums. "" where a part has none of that kind.
std::string checksum_of_parts(const Upload& upload, s3dlio::ChecksumKind kind);

}  // namespace s3dlio_bench
