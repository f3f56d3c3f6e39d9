// rooms: http
// The head parser understands the same whatever the pieces it is fed, keeps its caps, and accepts only what is sound.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/http/head_parser.h"

namespace {

using s3dlio::http::HeadParser;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Parsed {
  HeadParser::Progress progress = HeadParser::Progress::kNeedMore;
  size_t used = 0;
  s3dlio::http::ResponseHead head;
};

Parsed parse(std::string_view text, size_t step) {
  HeadParser parser;
  Parsed parsed;
  while (parsed.used < text.size() && parsed.progress == HeadParser::Progress::kNeedMore) {
    const std::string_view piece = text.substr(parsed.used, step);
    size_t used = 0;
    parsed.progress = parser.feed(piece, used);
    require(used <= piece.size());
    require(parsed.progress != HeadParser::Progress::kNeedMore || used == piece.size());
    parsed.used += used;
  }
  if (parsed.progress == HeadParser::Progress::kDone) parsed.head = parser.take_head();
  return parsed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = 1 + data[0] % 64;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Parsed whole = parse(text, text.size() + 1);
  const Parsed pieces = parse(text, step);
  require(whole.progress == pieces.progress);
  if (whole.progress != HeadParser::Progress::kDone) return 0;
  require(whole.used == pieces.used && whole.used <= s3dlio::http::kMaxHeadBytes);
  const auto& head = whole.head;
  require(head.status == pieces.head.status && head.status >= 200 && head.status <= 599);
  require(head.headers.size() == pieces.head.headers.size() && head.headers.size() < s3dlio::http::kMaxHeadLines);
  require(head.headers.count("content-length") <= 1 && !(head.chunked && head.content_length));
  require(head.content_length == pieces.head.content_length && head.keep_alive == pieces.head.keep_alive);
  for (const auto& [name, value] : head.headers) {
    require(!name.empty() && (name + value).find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  return 0;
}
