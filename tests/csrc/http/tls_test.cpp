// TLS: what is trusted, what is refused and why, and that a truncated body is never taken for a whole one.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "engine/stats/stats.h"
#include "http/harness.h"

namespace s3dlio::testing {
namespace {

struct Authority {
  Authority() : certificate(make_certificate({"Test CA", "", -3600, 3600})) { write_pem(file.path(), certificate); }
  Certificate issue(const std::string& names, long from = -3600, long until = 3600) const {
    return make_certificate({"server", names, from, until}, &certificate);
  }
  http::ClientOptions trusting() const {
    http::ClientOptions options;
    options.ca_bundle = file.path();
    return options;
  }
  Certificate certificate;
  TemporaryFile file;
};

http::Endpoint secure(const LoopbackServer& server, const std::string& host = "127.0.0.1") {
  return {true, host, server.port()};
}

Result<std::vector<net::Address>> always_loopback(const std::string&, uint16_t port) {
  return std::vector{*net::Address::parse("127.0.0.1", port)};
}

void echo(Peer& peer) {
  while (!peer.read_request().empty()) peer.answer("hello");
}

TEST_CASE("bodies of all sizes arrive over TLS, sessions are resumed") {
  const Authority authority;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{16'384}, size_t{3'000'001}}) {
      const std::string body = pattern(size);
      LoopbackServer server(
          [&](Peer& peer) {
            while (!peer.read_request().empty()) peer.answer(body);
          },
          server_context(authority.issue("IP:127.0.0.1"), version));
      Harness harness(authority.trusting());
      const uint64_t handshakes = counters().tls_handshakes;
      const uint64_t resumed = counters().tls_sessions_resumed;
      for (int round = 0; round < 4; ++round) {
        GuardedMemory memory(size);
        ExchangeLimits limits;
        limits.fresh_connection = round == 2;
        const auto got = harness.fetch(secure(server), {}, limits, into(memory));
        REQUIRE(!got->outcome->error);
        CHECK((memory.text() == body));
        CHECK((got->seen == body));
        CHECK(memory.guards_hold());
      }
      CHECK(server.connections() == 2);
      CHECK(counters().tls_handshakes == handshakes + 2);
      CHECK(counters().tls_sessions_resumed == resumed + 1);
    }
  }
}

TEST_CASE("uploads over TLS arrive whole") {
  const Authority authority;
  const std::string body = pattern(3'000'000);
  std::atomic<bool> equal{false};
  LoopbackServer server(
      [&](Peer& peer) {
        const std::string request = peer.read_request();
        equal = request.substr(request.find("\r\n\r\n") + 4) == body;
        peer.answer("done");
        peer.read_request();
      },
      server_context(authority.issue("IP:127.0.0.1")));
  Harness harness(authority.trusting());
  const auto bytes = std::as_bytes(std::span(body));
  Request request;
  request.method = "PUT";
  request.payload = {bytes.first(100), bytes.subspan(100, 1'000'000), bytes.subspan(1'000'100)};
  const auto got = harness.fetch(secure(server), request);
  REQUIRE(!got->outcome->error);
  CHECK(got->outcome->text == "done");
  CHECK(equal);
}

TEST_CASE("closing without close_notify in the middle of a body is an error, at its end it is not") {
  const Authority authority;
  const std::string body = pattern(100'000);
  for (const bool goodbye : {false, true}) {
    LoopbackServer server(
        [&](Peer& peer) {
          peer.read_request();
          const bool whole = peer.index() == 1;
          peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + body.substr(0, whole ? body.size() : 50'000));
          if (goodbye) peer.say_goodbye();
        },
        server_context(authority.issue("IP:127.0.0.1")));
    Harness harness(authority.trusting());
    GuardedMemory memory(body.size());
    const auto cut = harness.fetch(secure(server), {}, {}, into(memory));
    REQUIRE(cut->outcome->error);
    CHECK(cut->outcome->error->code == ErrorCode::kConnection);
    CHECK(cut->outcome->body_bytes == 50'000);
    CHECK((cut->seen == body.substr(0, 50'000)));
    if (!goodbye) CHECK(cut->outcome->error->message.find("close_notify") != std::string::npos);
    const auto whole = harness.fetch(secure(server), {}, {}, into(memory));
    CHECK(!whole->outcome->error);
    CHECK((memory.text() == body));
  }
}

TEST_CASE("a body that ends with the connection needs close_notify") {
  const Authority authority;
  LoopbackServer server(
      [&](Peer& peer) {
        peer.read_request();
        peer.send("HTTP/1.1 200 OK\r\n\r\nhello");
        if (peer.index() == 0) peer.say_goodbye();
      },
      server_context(authority.issue("IP:127.0.0.1")));
  Harness harness(authority.trusting());
  const auto whole = harness.fetch(secure(server));
  REQUIRE(!whole->outcome->error);
  CHECK(whole->outcome->text == "hello");
  const auto cut = harness.fetch(secure(server));
  REQUIRE(cut->outcome->error);
  CHECK(cut->outcome->error->code == ErrorCode::kConnection);
}

TEST_CASE("an idle TLS connection the server has closed is not used") {
  const Authority authority;
  LoopbackServer server(
      [](Peer& peer) {
        peer.read_request();
        peer.answer("x");
        peer.say_goodbye();
      },
      server_context(authority.issue("IP:127.0.0.1")));
  Harness harness(authority.trusting());
  for (int round = 0; round < 3; ++round) {
    CHECK(!harness.fetch(secure(server))->outcome->error);
    std::this_thread::sleep_for(50ms);
  }
}

// ---- refusals ----

// Tries to fetch; gives the error's message. The server must see no request.
std::string refusal(const http::ClientOptions& options, const Certificate& certificate,
                    const std::string& host = "127.0.0.1", int max_version = 0, ErrorCode code = ErrorCode::kTls) {
  std::atomic<bool> asked{false};
  LoopbackServer server([&](Peer& peer) { asked = !peer.read_request().empty(); },
                        server_context(certificate, max_version));
  Harness harness(options, always_loopback);
  const auto got = harness.fetch(secure(server, host));
  REQUIRE(got->outcome->error);
  CHECK(got->outcome->error->code == code);
  CHECK(got->outcome->stage == http::Stage::kTls);
  CHECK(!got->outcome->request_may_have_arrived);
  CHECK(!asked);
  return got->outcome->error->message;
}

bool holds(const std::string& text, std::initializer_list<const char*> parts) {
  const bool all =
      std::all_of(parts.begin(), parts.end(), [&](const char* part) { return text.find(part) != std::string::npos; });
  if (!all) MESSAGE(text);
  return all;
}

TEST_CASE("certificates are refused with the reason") {
  const Authority authority;
  const Authority stranger;
  const auto options = authority.trusting();
  CHECK(holds(refusal(options, authority.issue("IP:127.0.0.1", -7200, -3600)), {"expired on"}));
  CHECK(holds(refusal(options, authority.issue("IP:127.0.0.1", 3600, 7200)), {"not valid before", "clock"}));
  CHECK(holds(refusal(options, authority.issue("DNS:other.example,IP:127.0.0.2")),
              {"other.example, 127.0.0.2", "not for '127.0.0.1'"}));
  CHECK(holds(refusal(options, authority.issue("DNS:other.example"), "store.example"),
              {"other.example", "not for 'store.example'"}));
  CHECK(holds(refusal(options, stranger.issue("IP:127.0.0.1")),
              {"unknown authority", "Test CA", "ca_bundle", authority.file.path().c_str()}));
  CHECK(holds(refusal(options, make_certificate({"self", "IP:127.0.0.1"})), {"unknown authority", "'CN = self'"}));
  CHECK(holds(refusal(options, authority.issue("IP:127.0.0.1"), "127.0.0.1", TLS1_1_VERSION), {"TLS"}));
}

TEST_CASE("names match as they should") {
  const Authority authority;
  const auto accepted = [&](const std::string& names, const std::string& host) {
    LoopbackServer server(echo, server_context(authority.issue(names)));
    Harness harness(authority.trusting(), always_loopback);
    return !harness.fetch(secure(server, host))->outcome->error;
  };
  CHECK(accepted("DNS:store.example", "store.example"));
  CHECK(accepted("DNS:*.store.example", "bucket.store.example"));
  CHECK(!accepted("DNS:*.store.example", "a.b.store.example"));
  CHECK(!accepted("DNS:buck*.store.example", "bucket.store.example"));
  CHECK(!accepted("DNS:127.0.0.1", "127.0.0.1"));  // an address needs an address
}

TEST_CASE("an https client at an http port, and the other way round, are told so") {
  const Authority authority;
  LoopbackServer speaks_first([](Peer& peer) {
    peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    peer.client_left();
  });
  Harness harness(authority.trusting());
  const auto wrong = harness.fetch(secure(speaks_first));
  REQUIRE(wrong->outcome->error);
  CHECK(holds(wrong->outcome->error->message, {"plain HTTP"}));
  LoopbackServer tls([](Peer& peer) {
    peer.read_request();
    peer.send(std::string("\x15\x03\x01\x00\x02\x02\x46", 7));  // an alert, as TLS servers answer
  });
  const auto other = harness.fetch({false, "127.0.0.1", tls.port()});
  REQUIRE(other->outcome->error);
  CHECK(holds(other->outcome->error->message, {"TLS"}));
}

TEST_CASE("a handshake that is never answered ends with the connect time-out") {
  const Authority authority;
  LoopbackServer silent([](Peer& peer) { peer.client_left(); });
  auto options = authority.trusting();
  options.connect_timeout = 100ms;
  Harness harness(options);
  const auto got = harness.fetch(secure(silent));
  REQUIRE(got->outcome->error);
  CHECK(got->outcome->error->code == ErrorCode::kTimeout);
  CHECK(got->outcome->stage == http::Stage::kTls);
}

TEST_CASE("a connection that breaks in the handshake is a connection error") {
  const Authority authority;
  LoopbackServer server([](Peer& peer) {
    if (peer.index() == 0) peer.reset();
  });
  Harness harness(authority.trusting());
  for (int round = 0; round < 2; ++round) {
    const auto got = harness.fetch(secure(server));
    REQUIRE(got->outcome->error);
    CHECK(got->outcome->error->code == ErrorCode::kConnection);
    CHECK(!got->outcome->request_may_have_arrived);
  }
}

// ---- whom to trust ----

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

TEST_CASE("bundles are looked for in order, and must hold a certificate") {
  const Authority authority;
  const Authority other;
  LoopbackServer server(echo, server_context(authority.issue("IP:127.0.0.1")));
  const auto trusted = [&](const http::ClientOptions& options) {
    Harness harness(options);
    return !harness.fetch(secure(server))->outcome->error;
  };
  CHECK(!trusted({}));
  for (const char* name : {"AWS_CA_BUNDLE_PATH", "AWS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    const Variable set(name, authority.file.path());
    CHECK(trusted({}));
    CHECK(!trusted(other.trusting()));  // what is given explicitly comes first
  }
  {
    const Variable first(("AWS_CA_BUNDLE_PATH"), other.file.path());
    const Variable second("AWS_CA_BUNDLE", authority.file.path());
    CHECK(!trusted({}));
  }
  char folder[] = "/tmp/s3dlio-ca-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  write_pem(std::string(folder) + "/a.pem", authority.certificate);
  write_pem(std::string(folder) + "/b.pem", other.certificate);
  http::ClientOptions options;
  options.ca_bundle = folder;
  CHECK(trusted(options));
  {
    const Variable set("SSL_CERT_DIR", folder);
    CHECK(trusted({}));
  }
  std::filesystem::remove_all(folder);
  const auto refused = [](const std::string& path, const char* because) {
    http::ClientOptions wrong;
    wrong.ca_bundle = path;
    const auto client = http::make_client(wrong);
    return !client.ok() && client.error().code == ErrorCode::kInvalidArgument &&
           holds(client.error().message, {path.c_str(), because});
  };
  const TemporaryFile empty;
  CHECK(refused("/nonexistent/ca.pem", "o such file"));
  CHECK(refused(empty.path(), "no certificate"));
  {
    const Variable set("AWS_CA_BUNDLE", "/nonexistent/ca.pem");
    const auto client = http::make_client({});
    REQUIRE(!client.ok());
    CHECK(holds(client.error().message, {"AWS_CA_BUNDLE", "/nonexistent/ca.pem"}));
  }
}

TEST_CASE("with kernel TLS, or without where there is none, the bytes are the same") {
  const Authority authority;
  const std::string body = pattern(2'000'000);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    LoopbackServer server(
        [&](Peer& peer) {
          while (!peer.read_request().empty()) peer.answer(body);
        },
        server_context(authority.issue("IP:127.0.0.1"), version));
    auto options = authority.trusting();
    options.try_ktls = true;
    Harness harness(options);
    for (int round = 0; round < 2; ++round) {
      GuardedMemory memory(body.size());
      const auto got = harness.fetch(secure(server), {}, {}, into(memory));
      REQUIRE(!got->outcome->error);
      CHECK((memory.text() == body));
    }
    CHECK(server.connections() == 1);
  }
}

}  // namespace
}  // namespace s3dlio::testing
