#include "engine/transfer/range_answer.h"

#include <algorithm>
#include <string>

namespace s3dlio::transfer {
namespace {

// A server that ignores ranges is borne as long as little is thrown away.
constexpr uint64_t kMaxSkip = 64ull << 20;

Error refused(const http::ResponseHead& head, std::string seen, const std::optional<ByteRange>& asked) {
  Error error = make_error(ErrorCode::kProtocol, "the answer does not fit the question: " + std::move(seen) + " to " +
                                                     (asked ? asked->http_value() : "a request for the whole object"));
  error.http_status = head.status;
  return error;
}

Result<BodyShape> whole(const http::ResponseHead& head, const std::optional<ByteRange>& asked) {
  if (!head.content_length) return refused(head, "200 without a Content-Length", asked);
  const uint64_t total = *head.content_length;
  if (!asked) return BodyShape{0, 0, total, total};
  // The server ignored the range: take it out of the whole.
  if (asked->start() >= total) {
    return make_error(ErrorCode::kRangeNotSatisfiable, "the range starts at " + std::to_string(asked->start()) +
                                                           ", the object has " + std::to_string(total) + " bytes");
  }
  if (asked->start() > kMaxSkip) return refused(head, "200 with the whole object (the server ignores Range)", asked);
  return BodyShape{asked->start(), asked->start(), std::min(asked->end(), total), total};
}

}  // namespace

Result<BodyShape> shape_of_answer(const http::ResponseHead& head, const std::optional<ByteRange>& asked) {
  if (head.status == 200) return whole(head, asked);
  if (head.status != 206 || !asked) return refused(head, std::to_string(head.status), asked);
  if (head.headers.count("Content-Range") != 1) return refused(head, "206 without one Content-Range", asked);
  const std::string text(*head.headers.find("Content-Range"));
  const auto range = http::parse_content_range(text);
  if (!range || range->unsatisfied || !range->total)
    return refused(head, "206 with Content-Range '" + text + "'", asked);
  const bool ends_right = range->end == std::min(asked->end(), *range->total);
  if (range->start != asked->start() || range->end <= range->start || !ends_right) {
    return refused(head, "206 with Content-Range '" + text + "'", asked);
  }
  if (head.content_length && *head.content_length != range->end - range->start) {
    return refused(head,
                   "206 with Content-Range '" + text + "' but Content-Length " + std::to_string(*head.content_length),
                   asked);
  }
  return BodyShape{0, range->start, range->end, *range->total};
}

}  // namespace s3dlio::transfer
