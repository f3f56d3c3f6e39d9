// When waiting longer, or asking once more, is right: services that throttle, answers that begin late, links that break
// again and again.
#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t kMiB = 1 << 20;

// Serves so many requests a second, with a burst of a tenth of that; 503 to what is above.
struct Limiter {
  World& world;
  double per_second;
  double tokens = per_second / 10;
  net::Clock::time_point last = world.loop.now();
  int refused = 0, served = 0;

  std::optional<Reply> operator()() {
    const auto now = world.loop.now();
    tokens = std::min(per_second / 10, tokens + per_second * std::chrono::duration<double>(now - last).count());
    last = now;
    if (tokens < 1) {
      ++refused;
      return FakeS3::error(503, "SlowDown");
    }
    tokens -= 1;
    ++served;
    return std::nullopt;
  }
};

}  // namespace

TEST_CASE("G36: a service that allows few requests a second slows a job down and does not end it") {
  World world;
  const double per_second = 100;
  Limiter limiter{world, per_second};
  world.s3.instead = [&](const Seen&, int) { return limiter(); };
  const int count = 2000;
  const std::string data = random_bytes(1000);
  const auto began = world.loop.now();
  SUBCASE("reads") {
    for (int i = 0; i < count; ++i) world.s3.store("k" + std::to_string(i), data);
    std::vector<Future<FetchedObject>> all;
    for (int i = 0; i < count; ++i) all.push_back(world.store->get("k" + std::to_string(i), {}));
    for (auto& future : all) CHECK(text_of(world.value(std::move(future)).data) == data);
  }
  SUBCASE("writes") {
    std::vector<Future<PutResult>> all;
    for (int i = 0; i < count; ++i) all.push_back(world.store->put("k" + std::to_string(i), bytes_of(data), {}));
    for (auto& future : all) world.value(std::move(future));
    CHECK(world.s3.objects.size() == static_cast<size_t>(count));
  }
  const double seconds = std::chrono::duration<double>(world.loop.now() - began).count();
  CHECK(seconds < 1.2 * count / per_second);
  CHECK(limiter.refused < count);
  CHECK(world.context->budget.tokens() == world.context->tuning.retry_budget);  // nothing was charged
}

TEST_CASE("G36: a call that is unlucky again and again goes on while others are served") {
  World world;
  world.s3.store("unlucky", "here");
  world.s3.store("lucky", "there");
  int refused = 0;
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (!seen.request.path.ends_with("/unlucky") || ++refused > 60) return std::nullopt;
    return FakeS3::error(503, "SlowDown");
  };
  const auto began = world.loop.now();
  auto unlucky = world.store->get("unlucky", {});
  while (!unlucky.is_ready()) {
    CHECK(world.get("lucky") == "there");
    const auto until = world.loop.now() + 1s;
    world.loop.call_after(1s, [] {});
    REQUIRE(world.loop.run_until([&] { return world.loop.now() >= until; }));
  }
  CHECK(text_of(world.value(std::move(unlucky)).data) == "here");
  CHECK(refused == 61);
  CHECK(world.loop.now() - began > 40s);  // longer than nothing but refusals would be borne
}

TEST_CASE("G36: a service that does nothing but throttle is given up in bounded time") {
  World world;
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> { return FakeS3::error(503, "SlowDown"); };
  const auto began = world.loop.now();
  std::vector<Future<FetchedObject>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(world.store->get("k" + std::to_string(i), {}));
  for (auto& future : all) CHECK(world.wait(std::move(future)).error().code == ErrorCode::kThrottled);
  const double seconds = std::chrono::duration<double>(world.loop.now() - began).count();
  CHECK(seconds < 30);
  CHECK(world.client->seen.size() <= 2000);
}

TEST_CASE("G36: a lone call whose pauses are longer than its patience is given up as well") {
  Tuning tuning = World::small_tuning();
  tuning.max_attempts = 2;  // so that two short waits are all that is borne
  std::string pause;
  SUBCASE("its own pauses") { tuning.backoff_base = 1ms; }
  SUBCASE("the service's") { pause = "5"; }
  World world(tuning);
  world.s3.store("k", "here");
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> {
    Reply reply = FakeS3::error(503, "SlowDown");
    if (!pause.empty()) reply.headers.add("Retry-After", pause);
    return reply;
  };
  CHECK(world.error(world.store->get("k", {})).code == ErrorCode::kThrottled);
  CHECK(world.client->seen.size() <= 16);
}

TEST_CASE("G36: a throttled call keeps its place until it is served") {
  Tuning tuning = World::small_tuning();
  tuning.initial_connections = tuning.max_connections = 1;
  World world(tuning);
  world.s3.store("a", "first");
  world.s3.store("b", "second");
  world.s3.instead = [&](const Seen&, int number) -> std::optional<Reply> {
    return number > 2 ? std::nullopt : std::optional(FakeS3::error(503, "SlowDown"));
  };
  auto first = world.store->get("a", {});
  auto second = world.store->get("b", {});
  world.value(std::move(first));
  world.value(std::move(second));
  REQUIRE(world.client->seen.size() == 4);
  for (int i = 0; i < 3; ++i) CHECK(world.client->seen[static_cast<size_t>(i)].request.path.ends_with("/a"));
}

TEST_CASE("G36: a throttled call that is taken back gives its place back") {
  World world;
  world.s3.store("a", "x");
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> {
    Reply reply = FakeS3::error(503, "SlowDown");
    reply.headers.add("Retry-After", "60");
    return reply;
  };
  auto future = world.store->get("a", {});
  REQUIRE(world.loop.run_until([&] { return counted(counters().retries) == 1; }));
  CHECK(world.context->window.requests_in_flight() == 1);
  future.cancel();
  CHECK(world.error(std::move(future)).code == ErrorCode::kCancelled);
  CHECK(world.context->window.requests_in_flight() == 0);
}

TEST_CASE("G37: an object that answers later than the others is waited for, longer each time, up to the bound") {
  World world;
  for (int i = 0; i < 64; ++i) world.s3.store("k" + std::to_string(i), "quick");
  world.s3.store("cold", "slow");
  for (int i = 0; i < 64; ++i) CHECK(world.get("k" + std::to_string(i)) == "quick");
  REQUIRE(world.context->first_byte.limit() == 4s);
  std::chrono::nanoseconds needed = 6s;
  SUBCASE("a little later") {}
  SUBCASE("almost at the bound") { needed = 19s; }
  SUBCASE("later than the bound") { needed = 21s; }
  world.s3.tamper = [&](const Seen&, int, Reply& reply) { reply.delay = needed; };
  world.client->seen.clear();
  auto future = world.store->get("cold", {});
  if (needed <= 20s) {
    CHECK(text_of(world.value(std::move(future)).data) == "slow");
  } else {
    CHECK(world.error(std::move(future)).code == ErrorCode::kTimeout);
  }
  CHECK(world.client->seen[0].limits.first_byte_timeout == 4s);
  CHECK(world.client->seen[1].limits.first_byte_timeout == 8s);
  for (const auto& seen : world.client->seen) CHECK(seen.limits.first_byte_timeout <= 20s);
}

TEST_CASE("G38: a link that cuts every body half-way still brings large objects, and charges nobody") {
  Tuning tuning = World::small_tuning();
  tuning.part_size = 1 * kMiB;
  World world(tuning);
  const std::string data = random_bytes(16 * kMiB);
  world.s3.store("a", data);
  world.s3.tamper = [&](const Seen&, int, Reply& reply) {
    if (reply.body.size() > 1) reply.cut_after = reply.body.size() / 2;
  };
  uint32_t fewest = tuning.retry_budget;
  auto future = world.store->get("a", {});
  REQUIRE(world.loop.run_until([&] {
    fewest = std::min(fewest, world.context->budget.tokens());
    return future.is_ready();
  }));
  CHECK(text_of(world.value(std::move(future)).data) == data);
  CHECK(fewest == tuning.retry_budget);
}

TEST_CASE("G38: what does not move is counted and charged as ever") {
  World world;
  world.s3.store("a", random_bytes(900'000));
  world.s3.tamper = [&](const Seen&, int, Reply& reply) { reply.cut_after = 10; };
  const Error error = world.error(world.store->get("a", {}));
  CHECK(error.attempts == 8);
  CHECK(world.context->budget.tokens() == world.context->tuning.retry_budget - 7 * transfer::kTransportCost);
}

TEST_CASE("G39: a hedge costs tokens only where it was sent, and gives them back when it pays") {
  World world;
  world.s3.store("a", random_bytes(12 * kMiB));
  // One connection of the first ones is slow; its part is asked for again elsewhere.
  world.s3.tamper = [&](const Seen& seen, int number, Reply& reply) {
    reply.delay = 20ms;
    reply.bytes_per_second = number == 3 && !seen.limits.fresh_connection ? 200e3 : 20e6;
  };
  CHECK(world.get("a") == world.s3.objects["a"].data);
  CHECK(counted(counters().hedges) == 1);
  CHECK(world.context->budget.tokens() == world.context->tuning.retry_budget);
}

TEST_CASE("G40: parts that end before their first one's loop runs again: still verified") {
  // A loop that is busy with something else for ten seconds at each turn.
  struct BusyLoop final : net::EventLoop {
    explicit BusyLoop(ManualLoop& real) : loop(real) {}
    void post(std::function<void()> task) override { loop.call_after(10s, std::move(task)); }
    bool on_loop_thread() const override { return true; }
    net::Clock::time_point now() const override { return loop.now(); }
    net::TimerId call_after(net::Clock::duration delay, std::function<void()> task) override {
      return loop.call_after(delay, std::move(task));
    }
    void cancel_timer(net::TimerId id) override { loop.cancel_timer(id); }
    bool watch(int, uint32_t, net::FdHandler*) override { return false; }
    void rewatch(int, uint32_t, net::FdHandler*) override {}
    void unwatch(int) override {}
    ManualLoop& loop;
  };
  World world;
  BusyLoop busy(world.loop);
  world.s3.store("a", random_bytes(9 * kMiB));
  transfer::Environment environment = world.context->environment;
  int calls = 0;
  environment.next_loop = [&]() -> net::EventLoop& {
    if (calls++ == 0) return busy;
    return world.loop;
  };
  const auto context = std::make_shared<transfer::Context>(world.context->dialect, world.client, nullptr,
                                                           World::small_tuning(), environment);
  {
    auto store = transfer::make_remote_store(context);
    GetOptions options;
    options.size_hint = 9 * kMiB;
    bool damaged = false;
    SUBCASE("sound") {}
    SUBCASE("damaged") { damaged = true; }
    if (damaged) {
      world.s3.tamper = [&](const Seen&, int, Reply& reply) {
        if (reply.status == 206) reply.body[5] ^= 1;
      };
      CHECK(world.error(store->get("a", options)).code == ErrorCode::kChecksumMismatch);
    } else {
      CHECK(text_of(world.value(store->get("a", options)).data) == world.s3.objects["a"].data);
      CHECK(counted(counters().checksums_verified) == 1);
    }
  }
  world.loop.run_dry();
}

TEST_CASE("G42: without a thread to be had every call says so, and works once there is one") {
  bool asked = false;
  World world(World::small_tuning(), [&]() -> Result<Credentials> {
    asked = true;
    return Credentials{"AKID", "secret-of-the-key", "", std::nullopt};
  });
  world.s3.store("a", "x");
  const auto& nobody = world.threads_to_be_had = make_error(ErrorCode::kIo, "no thread can be started");
  REQUIRE_FALSE(nobody.ok());
  CHECK(world.error(world.store->get("a", {})).code == ErrorCode::kIo);
  CHECK(world.error(world.store->put("b", bytes_of("y"), {})).code == ErrorCode::kIo);
  CHECK(world.error(world.store->head("a", "")).code == ErrorCode::kIo);
  CHECK(world.error(world.store->list_page({})).code == ErrorCode::kIo);
  CHECK(world.error(world.store->delete_many({"a"})).code == ErrorCode::kIo);
  CHECK(world.error(world.store->list_buckets()).code == ErrorCode::kIo);
  CHECK_FALSE(world.store->open_writer("b", {}).ok());
  CHECK(world.client->seen.empty());
  // The loops are there, and then no helper for the credentials.
  world.context->credentials->get([](Result<transfer::SharedCredentials> result) {
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::kCredentials);
  });
  CHECK_FALSE(asked);
  world.threads_to_be_had = Unit();
  CHECK(world.get("a") == "x");
}
