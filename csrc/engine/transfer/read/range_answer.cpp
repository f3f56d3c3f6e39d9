#include "engine/transfer/read/range_answer.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

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

// How services spell the range of an object that has no byte.
bool names_nothing(std::string_view content_range) {
  return content_range == "bytes 0--1/0" || content_range == "bytes */0" || content_range == "bytes 0-0/0";
}

Result<BodyShape> nothing(const std::optional<ByteRange>& asked) {
  if (!asked || asked->start() == 0) return BodyShape{};
  return make_error(ErrorCode::kRangeNotSatisfiable,
                    "the range starts at " + std::to_string(asked->start()) + ", the object has 0 bytes");
}

Result<BodyShape> whole(const http::ResponseHead& head, const std::optional<ByteRange>& asked) {
  if (!head.content_length) return refused(head, "200 without a Content-Length", asked);
  const uint64_t total = *head.content_length;
  if (!asked) return BodyShape{0, 0, total, total};
  if (total == 0) return nothing(asked);
  // The server ignored the range: take it out of the whole.
  if (asked->start() >= total) {
    return make_error(ErrorCode::kRangeNotSatisfiable, "the range starts at " + std::to_string(asked->start()) +
                                                           ", the object has " + std::to_string(total) + " bytes");
  }
  if (asked->start() > kMaxSkip) return refused(head, "200 with the whole object (the server ignores Range)", asked);
  return BodyShape{asked->start(), asked->start(), std::min(asked->end(), total), total};
}

}  // namespace

bool is_unsized(const http::ResponseHead& head) {
  // Without chunks the end of the connection would be the end of the body: a cut one could not be told from that.
  return head.status == 200 && head.chunked && !head.content_length;
}

bool is_compressed(const http::ResponseHead& head) {
  const std::string_view encoding = head.headers.find("Content-Encoding").value_or("");
  constexpr std::array<std::string_view, 6> kNames = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view name) { return encoding.find(name) != std::string_view::npos; });
}

Error compressed_error(const std::string& seen) {
  return make_error(
      ErrorCode::kProtocol,
      "the answer was compressed on the way (" + seen +
          "), although it was asked for as stored (Accept-Encoding: identity); likely a proxy in between");
}

std::optional<Error> compressed_on_the_way(const http::ResponseHead& head) {
  if (!is_compressed(head)) return std::nullopt;
  const std::string encoding(*head.headers.find("Content-Encoding"));
  const std::string_view etag = head.headers.find("ETag").value_or("");
  std::optional<Error> error;
  if (is_unsized(head)) error = compressed_error("Content-Encoding " + encoding + " and no length");
  if (etag.find("-gzip") != std::string_view::npos) {
    error = compressed_error("Content-Encoding " + encoding + ", ETag " + std::string(etag));
  }
  if (error) error->http_status = head.status;
  return error;
}

Result<BodyShape> shape_of_answer(const http::ResponseHead& head, const std::optional<ByteRange>& asked) {
  if (head.status == 200) return whole(head, asked);
  if (head.status != 206 || !asked) return refused(head, std::to_string(head.status), asked);
  if (head.headers.count("Content-Range") != 1) return refused(head, "206 without one Content-Range", asked);
  const std::string text(*head.headers.find("Content-Range"));
  if (head.content_length == 0 && names_nothing(text)) return nothing(asked);
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
