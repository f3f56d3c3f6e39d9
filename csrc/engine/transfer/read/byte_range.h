// A non-empty, half-open span of one object's bytes: [start, end). Immutable; share it freely between threads.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"

namespace s3dlio::transfer {

class ByteRange {
 public:
  // kInvalidArgument if end <= start: HTTP has no way to ask for nothing.
  static Result<ByteRange> make(uint64_t start, uint64_t end);
  uint64_t start() const { return inner_start_; }
  uint64_t end() const { return inner_end_; }
  uint64_t size() const { return inner_end_ - inner_start_; }
  std::string http_value() const;  // "bytes=<start>-<last>", last inclusive as HTTP wants it
  bool operator==(const ByteRange&) const = default;

 private:
  ByteRange(uint64_t start, uint64_t end) : inner_start_(start), inner_end_(end) {}
  uint64_t inner_start_;
  uint64_t inner_end_;
};

}  // namespace s3dlio::transfer
