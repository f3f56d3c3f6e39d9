// What differs between object stores that speak HTTP: how requests are spelt and signed, how answers and errors are
// read. Pure translation: no I/O, no retrying, no state but the configuration and what a redirect taught. Any thread.
// store/s3 is the first dialect; Azure and Google follow without a change on this side.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/credentials.h"
#include "engine/http/client.h"
#include "engine/http/message.h"
#include "engine/object_store.h"
#include "engine/transfer/read/byte_range.h"

namespace s3dlio::transfer {

struct GetTarget {
  std::string key;
  std::string version_id;
  std::string if_match;            // "" asks unconditionally
  std::optional<ByteRange> range;  // none: the whole object
  bool want_checksum = false;      // ask the server to send its stored checksum
};

struct Checksum {  // kNone: absent
  ChecksumKind kind = ChecksumKind::kNone;
  uint64_t value = 0;
};

struct UploadTarget {
  std::string key;
  std::string upload_id;
};
struct UploadedPart {
  uint32_t number = 0;  // from 1
  uint64_t size = 0;
  std::string etag;
  Checksum checksum;
};

// What the service says about an answer that is not a success.
enum class Verdict : uint8_t {
  kFinal,               // tell the caller
  kRetry,               // a server's or network's hiccup
  kThrottled,           // retry, slower
  kRefreshCredentials,  // once, then kFinal
  kFixClock,            // once: learn the offset from the Date header
  kRedirect,            // once: the dialect has learnt region or endpoint, sign and send again
  kAskOtherwise,        // the call's next request is another one: send it at once
};
struct ServiceError {
  Error error;
  Verdict verdict = Verdict::kFinal;
};

struct UploadInfo {
  std::string key, upload_id;
  double initiated = 0;  // seconds since the epoch; 0: unknown
};
struct UploadedPage {  // of the parts of one upload
  double newest = 0;   // when the last of them arrived, seconds since the epoch; 0: unknown, or there is none
  std::string marker;  // "" on the last page
};
struct UploadPage {
  std::vector<UploadInfo> uploads;
  std::string key_marker, upload_id_marker;  // "" on the last page
};

struct Limits {
  uint64_t min_part_size = 5ull << 20;  // all but the last part
  uint64_t max_part_size = 5ull << 30;
  uint32_t max_parts = 10000;
  uint64_t max_copy_size = 5ull << 30;  // larger objects are copied part by part
  uint64_t max_put_size = 5ull << 30;
  uint32_t max_delete_keys = 1000;
  bool equal_parts = false;  // all but the last part must have the same size
};

class Dialect {
 public:
  virtual ~Dialect() = default;

  virtual std::string uri_of(std::string_view key) const = 0;
  virtual Limits limits() const = 0;
  virtual http::Endpoint endpoint() const = 0;
  // kInvalidArgument: empty, longer than 1024 bytes, NUL, not UTF-8.
  virtual Result<Unit> check_key(std::string_view key) const = 0;
  // kInvalidArgument: CR, LF or NUL in any value that would become a header.
  virtual Result<Unit> check_put(const PutOptions& options) const = 0;

  // Signs for one attempt; adds Host, date and authorization. `payload_checked` as configured (auto, always, never).
  virtual void sign(http::Request& request, const std::optional<Credentials>& credentials,
                    std::chrono::system_clock::time_point now) const = 0;

  // ---- objects ----
  virtual http::Request get(const GetTarget& target) const = 0;
  virtual http::Request head(std::string_view key, std::string_view version_id, bool want_checksum) const = 0;
  // How large the whole object is, as an answer to get/head says it. Nothing where it does not say: unknown is not 0.
  virtual std::optional<uint64_t> read_size(const http::ResponseHead& head) const = 0;
  // The rest of what it says, about an object of that size.
  virtual ObjectMeta read_meta(std::string_view key, const http::ResponseHead& head, uint64_t size) const = 0;
  // The full-object checksum an answer to get/head carries, if it is of a kind that can be verified (not composite).
  virtual Checksum read_checksum(const http::ResponseHead& head) const = 0;
  virtual http::Request put(std::string_view key, const PutOptions& options, const Checksum& checksum) const = 0;
  virtual PutResult read_put(const http::ResponseHead& head) const = 0;
  // The ETag that a service which makes it of MD5s gives these bytes, or these parts put together; "" where none does.
  // An object with that ETag has that content; another ETag proves nothing.
  virtual std::string etag_of(std::span<const std::byte> data) const {
    static_cast<void>(data);
    return {};
  }
  virtual std::string etag_of_parts(const std::vector<UploadedPart>& parts) const {
    static_cast<void>(parts);
    return {};
  }
  virtual http::Request copy(const CopyRequest& request, const PutOptions& options) const = 0;
  virtual Result<PutResult> read_copy(const http::ResponseHead& head,
                                      std::string_view body) const = 0;  // a 200 may carry an error

  // Asks about the source of a copy, which may lie in another bucket; read with read_meta.
  virtual http::Request head_source(const CopyRequest& request) const {
    return head(request.source_key, request.source_version_id, false);
  }
  // The tags of the source of a copy, in the form PutOptions::tagging has.
  virtual http::Request source_tags(const CopyRequest& request) const = 0;
  virtual Result<std::string> read_tags(std::string_view body) const = 0;

  // ---- uploads in parts ----
  virtual http::Request start_upload(std::string_view key, const PutOptions& options, ChecksumKind kind) const = 0;
  virtual Result<std::string> read_upload_id(std::string_view body) const = 0;
  virtual http::Request upload_part(const UploadTarget& target, uint32_t number, const Checksum& checksum) const = 0;
  virtual http::Request copy_part(const UploadTarget& target, uint32_t number, const CopyRequest& request,
                                  ByteRange range) const = 0;
  // kProtocol when the answer carries no ETag.
  virtual Result<UploadedPart> read_part(const http::ResponseHead& head, std::string_view body) const = 0;
  virtual http::Request complete_upload(const UploadTarget& target, const std::vector<UploadedPart>& parts,
                                        const PutOptions& options, const Checksum& whole) const = 0;
  virtual Result<PutResult> read_complete(const http::ResponseHead& head,
                                          std::string_view body) const = 0;  // 200 + error body
  virtual http::Request abort_upload(const UploadTarget& target) const = 0;
  virtual http::Request list_parts(const UploadTarget& target, std::string_view marker) const = 0;
  virtual Result<UploadedPage> read_parts(std::string_view body) const = 0;
  virtual http::Request list_uploads(std::string_view prefix, const UploadPage& after) const = 0;
  virtual Result<UploadPage> read_uploads(std::string_view body) const = 0;

  // ---- many ----
  virtual http::Request list(const ListRequest& request) const = 0;
  virtual Result<ListPage> read_list(const ListRequest& request,
                                     std::string_view body) const = 0;  // detects loops, bad XML
  // With a version: that one alone, and what was there before stands again.
  virtual http::Request delete_one(std::string_view key, std::string_view version_id = {}) const = 0;
  // False: the service's batch form cannot name this key (control characters in XML); use delete_one.
  virtual bool can_delete_in_batch(std::string_view key) const {
    static_cast<void>(key);
    return true;
  }
  virtual http::Request delete_many(const std::vector<std::string>& keys) const = 0;
  virtual Result<std::vector<DeleteOutcome>> read_delete_many(const std::vector<std::string>& keys,
                                                              std::string_view body) const = 0;

  // ---- buckets ----
  virtual http::Request create_bucket() const = 0;
  virtual http::Request delete_bucket() const = 0;
  virtual http::Request list_buckets() const = 0;
  virtual Result<std::vector<BucketInfo>> read_buckets(std::string_view body) const = 0;
  // Services with very many buckets give them in pages: "" when `body` was the last one, else what to ask for next.
  virtual std::string read_buckets_continuation(std::string_view body) const {
    static_cast<void>(body);
    return {};
  }
  virtual http::Request list_buckets_after(std::string_view continuation) const {
    static_cast<void>(continuation);
    return list_buckets();
  }

  // Reads an answer outside 2xx (body may be empty, e.g. for HEAD) and, for a redirect, learns where to go: the new
  // region or endpoint is used by every later endpoint() and sign(). https->http and foreign domains give kFinal with
  // kRedirect.
  virtual ServiceError read_error(const http::ResponseHead& head, std::string_view body) = 0;
  // The same reading for a 2xx answer whose body is an error document; used by copy, complete.
  virtual ServiceError read_error_body(std::string_view body) = 0;
};

}  // namespace s3dlio::transfer
