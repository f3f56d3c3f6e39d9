// Takes chunked framing off a body. Sans-I/O; holds no data, only where it is in the framing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace s3dlio::http {

class ChunkedDecoder {
 public:
  enum class Event : uint8_t { kNeedMore, kData, kEnd, kFailed };
  struct Step {
    Event event = Event::kNeedMore;
    size_t used = 0;        // of the input; feed the rest again, or what follows it
    std::string_view data;  // kData: a non-empty piece of the input
  };

  // One step over `input`. kNeedMore: all of it was used. kEnd: what follows `used` is not part of the body.
  // kFailed: reason() says why; do not call again.
  Step next(std::string_view input);
  const char* reason() const { return reason_; }

 private:
  enum class State : uint8_t {
    kSizeStart,
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerStart,
    kTrailer,
    kTrailerLf,
    kEndLf
  };

  Step step_data(std::string_view input, size_t used);
  bool on_framing(char c);
  bool on_size(char c);
  bool refuse(const char* reason);

  State state_ = State::kSizeStart;
  uint64_t left_ = 0;      // of the current chunk
  size_t line_bytes_ = 0;  // of the current size line
  size_t trailer_bytes_ = 0;
  bool ended_ = false;
  const char* reason_ = "";
};

}  // namespace s3dlio::http
