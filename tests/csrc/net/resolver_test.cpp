#include "engine/net/resolver.h"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

namespace s3dlio::net {
namespace {

using namespace std::chrono_literals;

Address at(const std::string& text) { return *Address::parse(text, 80); }

// Answers with what `next` holds, and counts.
struct FakeNames {
  std::atomic<int> asked{0};
  std::mutex mutex;
  Result<std::vector<Address>> next = std::vector{at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")};

  void set(Result<std::vector<Address>> result) {
    std::lock_guard lock(mutex);
    next = std::move(result);
  }
  Lookup lookup() {
    return [this](const std::string&, uint16_t) {
      ++asked;
      std::lock_guard lock(mutex);
      return next;
    };
  }
};

struct Fixture {
  explicit Fixture(Resolver::Times times = {}) : resolver(std::make_shared<Resolver>(names.lookup(), times)) {}
  Result<std::vector<Address>> resolve(const std::string& host = "a.example", bool avoid_last_failed = false) {
    std::promise<Result<std::vector<Address>>> answer;
    resolver->resolve(*loop, host, 80, avoid_last_failed, [&](auto result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  }
  Address first(bool avoid_last_failed = false) { return resolve("a.example", avoid_last_failed).value().front(); }

  FakeNames names;
  std::unique_ptr<EventLoop> loop = make_event_loop();
  std::shared_ptr<Resolver> resolver;
};

TEST_CASE("addresses are read and written") {
  CHECK(at("10.0.0.1").to_string() == "10.0.0.1:80");
  CHECK(at("::1").to_string() == "[::1]:80");
  CHECK(!Address::parse("localhost", 80));
  CHECK(!Address::parse("10.0.0.256", 80));
  CHECK(!Address::parse("", 80));
}

TEST_CASE("addresses are asked for without a look-up") {
  Fixture f;
  CHECK(f.resolve("10.9.8.7").value() == std::vector{at("10.9.8.7")});
  CHECK(f.resolve("::1").value() == std::vector{at("::1")});
  CHECK(f.names.asked == 0);
}

TEST_CASE("one look-up serves many, and spreads them over all addresses") {
  Fixture f;
  std::map<std::string, int> firsts;
  for (int i = 0; i < 30; ++i) {
    const auto all = f.resolve().value();
    CHECK(all.size() == 3);
    ++firsts[all.front().to_string()];
  }
  CHECK(f.names.asked == 1);
  CHECK(firsts.size() == 3);
  for (const auto& [address, times] : firsts) CHECK(times == 10);
}

TEST_CASE("a bad address comes last until it has proved itself") {
  Fixture f;
  f.first();
  f.resolver->mark_bad(at("10.0.0.2"));
  for (int i = 0; i < 6; ++i) CHECK(f.resolve().value().back() == at("10.0.0.2"));
  f.resolver->mark_good(at("10.0.0.2"));
  std::set<std::string> firsts;
  for (int i = 0; i < 3; ++i) firsts.insert(f.first().to_string());
  CHECK(firsts.size() == 3);
}

TEST_CASE("badness is forgotten after a while") {
  Resolver::Times times;
  times.bad = 30ms;
  Fixture f(times);
  f.first();
  f.resolver->mark_bad(at("10.0.0.2"));
  std::this_thread::sleep_for(50ms);
  std::set<std::string> firsts;
  for (int i = 0; i < 3; ++i) firsts.insert(f.first().to_string());
  CHECK(firsts.size() == 3);
}

TEST_CASE("when all are bad the name is asked for again, and they are still better than nothing") {
  Fixture f;
  f.first();
  for (const char* text : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) f.resolver->mark_bad(at(text));
  CHECK(f.resolve().value().size() == 3);
  CHECK(f.names.asked == 2);
  f.names.set(std::vector{at("10.0.0.9")});
  CHECK(f.first() == at("10.0.0.9"));
}

TEST_CASE("the one that failed last is avoided where that is wanted") {
  Fixture f;
  f.names.set(std::vector{at("10.0.0.1"), at("10.0.0.2")});
  f.first();
  f.resolver->note_failure("a.example", 80, at("10.0.0.2"));
  for (int i = 0; i < 4; ++i) CHECK(f.first(true) == at("10.0.0.1"));
}

TEST_CASE("an old answer serves while a new one is fetched; one too old does not") {
  Resolver::Times times;
  times.fresh = 20ms;
  times.lingers = 0ms;
  times.usable = 300ms;
  Fixture f(times);
  CHECK(f.resolve().value().size() == 3);
  std::this_thread::sleep_for(40ms);
  f.names.set(std::vector{at("10.0.0.9")});
  CHECK(f.resolve().value().size() == 3);
  for (int i = 0; i < 1000 && f.resolve().value().size() != 1; ++i) std::this_thread::sleep_for(2ms);
  CHECK(f.first() == at("10.0.0.9"));
  std::this_thread::sleep_for(350ms);
  f.names.set(make_error(ErrorCode::kConnection, "gone"));
  CHECK(!f.resolve().ok());
}

TEST_CASE("a failed look-up is told and asked again next time") {
  Fixture f;
  f.names.set(make_error(ErrorCode::kConnection, "no such host"));
  CHECK(f.resolve().error().message == "no such host");
  f.names.set(std::vector{at("10.0.0.1")});
  CHECK(f.resolve().ok());
  CHECK(f.names.asked == 2);
}

TEST_CASE("one family is preferred, the other kept in reserve") {
  Fixture f;
  f.names.set(std::vector{at("fe80::1"), at("10.0.0.1"), at("fe80::2")});
  for (int i = 0; i < 4; ++i) {
    const auto all = f.resolve().value();
    CHECK(all[0].family() == AF_INET6);
    CHECK(all[2] == at("10.0.0.1"));
  }
}

TEST_CASE("the system knows localhost, and says what it does not know") {
  const auto local = system_lookup("localhost", 8080);
  REQUIRE(local.ok());
  CHECK(local->front().to_string().ends_with(":8080"));
  const auto unknown = system_lookup("no-such-host.invalid", 80);
  REQUIRE(!unknown.ok());
  CHECK(unknown.error().code == ErrorCode::kConnection);
  CHECK(unknown.error().message.find("no-such-host.invalid") != std::string::npos);
}

}  // namespace
}  // namespace s3dlio::net
