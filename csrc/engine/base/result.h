// What an engine call gives back: a value, or an Error that says what the caller can do about it.
// Nothing in the engine throws over its edge.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace s3dlio {

// Grouped by what the caller can do. csrc/python/errors.cpp maps each to one Python class; a test checks that none is
// missing.
enum class ErrorCode : uint8_t {
  kInvalidArgument,      // the call itself is wrong: bad key, negative range, destination too small
  kNotFound,             // no such object
  kBucketNotFound,       // no such bucket (file stores: the root folder)
  kAccessDenied,         // known credentials, not allowed
  kCredentials,          // no credentials, unknown key id, wrong secret, expired beyond refresh
  kAlreadyExists,        // a conditional create met an existing object or bucket
  kPreconditionFailed,   // the object's etag or version is not the expected one, or changed while being read
  kRangeNotSatisfiable,  // the range starts past the object's end
  kTimeout,              // connect, first byte, stall floor or total deadline, after the last retry
  kConnection,           // cannot resolve, connect, or keep a connection, after the last retry
  kTls,                  // certificate refused or handshake failed; nothing was sent
  kThrottled,            // the server asks to slow down, after the last retry
  kServer,               // 5xx, after the last retry
  kProtocol,             // an answer that breaks HTTP or the service's contract
  kChecksumMismatch,     // bytes differ from the stored checksum, after two re-fetches; the destination is invalid
  kIntegrity,            // what the server stored is not what was sent
  kRedirect,             // a redirect that must not be followed (downgrade, foreign host, loop)
  kNoSpace,              // the disk is full
  kIo,                   // any other failure of the local file system
  kIsADirectory,         // a file was needed
  kNotADirectory,        // a folder was needed
  kUnsupported,          // this store cannot do that
  kCancelled,            // the caller took the call back
  kClosed,               // the writer, stream or store was already closed
  kConcurrentUse,        // another thread is inside what is for one thread at a time
  kInternal,             // a defect of ours
};
std::string_view name_of(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;       // seen, expected, likely cause; never a secret
  std::string operation;     // "get", "put", ...; filled by the store
  std::string uri;           // "s3://bucket/key"; filled by the store
  int attempts = 0;          // requests made for this operation; 0 when none was sent
  int http_status = 0;       // of the last answer; 0 when there was none
  std::string service_code;  // "SlowDown", "NoSuchKey", ... as the service named it
  std::string request_id;    // for the provider's support
  // The change that was asked for may have been carried out although the call failed: its answer was lost, or the
  // service failed while it worked. False where nothing was sent, of calls that change nothing, and where every attempt
  // was refused.
  bool may_have_taken_effect = false;
};

inline Error make_error(ErrorCode code, std::string message) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  return error;
}

struct Unit {};  // the value of a call that has none

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : inner_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : inner_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return inner_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(inner_); }
  const T& value() const& { return std::get<0>(inner_); }
  T&& value() && { return std::get<0>(std::move(inner_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() & { return std::get<1>(inner_); }
  const Error& error() const& { return std::get<1>(inner_); }
  Error&& error() && { return std::get<1>(std::move(inner_)); }

 private:
  std::variant<T, Error> inner_;
};

}  // namespace s3dlio
