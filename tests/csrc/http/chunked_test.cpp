#include "engine/http/chunked.h"

#include <doctest/doctest.h>

#include <string>

namespace s3dlio::http {
namespace {

using Event = ChunkedDecoder::Event;

struct Decoded {
  Event last = Event::kNeedMore;
  std::string data;
  std::string rest;
};

Decoded decode(std::string_view text, size_t step) {
  ChunkedDecoder decoder;
  Decoded decoded;
  while (!text.empty()) {
    std::string_view piece = text.substr(0, step);
    text.remove_prefix(piece.size());
    do {
      const auto got = decoder.next(piece);
      piece.remove_prefix(got.used);
      decoded.last = got.event;
      decoded.data += got.data;
      if (got.event == Event::kEnd || got.event == Event::kFailed) {
        decoded.rest = std::string(piece) + std::string(text);
        return decoded;
      }
    } while (!piece.empty());
  }
  return decoded;
}

TEST_CASE("chunks are joined however they are cut") {
  const std::string text = "5\r\nhello\r\n1;name=\"value\"\r\n \r\n00A\r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\nnext";
  for (size_t step = 1; step <= text.size(); ++step) {
    const Decoded decoded = decode(text, step);
    CHECK(decoded.last == Event::kEnd);
    CHECK(decoded.data == "hello 0123456789");
    CHECK(decoded.rest == "next");
  }
  CHECK(decode("0\r\n\r\n", 1).last == Event::kEnd);
}

TEST_CASE("an unfinished body asks for more") {
  const std::string whole = "3\r\nabc\r\n0\r\n\r\n";
  for (size_t size = 0; size < whole.size(); ++size) CHECK(decode(whole.substr(0, size), 1).last != Event::kEnd);
}

TEST_CASE("broken framing is refused") {
  for (const char* text : {"\r\n", "g\r\n", " 5\r\nhello\r\n", "-5\r\n", "5\nhello\r\n", "5\r\nhelloX", "5\r\nhello\rX",
                           "5 5\r\nhello\r\n", "0x5\r\n", "0\r\n\rX", "0\r\n\n", "0\r\na: b\rX",
                           "fffffffffffffffff\r\n", "2000000000000000\r\n", "1;a\x01\r\n", "0\r\n: a\r\n\r\n"}) {
    CAPTURE(text);
    CHECK(decode(text, 1).last == Event::kFailed);
    CHECK(decode(text, 100).last == Event::kFailed);
  }
}

TEST_CASE("endless size lines and trailers are refused") {
  CHECK(decode("5;" + std::string(1000, 'a'), 10).last == Event::kFailed);
  CHECK(decode(std::string(1000, '0'), 10).last == Event::kFailed);
  std::string trailer = "0\r\n";
  for (int i = 0; i < 5000; ++i) trailer += "a: b\r\n";
  CHECK(decode(trailer, 100).last == Event::kFailed);
}

}  // namespace
}  // namespace s3dlio::http
