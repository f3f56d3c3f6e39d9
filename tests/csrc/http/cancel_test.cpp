// Cancelling at any point: prompt, silent, and nothing is written afterwards.
#include <doctest/doctest.h>

#include "http/harness.h"

namespace s3dlio::testing {
namespace {

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

TEST_CASE("cancelled in the middle of the body: the memory is the caller's again") {
  const std::string body = pattern(64 << 20);
  std::atomic<bool> left{false};
  LoopbackServer server([&](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
    for (size_t at = 0; at < body.size(); at += 100'000) {
      if (!peer.send(body.substr(at, 100'000))) break;
      std::this_thread::sleep_for(100us);
    }
    left = true;
  });
  Harness harness;
  GuardedMemory memory(body.size());
  const auto got = harness.start(harness.endpoint(server), {}, {}, into(memory));
  REQUIRE(got->wait_until([&] { return got->seen.size() > 500'000; }));
  std::string at_cancel;
  harness.on_loop([&] {
    harness.exchange->cancel();
    at_cancel = memory.text();
  });
  CHECK(eventually([&] { return left.load(); }));
  std::this_thread::sleep_for(50ms);
  CHECK((memory.text() == at_cancel));
  CHECK(memory.guards_hold());
  CHECK(got->done_calls == 0);
  CHECK(at_cancel.compare(0, got->seen.size(), body, 0, got->seen.size()) == 0);
  harness.on_loop([&] { harness.exchange->cancel(); });  // harmless
}

TEST_CASE("cancelled from inside the handler") {
  const std::string body = pattern(3'000'000);
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer(body);
  });
  for (const bool in_head : {true, false}) {
    Harness harness;
    GuardedMemory memory(body.size());
    auto recorder = std::make_shared<Recorder>();
    std::atomic<bool> called{false};
    recorder->choose = [&](const ResponseHead&) -> BodyTarget {
      if (in_head) {
        harness.exchange->cancel();
        called = true;
      }
      return IntoMemory{{memory.span()}};
    };
    recorder->see = [&](auto) {
      harness.exchange->cancel();
      called = true;
    };
    harness.start(harness.endpoint(server), {}, {}, recorder);
    CHECK(eventually([&] { return called.load(); }));
    std::weak_ptr<Recorder> gone = recorder;
    recorder = nullptr;
    CHECK(eventually([&] { return gone.expired(); }));  // the exchange lets go of its handler
    CHECK(memory.guards_hold());
    GuardedMemory next(body.size());
    CHECK(!harness.fetch(harness.endpoint(server), {}, {}, into(next))->outcome->error);
  }
}

TEST_CASE("cancelled at every stage, the slot comes free") {
  // By stage: resolving, connecting to a silent address, no TLS answer, sending, no first byte, half a head, half a
  // body.
  const std::string body(32 << 20, 'x');
  LoopbackServer server([&](Peer& peer) {
    if (peer.index() > 1) peer.read_request();
    if (peer.index() == 3) peer.send("HTTP/1.1 20");
    if (peer.index() == 4) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    peer.client_left();
  });
  LoopbackServer last([](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer("x");
  });
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  http::ClientOptions options;
  options.max_connections = 1;
  Harness harness(options, [&](const std::string&, uint16_t) -> Result<std::vector<net::Address>> {
    released.wait();
    return std::vector{*net::Address::parse("127.0.0.1", 1)};
  });
  const auto cancel_after = [&](const http::Endpoint& endpoint, Request request, std::chrono::milliseconds time) {
    const auto recorder = harness.start(endpoint, std::move(request));
    const auto cancelled = harness.exchange;
    const auto next = harness.start(harness.endpoint(last));
    std::this_thread::sleep_for(time);
    CHECK(!next->is_done());
    harness.on_loop([&] { cancelled->cancel(); });
    CHECK(next->wait());
    CHECK(recorder->done_calls == 0);
  };
  Request upload;
  upload.method = "PUT";
  upload.payload = {std::as_bytes(std::span(body))};
  cancel_after({false, "slow.example", 80}, {}, 20ms);
  cancel_after({true, "127.0.0.1", server.port()}, {}, 50ms);
  cancel_after(harness.endpoint(server), upload, 50ms);
  for (int i = 0; i < 4; ++i) cancel_after(harness.endpoint(server), {}, 50ms);
  cancel_after(harness.endpoint(server), {}, 0ms);
  release.set_value();
  CHECK(harness.fetch({false, "slow.example", 80})->outcome->error);  // the look-up has ended before the loop does
}

TEST_CASE("cancelled while waiting: its turn is skipped") {
  std::promise<void> go;
  LoopbackServer server([&](Peer& peer) {
    peer.read_request();
    go.get_future().wait();
    peer.answer("first");
    while (!peer.read_request().empty()) peer.answer("next");
  });
  http::ClientOptions options;
  options.max_connections = 1;
  Harness harness(options);
  const auto first = harness.start(harness.endpoint(server));
  const auto second = harness.start(harness.endpoint(server));
  const auto waiting = harness.exchange;
  const auto third = harness.start(harness.endpoint(server));
  harness.on_loop([&] { waiting->cancel(); });
  go.set_value();
  CHECK(third->wait());
  CHECK(first->outcome->text == "first");
  CHECK(third->outcome->text == "next");
  CHECK(second->done_calls == 0);
}

}  // namespace
}  // namespace s3dlio::testing
