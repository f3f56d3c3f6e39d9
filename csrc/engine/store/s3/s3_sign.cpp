// Signs one attempt: Host, date, payload hash, session token, Authorization. Signing again replaces what is there.
#include "engine/base/log.h"
#include "engine/store/s3/headers.h"
#include "engine/store/s3/s3_dialect.h"

namespace s3dlio::s3 {
namespace {

constexpr std::string_view kTokenHeader = "x-amz-security-token";

// Refreshed credentials may have no token where the earlier ones had.
void remove_token(http::Headers& headers) {
  http::Headers kept;
  for (const auto& [name, value] : headers) {
    if (name != kTokenHeader) kept.add(name, value);
  }
  headers = std::move(kept);
}

}  // namespace

void S3Dialect::keep_secrets_out_of_logs(const Credentials& credentials) const {
  std::lock_guard lock(inner_secrets_mutex_);
  if (credentials.secret_access_key != inner_known_secret_) {
    inner_known_secret_ = credentials.secret_access_key;
    add_secret(inner_known_secret_);
  }
  if (credentials.session_token != inner_known_token_) {
    inner_known_token_ = credentials.session_token;
    add_secret(inner_known_token_);
  }
}

std::string S3Dialect::payload_hash(const http::Request& request, bool tls) const {
  if (request.body_size() == 0) return std::string(sign::kEmptyPayloadHash);
  const bool never = inner_options_.payload_signing == PayloadSigning::kNever;
  const bool always = inner_options_.payload_signing == PayloadSigning::kAlways;
  // Documents are small and say what to delete or to complete: they are signed unless that is forbidden.
  if (!request.document.empty() && !never) return sign::hex(sign::sha256(sign::bytes_of(request.document)));
  if (never || (tls && !always)) return std::string(sign::kUnsignedPayload);
  sign::Sha256 hash;
  for (const auto& piece : request.payload) hash.update(piece);
  return sign::hex(hash.digest());
}

void S3Dialect::sign(http::Request& request, const std::optional<Credentials>& credentials,
                     std::chrono::system_clock::time_point now) const {
  const auto place = inner_location_->current();
  // list_buckets has put the service's own host there.
  if (request.headers.find("Host") != std::string_view(place->service_host))
    request.headers.set("Host", place->bucket_host);
  if (inner_options_.unsigned_access || !credentials) return;
  keep_secrets_out_of_logs(*credentials);
  inner_last_signed_.store(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count(),
                           std::memory_order_relaxed);
  const sign::Timestamp time(now);
  const std::string hash = payload_hash(request, place->bucket.tls);
  request.headers.set("x-amz-content-sha256", hash);
  request.headers.set("x-amz-date", std::string(time.full()));
  if (!credentials->session_token.empty()) {
    request.headers.set(kTokenHeader, credentials->session_token);
  } else if (request.headers.find(kTokenHeader)) {
    remove_token(request.headers);
  }

  thread_local std::vector<sign::HeaderView> headers;
  headers.clear();
  for (const auto& [name, value] : request.headers) headers.emplace_back(name, value);
  const sign::SigningIdentity who{credentials->access_key_id, credentials->secret_access_key, place->region, "s3"};
  std::string authorization =
      inner_signer_.authorization({request.method, request.path, request.query, headers, hash}, who, time);
  request.headers.set("Authorization", std::move(authorization));
}

}  // namespace s3dlio::s3
