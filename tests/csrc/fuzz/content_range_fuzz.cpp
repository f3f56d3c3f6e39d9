// rooms: http
// Whatever Content-Range is accepted says a sound range, and says it again when written out.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/http/message.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::string written(const s3dlio::http::ContentRange& range) {
  const std::string total = range.total ? std::to_string(*range.total) : "*";
  if (range.unsatisfied) return "bytes */" + total;
  return "bytes " + std::to_string(range.start) + "-" + std::to_string(range.end - 1) + "/" + total;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto range = s3dlio::http::parse_content_range(text);
  if (!range) return 0;
  require(range->unsatisfied ? range->total.has_value() : range->start < range->end);
  require(!range->total || range->unsatisfied || range->end <= *range->total);
  const auto again = s3dlio::http::parse_content_range(written(*range));
  require(again && again->start == range->start && again->end == range->end && again->total == range->total &&
          again->unsatisfied == range->unsatisfied);
  return 0;
}
