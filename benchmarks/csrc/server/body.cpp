#include "body.h"

#include <algorithm>
#include <cstring>

#include "text.h"

namespace s3dlio_bench {
namespace {

constexpr size_t kMaxLine = 16 << 10;
constexpr size_t kFirstBlock = 1 << 20;
constexpr std::string_view kLineEnd = "\r\n";

// Bytes already read, with Wire's way of reading: the inner of two framings.
class MemorySource {
 public:
  explicit MemorySource(Slice slice) : slice_(std::move(slice)) {}

  std::optional<std::string_view> read_until(std::string_view end, size_t limit) {
    const std::string_view text(reinterpret_cast<const char*>(slice_.data), std::min(slice_.size, limit));
    const size_t found = text.find(end);
    if (found == std::string_view::npos) return std::nullopt;
    drop(found + end.size());
    return text.substr(0, found + end.size());
  }
  bool read_exactly(std::span<std::byte> out) {
    if (out.size() > slice_.size) return false;
    std::memcpy(out.data(), slice_.data, out.size());
    return drop(out.size());
  }
  bool discard(size_t size) { return size <= slice_.size && drop(size); }

 private:
  bool drop(size_t size) {
    slice_ = slice_.cut(size, slice_.size - size);
    return true;
  }

  Slice slice_;
};

// Where the body's bytes go: a block that grows, or nowhere.
class Sink {
 public:
  Sink(bool keep, size_t expected) : keep_(keep) {
    if (keep_) reserve(expected);
  }

  template <class Source>
  bool take(Source& source, size_t size) {
    const size_t before = size_;
    size_ += size;
    if (!keep_) return source.discard(size);
    if (size_ > room_) reserve(std::max({size_, room_ * 2, kFirstBlock}), before);
    return source.read_exactly({block_.get() + before, size});
  }

  size_t size() const { return size_; }
  Slice slice() const { return keep_ ? Slice{block_, block_.get(), size_} : Slice{}; }

 private:
  void reserve(size_t room, size_t filled = 0) {
    auto larger = take_block(room);
    if (filled > 0) std::memcpy(larger.get(), block_.get(), filled);
    block_ = std::move(larger);
    room_ = room;
  }

  bool keep_;
  std::shared_ptr<std::byte> block_;
  size_t room_ = 0, size_ = 0;
};

// The grammar of Transfer-Encoding: chunked, which aws-chunked shares: size[;extension] CRLF bytes CRLF ... 0 CRLF
// trailers CRLF.
template <class Source>
bool read_chunks(Source& source, Sink& sink, Headers& trailers) {
  for (;;) {
    const auto line = source.read_until(kLineEnd, kMaxLine);
    if (!line) return false;
    const auto size = parse_number<size_t>(line->substr(0, line->find_first_of(";\r")), 16);
    if (!size) return false;
    if (*size == 0) break;
    if (!sink.take(source, *size) || source.read_until(kLineEnd, 2) != kLineEnd) return false;
  }
  for (;;) {
    const auto line = source.read_until(kLineEnd, kMaxLine);
    if (!line) return false;
    if (*line == kLineEnd) return true;
    const size_t colon = line->find(':');
    if (colon == std::string_view::npos) return false;
    trailers[lower(line->substr(0, colon))] = trim(line->substr(colon + 1, line->size() - colon - 3));
  }
}

}  // namespace

bool read_body(Wire& wire, Request& request, BodyUse use) {
  const bool aws_chunked = request.header("content-encoding").find("aws-chunked") != std::string_view::npos;
  const bool chunked = !request.header("transfer-encoding").empty();
  const auto stated =
      parse_number<size_t>(request.header(aws_chunked ? "x-amz-decoded-content-length" : "content-length"));
  Sink sink(use != BodyUse::kDiscard, stated.value_or(0));
  if (aws_chunked && chunked) {  // one inside the other, as botocore sends over TLS
    Sink outer(true, stated.value_or(0));
    if (!read_chunks(wire, outer, request.headers)) return false;
    MemorySource inner(outer.slice());
    if (!read_chunks(inner, sink, request.headers)) return false;
  } else if (aws_chunked || chunked) {
    if (!read_chunks(wire, sink, request.headers)) return false;
  } else if (stated.value_or(0) > 0 && !sink.take(wire, *stated)) {
    return false;
  }
  if (aws_chunked && stated && *stated != sink.size()) return false;

  if (use == BodyUse::kDocument) {
    const auto bytes = sink.slice().bytes();
    request.body.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  }
  request.data = sink.slice();
  request.data_size = sink.size();
  request.discarded = use == BodyUse::kDiscard;
  return true;
}

}  // namespace s3dlio_bench
