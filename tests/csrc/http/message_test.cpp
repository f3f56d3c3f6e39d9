#include "engine/http/message.h"

#include <doctest/doctest.h>

#include "engine/http/request_writer.h"

namespace s3dlio::http {
namespace {

TEST_CASE("headers are found whatever their case, and set replaces all") {
  Headers headers;
  headers.add("X-A", "1");
  headers.add("x-a", "2");
  CHECK(headers.find("X-a") == "1");
  CHECK(headers.count("x-A") == 2);
  headers.set("x-a", "3");
  CHECK(headers.count("X-A") == 1);
  CHECK(headers.find("X-A") == "3");
  CHECK(!headers.find("x-b"));
}

TEST_CASE("Content-Range is read as RFC 9110 writes it") {
  const auto range = parse_content_range("bytes 5-9/100");
  REQUIRE(range);
  CHECK(range->start == 5);
  CHECK(range->end == 10);
  CHECK(range->total == 100);
  CHECK(!range->unsatisfied);
  CHECK(!parse_content_range("bytes 0-0/*")->total);
  CHECK(parse_content_range("bytes */7")->unsatisfied);
  CHECK(parse_content_range("bytes */7")->total == 7);
  CHECK(parse_content_range("bytes 0-18446744073709551614/*")->end == 18446744073709551615ull);
}

TEST_CASE("anything else in Content-Range is refused") {
  for (const char* text : {"",
                           "bytes",
                           "bytes ",
                           "bytes 5-9",
                           "bytes 9-5/100",
                           "bytes 5-100/100",
                           "bytes -5/10",
                           "bytes 5-/10",
                           "bytes */*",
                           "bytes 0-0/0",
                           "bytes  5-9/100",
                           "bytes 5 -9/100",
                           "bytes 5-9/100 ",
                           "bytes +5-9/100",
                           "items 5-9/100",
                           "bytes=5-9/100",
                           "bytes 5-9/",
                           "bytes 0-18446744073709551615/*",
                           "bytes 0-18446744073709551616/*",
                           "bytes 1-2-3/4",
                           "bytes 0x1-0x2/9"}) {
    CAPTURE(text);
    CHECK(!parse_content_range(text));
  }
}

TEST_CASE("a request is written once, with Host and length") {
  Request request;
  request.method = "PUT";
  request.path = "/b/a%20b";
  request.query = "x=1";
  request.headers.add("A", "b");
  request.document = "hello";
  CHECK(write_head(request, {false, "h", 8080}).value() ==
        "PUT /b/a%20b?x=1 HTTP/1.1\r\nHost: h:8080\r\nA: b\r\nContent-Length: 5\r\n\r\n");
  request = Request();
  request.headers.add("host", "given");
  CHECK(write_head(request, {true, "h", 443}).value() == "GET / HTTP/1.1\r\nhost: given\r\n\r\n");
  request.method = "POST";
  CHECK(write_head(request, {true, "h", 443}).value().ends_with("Content-Length: 0\r\n\r\n"));
}

TEST_CASE("nothing can be smuggled into a request") {
  const auto refused = [](auto change) {
    Request request;
    change(request);
    return !write_head(request, {true, "h", 443}).ok();
  };
  CHECK(refused([](Request& r) { r.headers.add("A", "b\r\nC: d"); }));
  CHECK(refused([](Request& r) { r.headers.add("A", std::string("b\0", 2)); }));
  CHECK(refused([](Request& r) { r.headers.add("A\r\nB", "c"); }));
  CHECK(refused([](Request& r) { r.headers.add("", "c"); }));
  CHECK(refused([](Request& r) { r.path = "/a b"; }));
  CHECK(refused([](Request& r) { r.path = "a"; }));
  CHECK(refused([](Request& r) { r.path = "/a\r\n"; }));
  CHECK(refused([](Request& r) { r.query = "a=b c"; }));
  CHECK(refused([](Request& r) { r.method = "GET /x HTTP/1.1\r\n"; }));
}

TEST_CASE("the port is named only where it is not the scheme's own") {
  CHECK(Endpoint{true, "h", 443}.authority() == "h");
  CHECK(Endpoint{true, "h", 80}.authority() == "h:80");
  CHECK(Endpoint{false, "::1", 80}.authority() == "[::1]");
  CHECK(Endpoint{false, "::1", 9000}.authority() == "[::1]:9000");
}

}  // namespace
}  // namespace s3dlio::http
