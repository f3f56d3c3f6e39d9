// One exchange against a server on loopback: sound answers, however they are cut.
#include <doctest/doctest.h>

#include <cstring>

#include "engine/stats/stats.h"
#include "http/harness.h"

namespace s3dlio::testing {
namespace {

TEST_CASE("a body lands in memory, byte for byte") {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{4000}, size_t{100 * 1024}, size_t{9'000'001}}) {
    const std::string body = pattern(size);
    LoopbackServer server([&](Peer& peer) {
      while (!peer.read_request().empty()) peer.answer(body);
    });
    Harness harness;
    for (int round = 0; round < 3; ++round) {
      GuardedMemory memory(size);
      const auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
      REQUIRE(got->outcome);
      REQUIRE(!got->outcome->error);
      CHECK(got->outcome->stage == http::Stage::kDone);
      CHECK(got->outcome->body_bytes == size);
      CHECK((memory.text() == body));
      CHECK((got->seen == body));
      CHECK(memory.guards_hold());
      CHECK(got->largest_piece <= 256 * 1024);
      CHECK(got->outcome->peer == "127.0.0.1:" + std::to_string(server.port()));
    }
    CHECK(server.connections() == 1);
  }
}

TEST_CASE("small answers are heard of after large ones on the same connection") {
  const std::string large = pattern(3'000'000);
  LoopbackServer server([&](Peer& peer) {
    for (int round = 0; !peer.read_request().empty(); ++round) {
      if (round % 2 == 1) {
        peer.answer("abc");
        continue;
      }
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + large.substr(0, 1'000'000));
      std::this_thread::sleep_for(20ms);  // the loop goes to sleep for a large piece, and gets all the rest as one
      peer.send(large.substr(1'000'000));
    }
  });
  Harness harness;
  for (int round = 0; round < 6; ++round) {
    GuardedMemory memory(round % 2 == 0 ? large.size() : 3);
    const auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
    REQUIRE(!got->outcome->error);
    CHECK((memory.text() == (round % 2 == 0 ? large : "abc")));
  }
  CHECK(server.connections() == 1);
}

TEST_CASE("a body is scattered over segments, gaps are thrown away") {
  const std::string body = pattern(700'000);
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer(body);
  });
  Harness harness;
  GuardedMemory first(10), second(200'000), third(90);
  const std::span<std::byte> gap(static_cast<std::byte*>(nullptr), 300'000);
  const std::span<std::byte> rest(static_cast<std::byte*>(nullptr), 700'000 - 500'100);
  const auto got = harness.fetch(harness.endpoint(server), {}, {}, [&](const ResponseHead&) {
    return IntoMemory{{first.span(), gap, second.span(), {}, third.span(), rest}};
  });
  REQUIRE(!got->outcome->error);
  CHECK(first.text() == body.substr(0, 10));
  CHECK((second.text() == body.substr(300'010, 200'000)));
  CHECK(third.text() == body.substr(500'010, 90));
  CHECK((got->seen == first.text() + second.text() + third.text()));
  CHECK(got->outcome->body_bytes == body.size());
  CHECK(harness.fetch(harness.endpoint(server))->outcome->error);  // 64 KiB text limit
  CHECK(server.connections() == 1);
}

TEST_CASE("a body longer than its segments leaves the rest unread") {
  const std::string body = pattern(3'000'000);
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer(body);
  });
  Harness harness;
  GuardedMemory memory(1'000'000);
  const uint64_t surplus = counters().surplus_bodies;
  const auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
  REQUIRE(!got->outcome->error);
  CHECK((memory.text() == body.substr(0, 1'000'000)));
  CHECK(memory.guards_hold());
  CHECK(got->outcome->body_bytes == 1'000'000);
  CHECK(counters().surplus_bodies == surplus + 1);
  GuardedMemory again(1'000'000);
  CHECK(!harness.fetch(harness.endpoint(server), {}, {}, into(again))->outcome->error);
  CHECK((again.text() == memory.text()));
  CHECK(server.connections() == 2);
}

TEST_CASE("a body shorter than its segments ends early, without an error") {
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer("abc");
  });
  Harness harness;
  GuardedMemory memory(10);
  const auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
  REQUIRE(!got->outcome->error);
  CHECK(got->outcome->body_bytes == 3);
  CHECK(memory.text().substr(0, 4) == "abc\xA5");
}

TEST_CASE("an answer cut into single bytes is the same answer") {
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) {
      for (const char c :
           std::string("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")) {
        peer.send({&c, 1});
        std::this_thread::sleep_for(1ms);
      }
    }
  });
  Harness harness;
  for (int round = 0; round < 2; ++round) {
    GuardedMemory memory(5);
    const auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
    REQUIRE(!got->outcome->error);
    CHECK(got->head->status == 200);
    CHECK(memory.text() == "hello");
  }
  CHECK(server.connections() == 1);
}

TEST_CASE("chunked bodies are decoded into memory and into text") {
  const std::string body = pattern(300'000);
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) {
      std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
      for (size_t at = 0, size = 1; at < body.size(); at += size, size = size * 3 + 1) {
        size = std::min(size, body.size() - at);
        char line[32];
        std::snprintf(line, sizeof line, "%zx\r\n", size);
        answer += line + body.substr(at, size) + "\r\n";
      }
      peer.send(answer + "0\r\n\r\n");
    }
  });
  Harness harness;
  GuardedMemory memory(body.size());
  auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
  REQUIRE(!got->outcome->error);
  CHECK((memory.text() == body));
  CHECK((got->seen == body));
  got = harness.fetch(harness.endpoint(server), {}, {}, [](const ResponseHead&) { return IntoString{1 << 20, false}; });
  REQUIRE(!got->outcome->error);
  CHECK((got->outcome->text == body));
  CHECK(server.connections() == 1);
  GuardedMemory small(1000);  // a body that does not end where the memory does
  got = harness.fetch(harness.endpoint(server), {}, {}, into(small));
  CHECK(!got->outcome->error);
  CHECK((small.text() == body.substr(0, 1000)));
  CHECK(small.guards_hold());
}

TEST_CASE("text has a limit: a failure, or cut where that is wanted") {
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer(std::string(100, 'x'));
  });
  Harness harness;
  const auto limited = [](uint64_t most, bool truncate) {
    return [=](const ResponseHead&) { return IntoString{most, truncate}; };
  };
  CHECK(harness.fetch(harness.endpoint(server), {}, {}, limited(100, false))->outcome->text == std::string(100, 'x'));
  const auto failed = harness.fetch(harness.endpoint(server), {}, {}, limited(99, false));
  REQUIRE(failed->outcome->error);
  CHECK(failed->outcome->error->code == ErrorCode::kProtocol);
  const auto cut = harness.fetch(harness.endpoint(server), {}, {}, limited(99, true));
  REQUIRE(!cut->outcome->error);
  CHECK(cut->outcome->text == std::string(99, 'x'));
}

TEST_CASE("answers without a body end with their head") {
  LoopbackServer server([&](Peer& peer) {
    for (std::string request = peer.read_request(); !request.empty(); request = peer.read_request()) {
      const bool head = request.starts_with("HEAD");
      peer.send(head                            ? "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"
                : request.starts_with("DELETE") ? "HTTP/1.1 204 No Content\r\n\r\n"
                                                : "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
    }
  });
  Harness harness;
  for (const char* method : {"HEAD", "DELETE", "GET", "HEAD"}) {
    Request request;
    request.method = method;
    const auto got = harness.fetch(harness.endpoint(server), request);
    REQUIRE(got->outcome);
    CHECK(!got->outcome->error);
    if (request.method == "HEAD") CHECK(got->head->content_length == 12345);
  }
  CHECK(server.connections() == 1);
}

TEST_CASE("a text that ends with the connection is whole; memory refuses it") {
  LoopbackServer server([&](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 500 Oops\r\n\r\nsorry");
  });
  Harness harness;
  const auto text = harness.fetch(harness.endpoint(server));
  REQUIRE(!text->outcome->error);
  CHECK(text->outcome->text == "sorry");
  GuardedMemory memory(5);
  const auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
  REQUIRE(got->outcome->error);
  CHECK(got->outcome->error->code == ErrorCode::kProtocol);
  CHECK(got->seen.empty());
}

TEST_CASE("a refused head ends the exchange with the handler's own error") {
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer("abc");
  });
  Harness harness;
  const auto got = harness.fetch(harness.endpoint(server), {}, {}, [](const ResponseHead&) {
    return Refuse{make_error(ErrorCode::kPreconditionFailed, "another etag")};
  });
  REQUIRE(got->outcome->error);
  CHECK(got->outcome->error->code == ErrorCode::kPreconditionFailed);
  CHECK(got->outcome->error->message == "another etag");
  harness.fetch(harness.endpoint(server));
  CHECK(server.connections() == 2);
}

TEST_CASE("a payload is sent straight from the caller's pieces") {
  const std::string body = pattern(5'000'000);
  std::atomic<bool> equal{false};
  LoopbackServer server([&](Peer& peer) {
    for (std::string request = peer.read_request(); !request.empty(); request = peer.read_request()) {
      equal = request.substr(request.find("\r\n\r\n") + 4) == body;
      peer.answer("");
    }
  });
  Harness harness;
  const auto bytes = std::as_bytes(std::span(body));
  const uint64_t sent = counters().bytes_sent;
  Request request;
  request.method = "PUT";
  request.payload = {bytes.first(10), {}, bytes.subspan(10, 3'000'000)};
  for (size_t at = 3'000'010; at < bytes.size(); at += 1000)
    request.payload.push_back(bytes.subspan(at, std::min<size_t>(1000, bytes.size() - at)));
  const auto got = harness.fetch(harness.endpoint(server), request);
  REQUIRE(!got->outcome->error);
  CHECK(equal);
  CHECK(counters().bytes_sent == sent + body.size());
  equal = false;
  request.payload.clear();
  request.document = body;
  CHECK(!harness.fetch(harness.endpoint(server), request)->outcome->error);
  CHECK(equal);
  CHECK(counters().bytes_sent == sent + 2 * body.size());
}

TEST_CASE("an ill-formed request is refused, and not from inside start") {
  LoopbackServer server([](Peer& peer) { peer.read_request(); });
  Harness harness;
  auto recorder = std::make_shared<Recorder>();
  Request request;
  request.headers.add("A", "b\r\nC: d");
  bool told_inside = true;
  harness.on_loop([&] {
    harness.client->start(*harness.loop, harness.endpoint(server), request, {}, recorder);
    told_inside = recorder->is_done();
  });
  CHECK(!told_inside);
  REQUIRE(recorder->wait());
  CHECK(recorder->outcome->error->code == ErrorCode::kInvalidArgument);
  CHECK(server.connections() == 0);
}

}  // namespace
}  // namespace s3dlio::testing
