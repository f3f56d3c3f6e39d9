// The S3 dialect: one class, its verbs in the files of their names (get.cpp, put.cpp, upload.cpp, list.cpp, ...).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/sign/sigv4.h"
#include "engine/store/s3/documents.h"
#include "engine/store/s3/endpoint.h"
#include "engine/store/s3/s3_store.h"
#include "engine/transfer/dialect/dialect.h"

namespace s3dlio::s3 {

using transfer::ByteRange;
using transfer::Checksum;
using transfer::GetTarget;
using transfer::ServiceError;
using transfer::UploadedPart;
using transfer::UploadPage;
using transfer::UploadTarget;

class S3Dialect final : public transfer::Dialect {
 public:
  S3Dialect(S3Options options, std::shared_ptr<Location> location, ChecksumKind upload_checksum);

  std::string uri_of(std::string_view key) const override;
  transfer::Limits limits() const override;
  http::Endpoint endpoint() const override { return inner_location_->current()->bucket; }
  Result<Unit> check_key(std::string_view key) const override;
  Result<Unit> check_put(const PutOptions& options) const override;
  void sign(http::Request& request, const std::optional<Credentials>& credentials,
            std::chrono::system_clock::time_point now) const override;

  http::Request get(const GetTarget& target) const override;
  http::Request head(std::string_view key, std::string_view version_id, bool want_checksum) const override;
  std::optional<uint64_t> read_size(const http::ResponseHead& head) const override;
  ObjectMeta read_meta(std::string_view key, const http::ResponseHead& head, uint64_t size) const override;
  Checksum read_checksum(const http::ResponseHead& head) const override;
  http::Request put(std::string_view key, const PutOptions& options, const Checksum& checksum) const override;
  PutResult read_put(const http::ResponseHead& head) const override;
  std::string etag_of(std::span<const std::byte> data) const override;
  std::string etag_of_parts(const std::vector<UploadedPart>& parts) const override;
  http::Request copy(const CopyRequest& request, const PutOptions& options) const override;
  Result<PutResult> read_copy(const http::ResponseHead& head, std::string_view body) const override;

  http::Request head_source(const CopyRequest& copy) const override;
  http::Request source_tags(const CopyRequest& copy) const override;
  Result<std::string> read_tags(std::string_view body) const override;

  http::Request start_upload(std::string_view key, const PutOptions& options, ChecksumKind kind) const override;
  Result<std::string> read_upload_id(std::string_view body) const override;
  http::Request upload_part(const UploadTarget& target, uint32_t number, const Checksum& checksum) const override;
  http::Request copy_part(const UploadTarget& target, uint32_t number, const CopyRequest& request,
                          ByteRange range) const override;
  Result<UploadedPart> read_part(const http::ResponseHead& head, std::string_view body) const override;
  http::Request complete_upload(const UploadTarget& target, const std::vector<UploadedPart>& parts,
                                const PutOptions& options, const Checksum& whole) const override;
  Result<PutResult> read_complete(const http::ResponseHead& head, std::string_view body) const override;
  http::Request abort_upload(const UploadTarget& target) const override;
  http::Request list_parts(const UploadTarget& target, std::string_view marker) const override;
  Result<transfer::UploadedPage> read_parts(std::string_view body) const override;
  http::Request list_uploads(std::string_view prefix, const UploadPage& after) const override;
  Result<UploadPage> read_uploads(std::string_view body) const override;

  http::Request list(const ListRequest& request) const override;
  Result<ListPage> read_list(const ListRequest& request, std::string_view body) const override;
  http::Request delete_one(std::string_view key, std::string_view version_id = {}) const override;
  bool can_delete_in_batch(std::string_view key) const override;
  http::Request delete_many(const std::vector<std::string>& keys) const override;
  Result<std::vector<DeleteOutcome>> read_delete_many(const std::vector<std::string>& keys,
                                                      std::string_view body) const override;

  http::Request create_bucket() const override;
  http::Request delete_bucket() const override;
  http::Request list_buckets() const override;
  http::Request list_buckets_after(std::string_view continuation) const override;
  Result<std::vector<BucketInfo>> read_buckets(std::string_view body) const override;
  std::string read_buckets_continuation(std::string_view body) const override;

  ServiceError read_error(const http::ResponseHead& head, std::string_view body) override;
  ServiceError read_error_body(std::string_view body) override;

 private:
  using NamedHeaders = std::vector<std::pair<std::string, std::string>>;

  // Path, and the headers every request carries. An empty key addresses the bucket.
  http::Request request_for(std::string_view method, std::string_view key) const;
  void add_customer_key(http::Request& request) const;
  void add_encryption(http::Request& request) const;  // for requests that create an object
  void add_object_headers(http::Request& request, const PutOptions& options) const;
  void add_copy_source(http::Request& request, const CopyRequest& copy) const;
  void address_source(http::Request& request, const CopyRequest& copy) const;
  std::string payload_hash(const http::Request& request, bool tls) const;
  void keep_secrets_out_of_logs(const Credentials& credentials) const;
  ServiceError judge(int status, const ErrorDocument& document, const http::ResponseHead* head) const;
  ServiceError judge_body(std::string_view body) const;  // of an answer with status 200
  ServiceError judge_redirect(int status, const ErrorDocument& document, const http::ResponseHead& head);

  const S3Options inner_options_;
  const std::shared_ptr<Location> inner_location_;
  const ChecksumKind inner_upload_checksum_;
  NamedHeaders inner_customer_headers_;     // SSE-C: of the object
  NamedHeaders inner_copy_source_headers_;  // SSE-C: of the source of a copy
  sign::SigV4Signer inner_signer_;
  mutable std::atomic<int64_t> inner_last_signed_{0};  // seconds since the epoch
  mutable std::mutex inner_secrets_mutex_;
  mutable std::string inner_known_secret_, inner_known_token_;
};

}  // namespace s3dlio::s3
