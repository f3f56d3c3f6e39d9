// Batches into the caller's memory: every item in its place; the first failure ends all, and nothing writes after it.
#include "engine/fetch/get_many.h"

#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;
using fetch::FetchItem;
using fetch::ReadItem;

namespace {

struct BatchWorld : World {
  explicit BatchWorld(int count) {
    for (int i = 0; i < count; ++i) {
      const size_t size = static_cast<size_t>(i) * 997 % 50'000;
      s3.store("k" + std::to_string(i), random_bytes(size, static_cast<uint32_t>(i)));
      places.push_back(std::make_unique<Guarded>(size));
      items.push_back({{"k" + std::to_string(i), std::nullopt, 0, 0}, places.back()->span()});
    }
  }
  Future<std::vector<uint64_t>> run(uint32_t most = 8) { return fetch::get_many_into(store, items, most); }
  void check(size_t i) { CHECK(places[i]->text() == s3.objects[items[i].what.key].data); }

  std::vector<std::unique_ptr<Guarded>> places;
  std::vector<ReadItem> items;
};

}  // namespace

TEST_CASE("a batch: each item in its place, so many at once") {
  BatchWorld world(100);
  for (size_t i = 0; i < 100; i += 3) world.items[i].what.size = world.items[i].out.size();
  world.s3.tamper = [](const Seen&, int number, Reply& reply) {
    reply.delay = std::chrono::milliseconds(1 + number * 37 % 50);
    if (number % 20 == 0) reply = FakeS3::reset();
  };
  const auto read = world.value(world.run());
  REQUIRE(read.size() == 100);
  for (size_t i = 0; i < 100; ++i) {
    CHECK(read[i] == world.items[i].out.size());
    world.check(i);
  }
  CHECK(world.client->most_running <= 8);
  CHECK(world.value(fetch::get_many_into(world.store, {}, 8)).empty());
}

TEST_CASE("a batch: near ranges of one object share a request") {
  World world;
  world.s3.store("shard", random_bytes(900'000));
  world.s3.store("other", random_bytes(5000));
  const std::string& data = world.s3.objects["shard"].data;
  std::vector<std::unique_ptr<Guarded>> places;
  std::vector<ReadItem> items;
  for (uint64_t i = 0; i < 200; ++i) {
    places.push_back(std::make_unique<Guarded>(1000 + i));
    const uint64_t start = i * 7919 % 800'000;
    if (i % 50 == 49) {
      items.push_back({{"other", std::nullopt, i, 1000 + i + i}, places.back()->span()});
    } else {
      items.push_back({{"shard", std::nullopt, start, start + 1000 + i}, places.back()->span()});
    }
  }
  world.value(fetch::get_many_into(world.store, items, 4));
  for (size_t i = 0; i < items.size(); ++i) {
    const auto& from = items[i].what.key == "other" ? world.s3.objects["other"].data : data;
    CHECK(places[i]->text() == from.substr(items[i].what.start, items[i].out.size()));
  }
  CHECK(world.client->seen.size() <= 4);
}

TEST_CASE("a batch: what is shorter or longer than its place is no success") {
  for (const size_t size : {0ul, 99ul, 101ul, 5000ul}) {
    for (const bool sized : {false, true}) {
      BatchWorld world(30);
      world.s3.store("bad", random_bytes(size));
      Guarded place(100);
      world.items[10] = {{"bad", std::nullopt, 0, 0}, place.span()};
      if (sized) world.items[10].what.size = 100;
      const Error error = world.error(world.run());
      CHECK(error.code == ErrorCode::kPreconditionFailed);
      CHECK(error.uri == "s3://b/bad");
      CHECK(error.operation == "get_many_into");
    }
  }
  BatchWorld world(3);
  Guarded place(50);
  world.items[1] = {{"k2", std::nullopt, 1990, 2040}, place.span()};  // the object has 1994
  CHECK(world.error(world.run()).code == ErrorCode::kPreconditionFailed);
  world.items[1].what.end = 2041;  // the place is smaller
  CHECK(world.error(world.run()).code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a batch: the first failure takes the others back and waits for them") {
  BatchWorld world(60);
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (seen.request.path.ends_with("/k20")) return FakeS3::error(403, "AccessDenied");
    return std::nullopt;
  };
  world.s3.tamper = [](const Seen&, int number, Reply& reply) { reply.delay = std::chrono::milliseconds(number % 7); };
  const Error error = world.error(world.run());
  CHECK(error.code == ErrorCode::kAccessDenied);
  CHECK(error.uri == "s3://b/k20");
  CHECK(world.client->seen.size() < 60);
  CHECK(world.client->running == 0);
}

TEST_CASE("a batch that is taken back writes no more") {
  for (int steps = 0; steps < 200; steps += 11) {
    BatchWorld world(40);
    world.s3.tamper = [](const Seen&, int, Reply& reply) { reply.delay = std::chrono::milliseconds(5); };
    auto future = world.run();
    for (int i = 0; i < steps; ++i) world.loop.step();
    const bool was_ready = future.is_ready();
    const auto asked_at = world.loop.now();
    future.cancel();
    const auto result = world.wait(std::move(future));
    CHECK(world.loop.now() - asked_at < std::chrono::milliseconds(1));
    CHECK(result.ok() == was_ready);
    if (!result) CHECK(result.error().code == ErrorCode::kCancelled);
    CHECK(world.client->running == 0);
    for (auto& place : world.places) std::fill(place->span().begin(), place->span().end(), std::byte{1});
    world.loop.run_dry();
    for (auto& place : world.places) {
      CHECK(std::all_of(place->span().begin(), place->span().end(), [](std::byte b) { return b == std::byte{1}; }));
    }
  }
}
