#include "engine/base/result.h"

namespace s3dlio {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "InvalidArgument";
    case ErrorCode::kNotFound:
      return "NotFound";
    case ErrorCode::kBucketNotFound:
      return "BucketNotFound";
    case ErrorCode::kAccessDenied:
      return "AccessDenied";
    case ErrorCode::kCredentials:
      return "Credentials";
    case ErrorCode::kAlreadyExists:
      return "AlreadyExists";
    case ErrorCode::kPreconditionFailed:
      return "PreconditionFailed";
    case ErrorCode::kRangeNotSatisfiable:
      return "RangeNotSatisfiable";
    case ErrorCode::kTimeout:
      return "Timeout";
    case ErrorCode::kConnection:
      return "Connection";
    case ErrorCode::kTls:
      return "Tls";
    case ErrorCode::kThrottled:
      return "Throttled";
    case ErrorCode::kServer:
      return "Server";
    case ErrorCode::kProtocol:
      return "Protocol";
    case ErrorCode::kChecksumMismatch:
      return "ChecksumMismatch";
    case ErrorCode::kIntegrity:
      return "Integrity";
    case ErrorCode::kRedirect:
      return "Redirect";
    case ErrorCode::kNoSpace:
      return "NoSpace";
    case ErrorCode::kIo:
      return "Io";
    case ErrorCode::kIsADirectory:
      return "IsADirectory";
    case ErrorCode::kNotADirectory:
      return "NotADirectory";
    case ErrorCode::kUnsupported:
      return "Unsupported";
    case ErrorCode::kCancelled:
      return "Cancelled";
    case ErrorCode::kClosed:
      return "Closed";
    case ErrorCode::kConcurrentUse:
      return "ConcurrentUse";
    case ErrorCode::kInternal:
      return "Internal";
  }
  return "Unknown";
}

}  // namespace s3dlio
