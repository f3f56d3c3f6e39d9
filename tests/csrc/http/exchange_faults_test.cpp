// One exchange against a server that misbehaves: an error that says what happened, never wrong or missing bytes.
#include <doctest/doctest.h>

#include "engine/stats/stats.h"
#include "http/harness.h"

namespace s3dlio::testing {
namespace {

using http::Stage;

ErrorCode code_of(const std::shared_ptr<Recorder>& got) {
  REQUIRE(got->outcome->error);
  return got->outcome->error->code;
}

bool says(const std::shared_ptr<Recorder>& got, std::string_view text) {
  const bool found = got->outcome->error->message.find(text) != std::string::npos;
  if (!found) MESSAGE(got->outcome->error->message);
  return found;
}

std::string head_for(size_t size) { return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n"; }

// ---- broken connections ----

TEST_CASE("a reset in the middle of the body is an error with the bytes so far") {
  const std::string body = pattern(1'000'000);
  std::promise<void> half_read;
  LoopbackServer server([&](Peer& peer) {
    peer.read_request();
    peer.send(head_for(body.size()) + body.substr(0, 500'000));
    half_read.get_future().wait();
    peer.reset();
  });
  Harness harness;
  GuardedMemory memory(body.size());
  const auto got = harness.start(harness.endpoint(server), {}, {}, into(memory));
  CHECK(got->wait_until([&] { return !got->seen.empty(); }));
  half_read.set_value();
  REQUIRE(got->wait());
  CHECK(code_of(got) == ErrorCode::kConnection);
  CHECK(got->outcome->stage == Stage::kBody);
  CHECK(got->outcome->body_bytes == got->seen.size());
  CHECK(!got->outcome->stale_connection);
  CHECK(got->outcome->request_may_have_arrived);
  CHECK((got->seen == body.substr(0, got->seen.size())));
  CHECK((memory.text().substr(0, got->seen.size()) == got->seen));
}

TEST_CASE("a clean end before the length is reached is never a short success") {
  for (const size_t sent : {size_t{0}, size_t{1}, size_t{99'999}}) {
    const std::string body = pattern(100'000);
    LoopbackServer server([&](Peer& peer) {
      peer.read_request();
      peer.send(head_for(body.size()) + body.substr(0, sent));
    });
    Harness harness;
    GuardedMemory memory(body.size());
    const auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
    CHECK(code_of(got) == ErrorCode::kConnection);
    CHECK(says(got, "closed by the server"));
    CHECK(got->outcome->body_bytes == sent);
    CHECK((got->seen == body.substr(0, sent)));
    const auto text =
        harness.fetch(harness.endpoint(server), {}, {}, [](const ResponseHead&) { return IntoString{1 << 20, true}; });
    CHECK(code_of(text) == ErrorCode::kConnection);
  }
}

TEST_CASE("an end inside a head or inside chunked framing is an error") {
  for (const char* answer : {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Le",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"}) {
    LoopbackServer server([&](Peer& peer) {
      peer.read_request();
      peer.send(answer);
    });
    Harness harness;
    const auto got = harness.fetch(harness.endpoint(server));
    CAPTURE(answer);
    CHECK(code_of(got) == ErrorCode::kConnection);
    CHECK(!got->outcome->stale_connection);
  }
}

TEST_CASE("broken framing is refused and counted, the connection closed") {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "SSH-2.0-x\r\n"}) {
    std::atomic<bool> closed{false};
    LoopbackServer server([&](Peer& peer) {
      peer.read_request();
      peer.send(answer);
      closed = peer.client_left();
    });
    Harness harness;
    GuardedMemory memory(10);
    const uint64_t errors = counters().transport_errors;
    const auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
    CHECK(code_of(got) == ErrorCode::kProtocol);
    CHECK(counters().transport_errors == errors + 1);
    for (int i = 0; i < 1000 && !closed; ++i) std::this_thread::sleep_for(5ms);
    CHECK(closed);
  }
}

TEST_CASE("an endless head is refused with bounded memory") {
  LoopbackServer server([&](Peer& peer) {
    peer.read_request();
    const bool interim = peer.index() == 1;
    if (!interim) peer.send("HTTP/1.1 200 OK\r\n");
    while (peer.send(interim ? "HTTP/1.1 100 Continue\r\n\r\n"
                             : "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")) {
    }
  });
  Harness harness;
  for (int round = 0; round < 2; ++round) {
    const auto got = harness.fetch(harness.endpoint(server));
    CHECK(code_of(got) == ErrorCode::kProtocol);
    CHECK(says(got, "head"));
  }
}

TEST_CASE("bytes beyond the length: the data is valid, the connection is not used again") {
  const std::string body = pattern(200'000);
  // Behind the body: the beginning of an answer, a single byte, an answer that comes a little later.
  for (const char* text : {"HTTP/1.1 200 OK\r\n", "H", ""}) {
    const std::string beyond = text;
    const bool late = beyond.empty();
    CAPTURE(beyond);
    LoopbackServer server([&](Peer& peer) {
      while (!peer.read_request().empty()) {
        peer.send(head_for(body.size()) + body + beyond);
        if (late) std::this_thread::sleep_for(50ms);
        if (late) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      }
    });
    Harness harness;
    const uint64_t surplus = counters().surplus_bodies;
    for (int round = 0; round < 2; ++round) {
      GuardedMemory memory(body.size());
      const auto got = harness.fetch(harness.endpoint(server), {}, {}, into(memory));
      REQUIRE(!got->outcome->error);
      CHECK((memory.text() == body));
      CHECK(memory.guards_hold());
      std::this_thread::sleep_for(late ? 150ms : 0ms);
    }
    CHECK(server.connections() == 2);
    CHECK(counters().surplus_bodies == surplus + 2);
  }
}

TEST_CASE("bytes behind an answer that came in one piece disqualify the connection") {
  for (const char* answer : {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
                             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"}) {
    CAPTURE(answer);
    LoopbackServer server([&](Peer& peer) {
      while (!peer.read_request().empty()) {
        peer.send(answer + std::string("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
      }
    });
    Harness harness;
    const uint64_t surplus = counters().surplus_bodies;
    for (int round = 0; round < 2; ++round) {
      const auto got = harness.fetch(harness.endpoint(server));
      REQUIRE(!got->outcome->error);
      CHECK(got->outcome->text.size() <= 1);
    }
    CHECK(server.connections() == 2);
    CHECK(counters().surplus_bodies == surplus + 2);
  }
}

// ---- time ----

TEST_CASE("no first byte: a time-out that says so") {
  LoopbackServer server([](Peer& peer) {
    peer.read_request();
    peer.client_left();
  });
  Harness harness;
  ExchangeLimits limits;
  limits.first_byte_timeout = 100ms;
  const uint64_t timeouts = counters().timeouts;
  const auto before = std::chrono::steady_clock::now();
  const auto got = harness.fetch(harness.endpoint(server), {}, limits);
  CHECK(code_of(got) == ErrorCode::kTimeout);
  CHECK(got->outcome->stage == Stage::kFirstByte);
  CHECK(got->outcome->request_may_have_arrived);
  CHECK(says(got, "no answer within 100 ms"));
  CHECK(counters().timeouts == timeouts + 1);
  CHECK(std::chrono::steady_clock::now() - before < 2s);
}

TEST_CASE("a trickle is a stall, in the head and in the body") {
  for (const bool in_head : {true, false}) {
    LoopbackServer server([&](Peer& peer) {
      peer.read_request();
      peer.send(in_head ? "HTTP/1.1 200 OK\r\nX: " : head_for(1'000'000));
      while (peer.send("x")) std::this_thread::sleep_for(5ms);
    });
    Harness harness;
    GuardedMemory memory(1'000'000);
    ExchangeLimits limits;
    limits.floor_bytes = 10'000;
    limits.floor_window = 200ms;
    const auto got = harness.fetch(harness.endpoint(server), {}, limits, into(memory));
    CHECK(code_of(got) == ErrorCode::kTimeout);
    CHECK(got->outcome->stage == (in_head ? Stage::kHead : Stage::kBody));
    CHECK(says(got, "stalled"));
    CHECK((in_head || got->outcome->body_bytes > 0));
    CHECK(memory.guards_hold());
  }
}

TEST_CASE("slow, but above the floor, is no stall, also while the loop sleeps for larger pieces") {
  const std::string body = pattern(600'000);
  LoopbackServer server([&](Peer& peer) {
    peer.read_request();
    peer.send(head_for(body.size()));
    for (size_t at = 0; at < body.size(); at += 10'000) {
      peer.send(body.substr(at, 10'000));
      std::this_thread::sleep_for(10ms);
    }
  });
  Harness harness;
  GuardedMemory memory(body.size());
  ExchangeLimits limits;
  limits.floor_bytes = 20'000;
  limits.floor_window = 150ms;  // some 150 KB come in one, less than the low-water mark
  const auto got = harness.fetch(harness.endpoint(server), {}, limits, into(memory));
  REQUIRE(!got->outcome->error);
  CHECK((memory.text() == body));
}

TEST_CASE("a server that does not read is a stall as well") {
  LoopbackServer server([](Peer& peer) { peer.client_left(); });
  Harness harness;
  const std::string body(64 << 20, 'x');
  Request request;
  request.method = "PUT";
  request.payload = {std::as_bytes(std::span(body))};
  ExchangeLimits limits;
  limits.floor_window = 200ms;
  const auto got = harness.fetch(harness.endpoint(server), request, limits);
  CHECK(code_of(got) == ErrorCode::kTimeout);
  CHECK(got->outcome->stage == Stage::kSend);
}

TEST_CASE("what drains slowly, but above the floor, is no stall, however much the kernel holds ready") {
  constexpr size_t kPiece = 64 << 10;
  constexpr auto kSlowly = 1200ms;  // the kernel wakes the sender perhaps once in that time
  const std::string body = pattern(24 << 20);
  LoopbackServer server([&](Peer& peer) {
    const int small = kPiece;  // or the receiver's buffer takes all at once
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    const std::string head = peer.read_head();
    std::string piece(kPiece, '\0');
    const auto until = std::chrono::steady_clock::now() + kSlowly;
    for (size_t got = head.size() - head.find("\r\n\r\n") - 4; got < body.size();) {
      const auto size = ::recv(peer.fd(), piece.data(), piece.size(), 0);
      if (size <= 0) return;
      got += static_cast<size_t>(size);
      if (std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(50ms);
    }
    peer.answer("done");
  });
  Harness harness;
  Request request;
  request.method = "PUT";
  request.payload = {std::as_bytes(std::span(body))};
  ExchangeLimits limits;
  limits.floor_bytes = 16 << 10;
  limits.floor_window = 300ms;
  const auto got = harness.fetch(harness.endpoint(server), std::move(request), limits);
  if (got->outcome->error) MESSAGE(got->outcome->error->message);
  CHECK_FALSE(got->outcome->error);
  CHECK(got->outcome->text == "done");
}

TEST_CASE("the deadline holds at every stage") {
  for (const int stage : {0, 1, 2}) {
    LoopbackServer server([&](Peer& peer) {
      peer.read_request();
      if (stage == 1) peer.send("HTTP/1.1 200");
      if (stage == 2) peer.send(head_for(1 << 30));
      const std::string filler(1000, 'x');
      while (stage == 2 && peer.send(filler)) std::this_thread::sleep_for(1ms);
      peer.client_left();
    });
    Harness harness;
    GuardedMemory memory(1 << 20);
    ExchangeLimits limits;
    limits.deadline = net::Clock::now() + 200ms;
    const auto got = harness.fetch(harness.endpoint(server), {}, limits, into(memory));
    CHECK(code_of(got) == ErrorCode::kTimeout);
    CHECK(says(got, "deadline"));
    CHECK(net::Clock::now() - *limits.deadline < 2s);
  }
}

TEST_CASE("the deadline holds while waiting for a free connection") {
  LoopbackServer server([](Peer& peer) {
    peer.read_request();
    peer.client_left();
  });
  http::ClientOptions options;
  options.max_connections = 1;
  Harness harness(options);
  const auto first = harness.start(harness.endpoint(server));
  const auto blocking = harness.exchange;
  ExchangeLimits limits;
  limits.deadline = net::Clock::now() + 100ms;
  const auto second = harness.fetch(harness.endpoint(server), {}, limits);
  CHECK(code_of(second) == ErrorCode::kTimeout);
  CHECK(second->outcome->stage == Stage::kWaiting);
  CHECK(!second->outcome->request_may_have_arrived);
  harness.on_loop([&] { blocking->cancel(); });
}

// ---- answers before the request is sent ----

TEST_CASE("a refusal that comes before the body was read is received, the rest not sent") {
  for (const bool reset : {false, true}) {
    LoopbackServer server([&](Peer& peer) {
      peer.read_head();
      peer.send("HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\n\r\nslow");
      if (!reset) peer.client_left();
    });
    Harness harness;
    const std::string body(64 << 20, 'x');
    Request request;
    request.method = "PUT";
    request.payload = {std::as_bytes(std::span(body))};
    const auto got = harness.fetch(harness.endpoint(server), request);
    REQUIRE(!got->outcome->error);
    CHECK(got->head->status == 503);
    CHECK(got->outcome->text == "slow");
    harness.start(harness.endpoint(server), request);
    for (int i = 0; i < 1000 && server.connections() < 2; ++i) std::this_thread::sleep_for(5ms);
    CHECK(server.connections() == 2);
    harness.on_loop([&] { harness.exchange->cancel(); });
  }
}

// Room to send is reported first; before the loop gets to it the server has answered and reset, so sending fails while
// the answer lies unread. Another exchange, whose turn in the same wake-up comes before, makes that certain.
TEST_CASE("a refusal is received also when the failed sending is seen first") {
  std::promise<void> asked, more_wanted, drain, drained, reset, was_reset;
  LoopbackServer server([&](Peer& peer) {
    if (peer.read_head().starts_with("GET")) {
      peer.send(head_for(2000) + std::string(1000, 'x'));
      more_wanted.get_future().wait_for(20s);
      peer.send(std::string(1000, 'y'));
      peer.client_left();
      return;
    }
    asked.set_value();
    drain.get_future().wait_for(20s);
    std::string buffer(1 << 20, '\0');
    pollfd readable{peer.fd(), POLLIN, 0};
    while (::poll(&readable, 1, 200) > 0 && ::recv(peer.fd(), buffer.data(), buffer.size(), 0) > 0) {
    }
    drained.set_value();
    reset.get_future().wait_for(20s);
    peer.send("HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\n\r\nslow");
    peer.reset();
    was_reset.set_value();
  });
  Harness harness;
  GuardedMemory memory(2000);
  auto blocker = std::make_shared<Recorder>();
  blocker->choose = into(memory);
  std::atomic<bool> armed{false};
  blocker->see = [&](auto) {
    if (!armed.exchange(false)) return;
    reset.set_value();
    was_reset.get_future().wait();
    std::this_thread::sleep_for(50ms);
  };
  harness.start(harness.endpoint(server), {}, {}, blocker);
  REQUIRE(blocker->wait_until([&] { return blocker->seen.size() == 1000; }));
  const std::string body(64 << 20, 'x');
  Request request;
  request.method = "PUT";
  request.payload = {std::as_bytes(std::span(body))};
  const auto got = harness.start(harness.endpoint(server), request);
  asked.get_future().wait();
  std::this_thread::sleep_for(100ms);  // until the socket takes no more
  std::promise<void> held, release;
  harness.loop->post([&] {
    held.set_value();
    release.get_future().wait();
  });
  held.get_future().wait();
  armed = true;
  more_wanted.set_value();
  std::this_thread::sleep_for(50ms);  // the other exchange is ready first
  drain.set_value();
  drained.get_future().wait();
  release.set_value();
  REQUIRE(got->wait());
  REQUIRE(!got->outcome->error);
  CHECK(got->head->status == 503);
  CHECK(got->outcome->text == "slow");
  CHECK(!armed);
  CHECK(blocker->wait());
}

TEST_CASE("a success that comes before the body was read is not believed") {
  LoopbackServer server([](Peer& peer) {
    peer.read_head();
    peer.answer("");
    peer.client_left();
  });
  Harness harness;
  const std::string body(64 << 20, 'x');
  Request request;
  request.method = "PUT";
  request.payload = {std::as_bytes(std::span(body))};
  CHECK(code_of(harness.fetch(harness.endpoint(server), request)) == ErrorCode::kProtocol);
}

TEST_CASE("an interim answer does not stop the sending") {
  LoopbackServer server([](Peer& peer) {
    const std::string head = peer.read_head();
    peer.send("HTTP/1.1 100 Continue\r\n\r\n");
    std::this_thread::sleep_for(50ms);
    size_t left = 32 << 20;
    std::string buffer(1 << 20, '\0');
    left -= head.size() - head.find("\r\n\r\n") - 4;
    while (left > 0) {
      const auto got = ::recv(peer.fd(), buffer.data(), buffer.size(), 0);
      if (got <= 0) return;
      left -= static_cast<size_t>(got);
    }
    peer.answer("done");
  });
  Harness harness;
  const std::string body(32 << 20, 'x');
  Request request;
  request.method = "PUT";
  request.payload = {std::as_bytes(std::span(body))};
  const auto got = harness.fetch(harness.endpoint(server), request);
  REQUIRE(!got->outcome->error);
  CHECK(got->outcome->text == "done");
}

}  // namespace
}  // namespace s3dlio::testing
