#include <new>

#include "c/door.h"
#include "engine/process/fork.h"

namespace s3dlio::c {

// One number for each, for ever: programs are built with them.
s3dlio_code code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return S3DLIO_INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return S3DLIO_NOT_FOUND;
    case ErrorCode::kBucketNotFound:
      return S3DLIO_BUCKET_NOT_FOUND;
    case ErrorCode::kAccessDenied:
      return S3DLIO_ACCESS_DENIED;
    case ErrorCode::kCredentials:
      return S3DLIO_CREDENTIALS;
    case ErrorCode::kAlreadyExists:
      return S3DLIO_ALREADY_EXISTS;
    case ErrorCode::kPreconditionFailed:
      return S3DLIO_PRECONDITION_FAILED;
    case ErrorCode::kRangeNotSatisfiable:
      return S3DLIO_RANGE_NOT_SATISFIABLE;
    case ErrorCode::kTimeout:
      return S3DLIO_TIMEOUT;
    case ErrorCode::kConnection:
      return S3DLIO_CONNECTION;
    case ErrorCode::kTls:
      return S3DLIO_TLS;
    case ErrorCode::kThrottled:
      return S3DLIO_THROTTLED;
    case ErrorCode::kServer:
      return S3DLIO_SERVER;
    case ErrorCode::kProtocol:
      return S3DLIO_PROTOCOL;
    case ErrorCode::kChecksumMismatch:
      return S3DLIO_CHECKSUM_MISMATCH;
    case ErrorCode::kIntegrity:
      return S3DLIO_INTEGRITY;
    case ErrorCode::kRedirect:
      return S3DLIO_REDIRECT;
    case ErrorCode::kNoSpace:
      return S3DLIO_NO_SPACE;
    case ErrorCode::kIo:
      return S3DLIO_IO;
    case ErrorCode::kIsADirectory:
      return S3DLIO_IS_A_DIRECTORY;
    case ErrorCode::kNotADirectory:
      return S3DLIO_NOT_A_DIRECTORY;
    case ErrorCode::kUnsupported:
      return S3DLIO_UNSUPPORTED;
    case ErrorCode::kCancelled:
      return S3DLIO_CANCELLED;
    case ErrorCode::kClosed:
      return S3DLIO_CLOSED;
    case ErrorCode::kConcurrentUse:
      return S3DLIO_CONCURRENT_USE;
    case ErrorCode::kInternal:
      return S3DLIO_INTERNAL;
  }
  return S3DLIO_INTERNAL;
}

s3dlio_code give_error(s3dlio_error** into, Error error) {
  const s3dlio_code code = code_of(error.code);
  if (into != nullptr) *into = new (std::nothrow) s3dlio_error{std::move(error)};
  return code;
}

Result<std::shared_ptr<ObjectStore>> store_of(const s3dlio_store* store) {
  if (store == nullptr) return invalid("the store is NULL");
  if (store->generation != fork_generation()) {
    return make_error(ErrorCode::kClosed, "the store was opened before fork(); open one in this process");
  }
  return store->store;
}

Result<std::shared_ptr<ObjectStore>> store_of(const s3dlio_store* store, const char* key) {
  if (key == nullptr) return invalid("the key is NULL");
  return store_of(store);
}

}  // namespace s3dlio::c

using s3dlio::ErrorCode;

s3dlio_code s3dlio_error_code(const s3dlio_error* error) {
  return error == nullptr ? S3DLIO_OK : s3dlio::c::code_of(error->error.code);
}
const char* s3dlio_error_message(const s3dlio_error* error) {
  return error == nullptr ? "no error object: there was none, or no memory for one" : error->error.message.c_str();
}
const char* s3dlio_error_operation(const s3dlio_error* error) {
  return error == nullptr ? "" : error->error.operation.c_str();
}
const char* s3dlio_error_uri(const s3dlio_error* error) { return error == nullptr ? "" : error->error.uri.c_str(); }
const char* s3dlio_error_service_code(const s3dlio_error* error) {
  return error == nullptr ? "" : error->error.service_code.c_str();
}
const char* s3dlio_error_request_id(const s3dlio_error* error) {
  return error == nullptr ? "" : error->error.request_id.c_str();
}
int s3dlio_error_http_status(const s3dlio_error* error) { return error == nullptr ? 0 : error->error.http_status; }
int s3dlio_error_attempts(const s3dlio_error* error) { return error == nullptr ? 0 : error->error.attempts; }
int s3dlio_error_is_retryable(const s3dlio_error* error) {
  if (error == nullptr) return 0;
  const ErrorCode code = error->error.code;
  return code == ErrorCode::kTimeout || code == ErrorCode::kConnection || code == ErrorCode::kThrottled ||
                 code == ErrorCode::kServer
             ? 1
             : 0;
}
int s3dlio_error_may_have_taken_effect(const s3dlio_error* error) {
  return error != nullptr && error->error.may_have_taken_effect ? 1 : 0;
}
void s3dlio_error_free(s3dlio_error* error) { delete error; }
