#include "engine/net/connector.h"

#include <doctest/doctest.h>

#include <future>

#include "engine/stats/stats.h"
#include "net/loopback_server.h"

namespace s3dlio::net {
namespace {

using namespace std::chrono_literals;
using testing::LoopbackServer;
using testing::Peer;

// A port whose SYNs are ignored: its queue of connections is full and nobody accepts.
class SilentPort {
 public:
  SilentPort() {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at);
    ::listen(listener_, 0);
    socklen_t size = sizeof at;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    for (int& filler : fillers_) {
      filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      static_cast<void>(::connect(filler, reinterpret_cast<sockaddr*>(&at), sizeof at));
    }
    std::this_thread::sleep_for(20ms);
  }
  ~SilentPort() {
    for (const int filler : fillers_) ::close(filler);
    ::close(listener_);
  }
  Address address() const { return *Address::parse("127.0.0.1", port_); }

 private:
  int listener_;
  uint16_t port_;
  int fillers_[4];
};

struct Fixture {
  Result<Connected> connect(std::vector<Address> addresses, Clock::duration timeout = 3s) {
    std::promise<Result<Connected>> result;
    std::unique_ptr<Connector> connector;
    loop->post([&] {
      connector =
          std::make_unique<Connector>(*loop, resolver, std::move(addresses), timeout, [&](Result<Connected> got) {
            connector = nullptr;
            result.set_value(std::move(got));
          });
    });
    return result.get_future().get();
  }
  std::unique_ptr<EventLoop> loop = make_event_loop();
  std::shared_ptr<Resolver> resolver = std::make_shared<Resolver>();
};

Address open_address(const LoopbackServer& server) { return *Address::parse("127.0.0.1", server.port()); }
Address closed_address() { return *Address::parse("127.0.0.1", 1); }

TEST_CASE("the first address that answers is taken") {
  LoopbackServer server([](Peer& peer) { peer.client_left(); });
  Fixture f;
  CHECK(f.connect({open_address(server)}).value().address == open_address(server));
  CHECK(f.connect({closed_address(), open_address(server)}).value().address == open_address(server));
}

TEST_CASE("a silent address costs a fraction of a second and is remembered") {
  LoopbackServer server([](Peer& peer) { peer.client_left(); });
  const SilentPort silent;
  Fixture f;
  const uint64_t bad = counters().addresses_marked_bad;
  const auto before = Clock::now();
  CHECK(f.connect({silent.address(), open_address(server)}).value().address == open_address(server));
  CHECK(Clock::now() - before < 1s);
  CHECK(counters().addresses_marked_bad == bad + 1);
}

TEST_CASE("nobody there: refused and timed out are told apart, every address is named") {
  const SilentPort silent;
  Fixture f;
  const auto refused = f.connect({closed_address(), silent.address()}, 100ms);
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == ErrorCode::kConnection);
  CHECK(refused.error().message.find("127.0.0.1:1: Connection refused") != std::string::npos);
  CHECK(refused.error().message.find("no answer within 100 ms") != std::string::npos);
  const auto timed_out = f.connect({silent.address()}, 100ms);
  REQUIRE(!timed_out.ok());
  CHECK(timed_out.error().code == ErrorCode::kTimeout);
}

TEST_CASE("destroying it gives up silently") {
  const SilentPort silent;
  Fixture f;
  std::unique_ptr<Connector> connector;
  std::promise<void> started;
  f.loop->post([&] {
    connector = std::make_unique<Connector>(*f.loop, f.resolver, std::vector{silent.address()}, 50ms,
                                            [](Result<Connected>) { CHECK(false); });
    connector = nullptr;
    started.set_value();
  });
  started.get_future().wait();
  std::this_thread::sleep_for(100ms);
}

}  // namespace
}  // namespace s3dlio::net
