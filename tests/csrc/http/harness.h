// Runs exchanges on a loop of the test's own and waits for what came of them.
#pragma once

#include <doctest/doctest.h>

#include <condition_variable>
#include <cstring>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/http/client_parts.h"
#include "net/loopback_server.h"

namespace s3dlio::testing {

using http::BodyTarget;
using http::ExchangeLimits;
using http::IntoMemory;
using http::IntoString;
using http::Refuse;
using http::Request;
using http::ResponseHead;

// Memory between two guard zones: a stray write on either side shows.
class GuardedMemory {
 public:
  static constexpr size_t kGuard = 4096;
  explicit GuardedMemory(size_t size) : all_(size + 2 * kGuard, std::byte{0xA5}) {}
  std::span<std::byte> span() { return std::span(all_).subspan(kGuard, all_.size() - 2 * kGuard); }
  std::string text() const { return {reinterpret_cast<const char*>(all_.data()) + kGuard, all_.size() - 2 * kGuard}; }
  bool guards_hold() const {
    const auto untouched = [](std::byte b) { return b == std::byte{0xA5}; };
    return std::all_of(all_.begin(), all_.begin() + kGuard, untouched) &&
           std::all_of(all_.end() - kGuard, all_.end(), untouched);
  }

 private:
  std::vector<std::byte> all_;
};

// Remembers everything; on_head is the test's choice.
class Recorder : public http::ResponseHandler {
 public:
  std::function<BodyTarget(const ResponseHead&)> choose = [](const ResponseHead&) { return IntoString{}; };
  std::function<void(std::span<const std::byte>)> see = [](auto) {};
  std::function<void()> then = [] {};

  BodyTarget on_head(const ResponseHead& got) override {
    std::lock_guard lock(mutex_);
    head = got;
    changed_.notify_all();
    return choose(got);
  }
  void on_body(std::span<const std::byte> received) override {
    {
      std::lock_guard lock(mutex_);
      seen.append(reinterpret_cast<const char*>(received.data()), received.size());
      largest_piece = std::max(largest_piece, received.size());
      changed_.notify_all();
    }
    see(received);
  }
  void on_done(http::Outcome got) override {
    {
      std::lock_guard lock(mutex_);
      ++done_calls;
      outcome = std::move(got);
      changed_.notify_all();
    }
    then();
  }

  template <class Condition>
  bool wait_until(Condition condition, std::chrono::milliseconds within = 10s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, condition);
  }
  bool wait(std::chrono::milliseconds within = 10s) {
    return wait_until([this] { return outcome.has_value(); }, within);
  }
  bool is_done() {
    std::lock_guard lock(mutex_);
    return outcome.has_value();
  }

  std::optional<ResponseHead> head;
  std::optional<http::Outcome> outcome;
  std::string seen;  // by on_body
  size_t largest_piece = 0;
  int done_calls = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

// A loop, a client on it, and ways to talk to it from the test's thread.
class Harness {
 public:
  explicit Harness(http::ClientOptions options = {}, net::Lookup lookup = net::system_lookup)
      : loop(net::make_event_loop()),
        resolver(std::make_shared<net::Resolver>(std::move(lookup), net::Resolver::Times())),
        client(http::make_client_with(std::move(options), resolver).value()) {}
  ~Harness() {
    client = nullptr;
    on_loop([] {});  // what the client posted runs before the loop ends
  }

  // Runs `work` on the loop and waits for it.
  void on_loop(std::function<void()> work) {
    std::promise<void> done;
    loop->post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  static http::Endpoint endpoint(const LoopbackServer& server) { return {false, "127.0.0.1", server.port()}; }

  std::shared_ptr<Recorder> start(const http::Endpoint& to, Request request = {}, ExchangeLimits limits = {},
                                  std::function<BodyTarget(const ResponseHead&)> choose = nullptr) {
    auto recorder = std::make_shared<Recorder>();
    if (choose) recorder->choose = std::move(choose);
    start(to, std::move(request), limits, recorder);
    return recorder;
  }
  void start(const http::Endpoint& to, Request request, ExchangeLimits limits, std::shared_ptr<Recorder> recorder) {
    on_loop([&] { exchange = client->start(*loop, to, std::move(request), limits, recorder); });
  }
  // The outcome of one request, whole.
  std::shared_ptr<Recorder> fetch(const http::Endpoint& to, Request request = {}, ExchangeLimits limits = {},
                                  std::function<BodyTarget(const ResponseHead&)> choose = nullptr) {
    auto recorder = start(to, std::move(request), limits, std::move(choose));
    REQUIRE(recorder->wait());
    return recorder;
  }

  std::unique_ptr<net::EventLoop> loop;
  std::shared_ptr<net::Resolver> resolver;
  std::shared_ptr<http::Client> client;
  std::shared_ptr<http::Exchange> exchange;  // the last one started
};

inline std::function<BodyTarget(const ResponseHead&)> into(GuardedMemory& memory) {
  return [&memory](const ResponseHead&) { return IntoMemory{{memory.span()}}; };
}

// Bytes that show a shift: no period that divides a buffer size.
inline std::string pattern(size_t size) {
  std::string bytes(size, '\0');
  uint32_t state = 12345;
  for (char& c : bytes) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace s3dlio::testing
