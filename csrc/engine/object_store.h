// A store: objects under keys. The face every door (Python, torch, TensorFlow) and every back end (s3, file, direct,
// ...) shares. Every method may be called from any thread and returns at once; futures are fulfilled by engine threads.
// Memory named by a span belongs to the caller and stays alive until the future is ready.
// Keys are opaque UTF-8 of 1..1024 bytes; nothing in them is collapsed or normalised.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/future.h"
#include "engine/base/result.h"
#include "engine/crc/crc.h"
#include "engine/memory/buffer.h"

namespace s3dlio {

struct ObjectMeta {
  std::string key;
  uint64_t size = 0;  // as the service stated it: where it states none, a verb finds it out or fails
  std::string etag;   // as the service gives it, quotes included; "" where there is none
  std::string version_id;
  double last_modified = 0;  // seconds since the epoch; 0: unknown
  std::string content_type;
  std::string content_encoding;
  std::string storage_class;
  std::string server_side_encryption;
  std::string sse_kms_key_id;
  ChecksumKind checksum_kind = ChecksumKind::kNone;
  std::string checksum;  // base64, with "-N" when it is composite
  std::map<std::string, std::string> user_metadata;
  // For the engine's own use: what a copy in parts takes along, and what a write of ours is recognised by.
  std::string cache_control, content_disposition, content_language, expires;
  uint64_t tags = 0;     // how many it has
  std::string write_id;  // of the write that stored it, see PutOptions
};

enum class Verify : uint8_t { kWhenSupported, kNever };

struct GetOptions {
  std::optional<uint64_t> size_hint;  // the object's size, from a listing: spares the probe
  std::string if_match;               // etag; kPreconditionFailed when the object has another
  std::string version_id;
  std::optional<Verify> verify;  // overrides the store's
};

struct RangeInto {  // bytes [offset, offset + out.size()) of the object go to `out`
  uint64_t offset = 0;
  std::span<std::byte> out;
};

struct FetchedObject {
  Buffer data;
  ObjectMeta meta;  // at least size and etag of the whole object
};
struct ReadResult {
  uint64_t bytes_read = 0;  // less than asked only where the object ends inside the range
  uint64_t object_size = 0;
  std::string etag;
};
struct RangesResult {
  std::vector<uint64_t> bytes_read;  // per range, in the caller's order
  uint64_t object_size = 0;
  std::string etag;
};

struct PutOptions {
  bool if_none_match = false;  // create only: kAlreadyExists if something is there
  std::string if_match;        // replace only that etag: kPreconditionFailed
  std::string content_type, content_encoding, cache_control, content_disposition, storage_class;
  std::map<std::string, std::string> user_metadata;
  std::optional<uint64_t> part_size;      // bytes; default from the store's tuning
  std::optional<uint64_t> expected_size;  // writer only: a hint to size parts
  // Set by the engine. Copies: what the source has. `write_id` names one write: kept as metadata, it proves after a
  // lost answer whose object is there.
  std::string content_language, expires, tagging, server_side_encryption, sse_kms_key_id, write_id;
};
struct PutResult {
  std::string etag, version_id;
  uint64_t size = 0;
  ChecksumKind checksum_kind = ChecksumKind::kNone;
  std::string checksum;  // base64
};

struct ListRequest {
  std::string prefix;              // literal, no pattern
  std::string delimiter;           // "" lists everything below; "/" folds into common_prefixes
  std::string start_after;         // keys strictly greater
  std::string continuation_token;  // from the last page
  uint32_t max_keys = 1000;
};
struct ListPage {  // keys ascend in UTF-8 byte order within and across pages
  std::vector<ObjectMeta> objects;
  std::vector<std::string> common_prefixes;
  std::string continuation_token;  // "" on the last page
};

struct DeleteOutcome {
  std::string key;
  std::optional<Error> error;  // deleting what is not there is no error
};
struct CopyRequest {
  std::string source_bucket;  // "": this store's
  std::string source_key;
  std::string key;  // in this store's bucket
  std::string source_version_id, source_if_match;
};
struct BucketInfo {
  std::string name;
  double created = 0;  // seconds since the epoch
};

// Writes one object piece by piece. Nothing is visible before close() succeeds; dropping it without close() aborts.
// Not for several threads at once.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  // Ready when `data` may be changed again: copied, or sent and acknowledged (large pieces go straight from there).
  // Waits while the window is full: that is the back-pressure. After a cancelled write only abort() makes sense.
  virtual Future<Unit> write(std::span<const std::byte> data) = 0;
  virtual Future<PutResult> close() = 0;  // completes the object; an error aborts it
  virtual Future<Unit> abort() = 0;       // harmless after close() or another abort()
  virtual uint64_t bytes_written() const = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Whole object into memory of ours.
  virtual Future<FetchedObject> get(std::string key, GetOptions options) = 0;
  // Bytes [start, end) into memory of ours; no end: to the object's end. Cut at the object's end.
  virtual Future<FetchedObject> get_range(std::string key, uint64_t start, std::optional<uint64_t> end,
                                          GetOptions options) = 0;
  // Fills `out` with bytes from `offset`; short only at the object's end. kRangeNotSatisfiable if offset lies past the
  // end.
  virtual Future<ReadResult> get_into(std::string key, uint64_t offset, std::span<std::byte> out,
                                      GetOptions options) = 0;
  // Scatter: ranges may come in any order and may overlap in the object, not in memory. Near ones share requests.
  virtual Future<RangesResult> get_ranges(std::string key, std::vector<RangeInto> ranges, GetOptions options) = 0;

  virtual Future<PutResult> put(std::string key, std::span<const std::byte> data, PutOptions options) = 0;
  virtual Result<std::unique_ptr<ObjectWriter>> open_writer(std::string key, PutOptions options) = 0;

  virtual Future<ObjectMeta> head(std::string key, std::string version_id) = 0;
  virtual Future<ListPage> list_page(ListRequest request) = 0;
  virtual Future<std::vector<DeleteOutcome>> delete_many(std::vector<std::string> keys) = 0;  // caller's order
  virtual Future<PutResult> copy(CopyRequest request, PutOptions options) = 0;

  virtual Future<Unit> create_bucket() = 0;
  virtual Future<Unit> delete_bucket() = 0;
  virtual Future<std::vector<BucketInfo>> list_buckets() = 0;
  // Aborts multipart uploads (file stores: temporaries) below `prefix` begun more than `age` ago; gives how many.
  virtual Future<uint64_t> sweep_uploads(std::string prefix, std::chrono::seconds age) = 0;

  virtual std::string uri_of(const std::string& key) const = 0;
};

}  // namespace s3dlio
