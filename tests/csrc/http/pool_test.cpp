// Connections are kept, bounded, and never trusted blindly.
#include <doctest/doctest.h>

#include "engine/stats/stats.h"
#include "http/harness.h"

namespace s3dlio::testing {
namespace {

// Answers every request with its own number on the connection.
void count_requests(Peer& peer) {
  for (int number = 0; !peer.read_request().empty(); ++number) {
    peer.answer(std::to_string(peer.index()) + "." + std::to_string(number));
  }
}

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

TEST_CASE("connections are used again, the last one first; fresh ones when asked") {
  LoopbackServer server(count_requests);
  Harness harness;
  CHECK(harness.fetch(harness.endpoint(server))->outcome->text == "0.0");
  CHECK(harness.fetch(harness.endpoint(server))->outcome->text == "0.1");
  ExchangeLimits limits;
  limits.fresh_connection = true;
  CHECK(harness.fetch(harness.endpoint(server), {}, limits)->outcome->text == "1.0");
  CHECK(harness.fetch(harness.endpoint(server))->outcome->text == "1.1");
}

TEST_CASE("a request that starts when another ends uses its connection at once") {
  LoopbackServer server(count_requests);
  Harness harness;
  auto first = std::make_shared<Recorder>();
  auto second = std::make_shared<Recorder>();
  first->then = [&] { harness.client->start(*harness.loop, harness.endpoint(server), {}, {}, second); };
  harness.start(harness.endpoint(server), {}, {}, first);
  REQUIRE(second->wait());
  CHECK(second->outcome->text == "0.1");
}

TEST_CASE("'Connection: close' is obeyed") {
  LoopbackServer server([](Peer& peer) {
    peer.read_request();
    peer.answer("bye", "Connection: close\r\n");
    peer.client_left();
  });
  Harness harness;
  for (int round = 0; round < 3; ++round) CHECK(!harness.fetch(harness.endpoint(server))->outcome->error);
  CHECK(server.connections() == 3);
}

TEST_CASE("no more exchanges than connections allowed; the others wait their turn in order") {
  std::atomic<int> under_way{0};
  std::atomic<int> most{0};
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) {
      most = std::max<int>(most, ++under_way);
      std::this_thread::sleep_for(2ms);
      --under_way;
      peer.answer("x");
    }
  });
  http::ClientOptions options;
  options.max_connections = 3;
  Harness harness(options);
  std::vector<int> order;
  std::vector<std::shared_ptr<Recorder>> all;
  for (int i = 0; i < 40; ++i) {
    all.push_back(std::make_shared<Recorder>());
    all.back()->then = [&order, i] { order.push_back(i); };
  }
  harness.on_loop([&] {
    for (const auto& recorder : all) harness.client->start(*harness.loop, harness.endpoint(server), {}, {}, recorder);
  });
  for (const auto& recorder : all) REQUIRE(recorder->wait());
  CHECK(most <= 3);
  CHECK(server.connections() == 3);
  harness.on_loop([&] {
    for (size_t i = 0; i < order.size(); ++i)
      CHECK(std::abs(order[i] - static_cast<int>(i)) < 10);  // three at a time finish in any order
  });
}

TEST_CASE("a raised limit lets those who wait begin") {
  LoopbackServer server([](Peer& peer) {
    peer.read_request();
    if (peer.index() == 0) {
      peer.client_left();
    } else {
      peer.answer("x");
      peer.read_request();
    }
  });
  http::ClientOptions options;
  options.max_connections = 1;
  Harness harness(options);
  harness.start(harness.endpoint(server));
  const auto stuck = harness.exchange;
  const auto waiting = harness.start(harness.endpoint(server));
  CHECK(!waiting->wait(50ms));
  harness.client->set_max_connections(2);
  CHECK(waiting->wait());
  harness.on_loop([&] { stuck->cancel(); });
}

TEST_CASE("slots are shared fairly between loops") {
  LoopbackServer server([](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer("x");
  });
  http::ClientOptions options;
  options.max_connections = 2;
  Harness harness(options);
  std::vector<std::unique_ptr<net::EventLoop>> loops;
  for (int i = 0; i < 3; ++i) loops.push_back(net::make_event_loop());
  std::vector<std::shared_ptr<Recorder>> all;
  for (int i = 0; i < 300; ++i) {
    auto recorder = all.emplace_back(std::make_shared<Recorder>());
    net::EventLoop& loop = *loops[static_cast<size_t>(i) % loops.size()];
    loop.post([&, recorder] { harness.client->start(loop, harness.endpoint(server), {}, {}, recorder); });
  }
  for (const auto& recorder : all) {
    REQUIRE(recorder->wait());
    CHECK(!recorder->outcome->error);
  }
  harness.client = nullptr;  // before the loops it was used on
  for (const auto& loop : loops) {
    std::promise<void> done;
    loop->post([&] { done.set_value(); });
    done.get_future().wait();
  }
}

TEST_CASE("an idle connection the server has closed is not used") {
  LoopbackServer server([](Peer& peer) {
    peer.read_request();
    peer.answer("x");
  });
  Harness harness;
  const uint64_t stale = counters().stale_connections;
  for (int round = 0; round < 3; ++round) {
    const auto got = harness.fetch(harness.endpoint(server));
    CHECK(!got->outcome->error);
    std::this_thread::sleep_for(50ms);
  }
  CHECK(server.connections() == 3);
  CHECK(counters().stale_connections == stale);
}

TEST_CASE("a reused connection that closes instead of answering is told apart") {
  for (const bool reset : {false, true}) {
    LoopbackServer server([&](Peer& peer) {
      peer.read_request();
      peer.answer("x");
      if (peer.index() > 0) return void(peer.read_request());
      peer.read_request();  // and closes without a word
      if (reset) peer.reset();
    });
    Harness harness;
    CHECK(!harness.fetch(harness.endpoint(server))->outcome->error);
    const auto stale = harness.fetch(harness.endpoint(server));
    REQUIRE(stale->outcome->error);
    CHECK(stale->outcome->stale_connection);
    if (!reset) CHECK(stale->outcome->request_may_have_arrived);  // a FIN acknowledges it, a reset need not
    CHECK(!harness.fetch(harness.endpoint(server))->outcome->error);
  }
}

TEST_CASE("the first use of a connection is never called stale") {
  LoopbackServer server([](Peer& peer) { peer.read_request(); });
  Harness harness;
  const auto got = harness.fetch(harness.endpoint(server));
  REQUIRE(got->outcome->error);
  CHECK(!got->outcome->stale_connection);
  CHECK(got->outcome->error->code == ErrorCode::kConnection);
}

TEST_CASE("input nobody asked for disqualifies an idle connection") {
  LoopbackServer server([](Peer& peer) {
    while (!peer.read_request().empty()) {
      peer.answer("x");
      std::this_thread::sleep_for(20ms);
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    }
  });
  Harness harness;
  for (int round = 0; round < 3; ++round) {
    CHECK(harness.fetch(harness.endpoint(server))->outcome->text == "x");
    std::this_thread::sleep_for(100ms);
  }
  CHECK(server.connections() == 3);
}

TEST_CASE("a connection is asked before it is used again, for the loop may not have heard yet") {
  for (const bool closes : {false, true}) {
    LoopbackServer server([&](Peer& peer) {
      while (!peer.read_request().empty()) {
        peer.answer("x");
        std::this_thread::sleep_for(20ms);
        if (closes) return;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
      }
    });
    Harness harness;
    CHECK(harness.fetch(harness.endpoint(server))->outcome->text == "x");
    auto second = std::make_shared<Recorder>();
    harness.on_loop([&] {
      std::this_thread::sleep_for(100ms);
      harness.client->start(*harness.loop, harness.endpoint(server), {}, {}, second);
    });
    REQUIRE(second->wait());
    REQUIRE(!second->outcome->error);
    CHECK(second->outcome->text == "x");
    CHECK(server.connections() == 2);
  }
}

TEST_CASE("idle connections are closed after a while, and with the client") {
  std::atomic<int> left{0};
  LoopbackServer server([&](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer("x");
    ++left;
  });
  http::ClientOptions options;
  options.idle_timeout = 100ms;
  Harness harness(options);
  CHECK(!harness.fetch(harness.endpoint(server))->outcome->error);
  CHECK(eventually([&] { return left == 1; }));
  CHECK(!harness.fetch(harness.endpoint(server))->outcome->error);
  harness.client = nullptr;
  CHECK(eventually([&] { return left == 2; }));
}

TEST_CASE("idle connections give way to new ones elsewhere") {
  std::atomic<int> left{0};
  const auto script = [&](Peer& peer) {
    while (!peer.read_request().empty()) peer.answer("x");
    ++left;
  };
  LoopbackServer one(script);
  LoopbackServer two(script);
  http::ClientOptions options;
  options.max_connections = 1;
  Harness harness(options);
  CHECK(!harness.fetch(harness.endpoint(one))->outcome->error);
  CHECK(!harness.fetch(harness.endpoint(two))->outcome->error);
  CHECK(eventually([&] { return left == 1; }));
}

TEST_CASE("exchanges outlive the client") {
  std::promise<void> go;
  LoopbackServer server([&](Peer& peer) {
    peer.read_request();
    go.get_future().wait();
    peer.answer("x");
    peer.client_left();
  });
  Harness harness;
  const auto got = harness.start(harness.endpoint(server));
  harness.client = nullptr;
  go.set_value();
  REQUIRE(got->wait());
  CHECK(got->outcome->text == "x");
}

// ---- addresses ----

TEST_CASE("a dead address costs little, once") {
  LoopbackServer server(count_requests);
  const auto lookup = [](const std::string&, uint16_t port) -> Result<std::vector<net::Address>> {
    return std::vector{*net::Address::parse("127.0.0.1", 1), *net::Address::parse("127.0.0.1", port)};
  };
  Harness harness({}, lookup);
  const http::Endpoint endpoint{false, "store.example", server.port()};
  const uint64_t bad = counters().addresses_marked_bad;
  ExchangeLimits limits;
  limits.fresh_connection = true;
  const auto before = net::Clock::now();
  for (int round = 0; round < 6; ++round) CHECK(!harness.fetch(endpoint, {}, limits)->outcome->error);
  CHECK(net::Clock::now() - before < 1s);
  CHECK(counters().addresses_marked_bad == bad + 1);
}

TEST_CASE("an address that broke is avoided by the next fresh connection") {
  LoopbackServer breaking([](Peer& peer) { peer.read_request(); });
  LoopbackServer sound(count_requests);
  const auto lookup = [&](const std::string&, uint16_t) -> Result<std::vector<net::Address>> {
    return std::vector{*net::Address::parse("127.0.0.1", breaking.port()),
                       *net::Address::parse("127.0.0.1", sound.port())};
  };
  Harness harness({}, lookup);
  const http::Endpoint endpoint{false, "store.example", 80};
  CHECK(harness.fetch(endpoint)->outcome->error);
  ExchangeLimits limits;
  limits.fresh_connection = true;
  for (int round = 0; round < 4; ++round) CHECK(!harness.fetch(endpoint, {}, limits)->outcome->error);
}

TEST_CASE("a name without an address and a port without a server fail fast and say so") {
  Harness harness({}, [](const std::string& host, uint16_t) -> Result<std::vector<net::Address>> {
    return make_error(ErrorCode::kConnection, "cannot resolve host '" + host + "'");
  });
  const auto before = net::Clock::now();
  const auto unknown = harness.fetch({false, "nowhere.example", 80});
  CHECK(unknown->outcome->error->code == ErrorCode::kConnection);
  CHECK(unknown->outcome->stage == http::Stage::kResolve);
  CHECK(unknown->outcome->error->message.find("nowhere.example") != std::string::npos);
  const auto refused = harness.fetch({false, "127.0.0.1", 1});
  CHECK(refused->outcome->error->code == ErrorCode::kConnection);
  CHECK(refused->outcome->stage == http::Stage::kConnect);
  CHECK(refused->outcome->error->message.find("refused") != std::string::npos);
  CHECK(!refused->outcome->request_may_have_arrived);
  CHECK(net::Clock::now() - before < 1s);
}

}  // namespace
}  // namespace s3dlio::testing
