#include "engine/transfer/read/byte_range.h"

namespace s3dlio::transfer {

Result<ByteRange> ByteRange::make(uint64_t start, uint64_t end) {
  if (end <= start) {
    return make_error(ErrorCode::kInvalidArgument, "the range [" + std::to_string(start) + ", " + std::to_string(end) +
                                                       ") holds no byte; its end must lie past its start");
  }
  return ByteRange(start, end);
}

std::string ByteRange::http_value() const {
  return "bytes=" + std::to_string(inner_start_) + "-" + std::to_string(inner_end_ - 1);
}

}  // namespace s3dlio::transfer
