// rooms: http
// The chunked decoder gives the same bytes whatever the pieces it is fed, and never more than came in.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/http/chunked.h"

namespace {

using s3dlio::http::ChunkedDecoder;
using Event = ChunkedDecoder::Event;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Decoded {
  Event last = Event::kNeedMore;
  std::string data;
  size_t used = 0;
};

Decoded decode(std::string_view text, size_t step) {
  ChunkedDecoder decoder;
  Decoded decoded;
  while (decoded.used < text.size()) {
    const std::string_view piece = text.substr(decoded.used, step);
    const auto got = decoder.next(piece);
    require(got.used <= piece.size());
    require((got.event == Event::kData) == !got.data.empty());
    require(got.used > 0);
    if (got.event == Event::kNeedMore) require(got.used == piece.size());
    decoded.used += got.used;
    decoded.data += got.data;
    decoded.last = got.event;
    if (got.event == Event::kEnd || got.event == Event::kFailed) break;
  }
  return decoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = 1 + data[0] % 32;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Decoded whole = decode(text, text.size() + 1);
  const Decoded pieces = decode(text, step);
  require(whole.data == pieces.data && whole.used == pieces.used && whole.data.size() <= text.size());
  const auto ends = [](Event event) { return event == Event::kEnd || event == Event::kFailed; };
  require(ends(whole.last) == ends(pieces.last) && (!ends(whole.last) || whole.last == pieces.last));
  return 0;
}
