// Reads the head of an answer, however it is cut into pieces. Strict: what two readers could understand differently is
// refused. Sans-I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/http/message.h"

namespace s3dlio::http {

// Interim answers (1xx) are skipped and count towards the caps.
constexpr size_t kMaxHeadBytes = 64 * 1024;
constexpr size_t kMaxHeadLines = 256;

class HeadParser {
 public:
  enum class Progress : uint8_t { kNeedMore, kDone, kFailed };

  // `used` is how much of `bytes` belongs to the head; the rest is body. After kDone or kFailed: only the calls below.
  Progress feed(std::string_view bytes, size_t& used);

  ResponseHead take_head() { return std::move(head_); }
  Error take_error() { return std::move(error_); }

 private:
  Progress on_line(std::string_view line);
  Progress on_status_line(std::string_view line);
  Progress on_header(std::string_view line);
  Progress on_end();
  bool read_framing();
  Progress not_http(std::string_view line);
  Progress fail(std::string reason);

  ResponseHead head_;
  Error error_;
  std::string partial_;  // a line whose end has not come yet
  size_t bytes_ = 0;
  size_t lines_ = 0;
  bool have_status_ = false;
  bool version_1_0_ = false;
};

// Whether an answer to `method` has no body whatever its headers say.
bool is_bodyless(std::string_view method, int status);

}  // namespace s3dlio::http
