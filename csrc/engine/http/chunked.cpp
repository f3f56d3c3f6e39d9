#include "engine/http/chunked.h"

#include <algorithm>

#include "engine/http/text.h"

namespace s3dlio::http {
namespace {

constexpr size_t kMaxSizeLine = 256;  // digits and extension
constexpr size_t kMaxTrailer = 16 * 1024;
constexpr uint64_t kMaxChunk = uint64_t{1} << 60;

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

ChunkedDecoder::Step ChunkedDecoder::next(std::string_view input) {
  if (ended_) return {Event::kEnd, 0, {}};
  for (size_t used = 0; used < input.size();) {
    if (state_ == State::kData) return step_data(input, used);
    if (!on_framing(input[used++])) return {Event::kFailed, used, {}};
    if (ended_) return {Event::kEnd, used, {}};
  }
  return {Event::kNeedMore, input.size(), {}};
}

ChunkedDecoder::Step ChunkedDecoder::step_data(std::string_view input, size_t used) {
  const std::string_view data = input.substr(used, static_cast<size_t>(std::min<uint64_t>(left_, input.size() - used)));
  left_ -= data.size();
  if (left_ == 0) state_ = State::kDataCr;
  return {Event::kData, used + data.size(), data};
}

bool ChunkedDecoder::on_framing(char c) {
  switch (state_) {
    case State::kSizeStart:
      left_ = 0;
      line_bytes_ = 0;
      if (hex_value(c) < 0) return refuse("chunk without a size");
      state_ = State::kSize;
      return on_size(c);
    case State::kSize:
    case State::kExtension:
      return on_size(c);
    case State::kSizeLf:
      if (c != '\n') return refuse("chunk size line does not end in CR LF");
      state_ = left_ > 0 ? State::kData : State::kTrailerStart;
      return true;
    case State::kDataCr:
      state_ = State::kDataLf;
      return c == '\r' || refuse("chunk is longer than its size");
    case State::kDataLf:
      state_ = State::kSizeStart;
      return c == '\n' || refuse("chunk is longer than its size");
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kEndLf;
        return true;
      }
      if (!is_token_char(c)) return refuse("broken trailer");
      state_ = State::kTrailer;
      [[fallthrough]];
    case State::kTrailer:
      if (++trailer_bytes_ > kMaxTrailer) return refuse("trailer is too long");
      if (c == '\r') {
        state_ = State::kTrailerLf;
        return true;
      }
      return is_value_char(c) || refuse("control character in trailer");
    case State::kTrailerLf:
      state_ = State::kTrailerStart;
      return c == '\n' || refuse("trailer line does not end in CR LF");
    case State::kEndLf:
      ended_ = c == '\n';
      return ended_ || refuse("body does not end in CR LF");
    case State::kData:
      break;
  }
  return refuse("framing lost");
}

// Digits, then perhaps ";extension" (ignored), then CR.
bool ChunkedDecoder::on_size(char c) {
  if (++line_bytes_ > kMaxSizeLine) return refuse("chunk size line is too long");
  if (c == '\r') {
    state_ = State::kSizeLf;
    return true;
  }
  if (state_ == State::kExtension) return is_value_char(c) || refuse("control character in chunk extension");
  if (c == ';') {
    state_ = State::kExtension;
    return true;
  }
  const int digit = hex_value(c);
  if (digit < 0) return refuse("chunk size is not a number");
  left_ = left_ * 16 + static_cast<uint64_t>(digit);
  return left_ <= kMaxChunk || refuse("chunk size is absurd");
}

bool ChunkedDecoder::refuse(const char* reason) {
  reason_ = reason;
  return false;
}

}  // namespace s3dlio::http
