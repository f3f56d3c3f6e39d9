#include "engine/http/head_parser.h"

#include <doctest/doctest.h>

#include <string>

namespace s3dlio::http {
namespace {

using Progress = HeadParser::Progress;

// Feeds `text` in pieces of `step` bytes; gives the parser's last word.
Progress feed(HeadParser& parser, std::string_view text, size_t step, std::string* rest = nullptr) {
  Progress progress = Progress::kNeedMore;
  while (!text.empty() && progress == Progress::kNeedMore) {
    const std::string_view piece = text.substr(0, step);
    size_t used = 0;
    progress = parser.feed(piece, used);
    text.remove_prefix(progress == Progress::kNeedMore ? piece.size() : used);
  }
  if (rest != nullptr) *rest = text;
  return progress;
}

bool refused(std::string_view text, std::string_view because) {
  for (const size_t step : {size_t{1}, size_t{7}, text.size()}) {
    HeadParser parser;
    if (feed(parser, text, step) != Progress::kFailed) return false;
    const Error error = parser.take_error();
    if (error.code != ErrorCode::kProtocol || error.message.find(because) == std::string::npos) {
      MESSAGE(error.message);
      return false;
    }
  }
  return true;
}

TEST_CASE("a head is read however it is cut, and what follows is left alone") {
  const std::string text =
      "HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nETag:\t\"a b\" \r\nx-empty:\r\nContent-Range: bytes "
      "0-9/20\r\n\r\nbody";
  for (size_t step = 1; step <= text.size(); ++step) {
    HeadParser parser;
    std::string rest;
    REQUIRE(feed(parser, text, step, &rest) == Progress::kDone);
    const ResponseHead head = parser.take_head();
    CHECK(head.status == 206);
    CHECK(head.reason == "Partial Content");
    CHECK(head.content_length == 10);
    CHECK(head.headers.find("etag") == "\"a b\"");
    CHECK(head.headers.find("X-Empty") == "");
    CHECK(head.headers.size() == 4);
    CHECK(head.keep_alive);
    CHECK(rest == "body");
  }
}

TEST_CASE("interim answers are skipped") {
  HeadParser parser;
  REQUIRE(feed(parser,
               "HTTP/1.1 100 Continue\r\nContent-Length: 7\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
               5) == Progress::kDone);
  const ResponseHead head = parser.take_head();
  CHECK(head.status == 204);
  CHECK(!head.content_length);
}

TEST_CASE("the connection's future is read from version and Connection") {
  const auto keeps = [](const std::string& text) {
    HeadParser parser;
    REQUIRE(feed(parser, text, text.size()) == Progress::kDone);
    return parser.take_head().keep_alive;
  };
  CHECK(keeps("HTTP/1.1 200 OK\r\n\r\n"));
  CHECK(keeps("HTTP/1.1 200\r\nConnection: keep-alive\r\n\r\n"));
  CHECK(!keeps("HTTP/1.1 200 OK\r\nConnection: Upgrade, Close\r\n\r\n"));
  CHECK(!keeps("HTTP/1.1 200 OK\r\nconnection: close\r\nconnection: keep-alive\r\n\r\n"));
  CHECK(!keeps("HTTP/1.0 200 OK\r\n\r\n"));
  CHECK(keeps("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST_CASE("two ways to find the end of the body are refused") {
  CHECK(refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "more than one Content-Length"));
  CHECK(refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "both"));
  CHECK(refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                "more than one Transfer"));
  CHECK(refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding"));
  CHECK(refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding"));
  for (const char* length : {"", "-1", "+5", "5, 5", "0x5", "5 5", "18446744073709551616"}) {
    CHECK(refused("HTTP/1.1 200 OK\r\nContent-Length: " + std::string(length) + "\r\n\r\n", "Content-Length"));
  }
}

TEST_CASE("sloppy heads are refused") {
  CHECK(refused("HTTP/1.1 200 OK\nA: b\n\n", "CR LF"));
  CHECK(refused("HTTP/1.1 200 OK\r\nA: b\n\r\n", "CR LF"));
  CHECK(refused("HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "folded"));
  CHECK(refused("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "header name"));
  CHECK(refused("HTTP/1.1 200 OK\r\n: b\r\n\r\n", "without a name"));
  CHECK(refused("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "without a name"));
  CHECK(refused("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "control character"));
  CHECK(refused(std::string_view("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", 28), "control character"));
  CHECK(refused("HTTP/2 200 OK\r\n\r\n", "status line"));
  CHECK(refused("HTTP/1.1 20 OK\r\n\r\n", "status line"));
  CHECK(refused("HTTP/1.1 2000 OK\r\n\r\n", "status line"));
  CHECK(refused("HTTP/1.1 600 OK\r\n\r\n", "status line"));
  CHECK(refused("HTTP/1.1 101 Switching\r\n\r\n", "another protocol"));
  CHECK(refused("SSH-2.0-OpenSSH\r\n", "not an HTTP answer"));
  CHECK(refused("\x15\x03\x03", "speaks TLS"));
}

TEST_CASE("an endless head is refused before it fills the memory") {
  CHECK(refused("HTTP/1.1 200 OK\r\nA: " + std::string(70'000, 'x'), "longer than 65536"));
  std::string lines = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 300; ++i) lines += "A: b\r\n";
  CHECK(refused(lines, "more than 256 lines"));
  std::string interim;
  for (int i = 0; i < 300; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  CHECK(refused(interim, "more than 256 lines"));
}

TEST_CASE("a head of exactly the caps is accepted") {
  std::string lines = "HTTP/1.1 200 OK\r\n";
  for (size_t i = 0; i < kMaxHeadLines - 2; ++i) lines += "A: b\r\n";
  HeadParser parser;
  CHECK(feed(parser, lines + "\r\n", 100) == Progress::kDone);
  std::string wide = "HTTP/1.1 200 OK\r\nA: \r\n\r\n";
  wide.insert(wide.size() - 4, kMaxHeadBytes - wide.size(), 'x');
  HeadParser second;
  CHECK(feed(second, wide, 100) == Progress::kDone);
}

}  // namespace
}  // namespace s3dlio::http
