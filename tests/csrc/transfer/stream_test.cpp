// Scattered reads and streams of objects; the same bytes whatever the cutting and the faults.
#include <thread>

#include "engine/fetch/fetch_stream.h"
#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;
using fetch::FetchItem;
using fetch::FetchOptions;

TEST_CASE("ranges go to their places, near ones in one request, shared bytes once") {
  World world;
  world.s3.store("a", random_bytes(5 << 20));
  const std::string& data = world.s3.objects["a"].data;
  Guarded one(1000), two(2000), three(500), four(3 << 20);
  const std::vector<RangeInto> ranges = {
      {4'000'000, one.span()}, {10, two.span()}, {1500, three.span()}, {1 << 20, four.span()}, {77, {}}};
  const auto result = world.value(world.store->get_ranges("a", ranges, {}));
  CHECK(one.text() == data.substr(4'000'000, 1000));
  CHECK(two.text() == data.substr(10, 2000));
  CHECK(three.text() == data.substr(1500, 500));
  CHECK(four.text() == data.substr(1 << 20, 3 << 20));
  CHECK(result.bytes_read == std::vector<uint64_t>{1000, 2000, 500, 3 << 20, 0});
  CHECK(result.object_size == (5 << 20));
  CHECK(counted(counters().ranges_coalesced) > 0);

  Guarded tail(100);
  const auto cut = world.value(world.store->get_ranges("a", {{(5 << 20) - 30, tail.span()}}, {}));
  CHECK(cut.bytes_read == std::vector<uint64_t>{30});
  CHECK(tail.text().substr(30) == std::string(70, '\xEE'));
  const std::vector<RangeInto> outside = {{0, one.span()}, {6 << 20, two.span()}};
  CHECK(world.error(world.store->get_ranges("a", outside, {})).code == ErrorCode::kRangeNotSatisfiable);
  CHECK(world.value(world.store->get_ranges("a", {}, {})).object_size == (5 << 20));
}

TEST_CASE("the same bytes for any part size, gap and faults") {
  auto dice = [engine = std::minstd_rand(11)]() mutable { return static_cast<uint32_t>(engine()); };
  for (int round = 0; round < 150; ++round) {
    Tuning tuning;
    tuning.part_size = 1000 + dice() % 200'000;
    tuning.coalesce_gap = dice() % 50'000;
    tuning.initial_connections = 1 + dice() % 12;
    tuning.retry_budget = 100'000;
    tuning.max_attempts = 60;
    tuning.hedge = dice() % 2 == 0;
    World world(tuning);
    world.client->chunk = 500 + dice() % 100'000;
    world.dice.seed(static_cast<uint32_t>(round));
    const uint32_t fault_rate = dice() % 40;
    const size_t size = dice() % 600'000;
    world.s3.store("a", random_bytes(size, dice()));
    if (dice() % 2 == 0 && size > 10) world.s3.objects["a"].etag = "\"x-" + std::to_string(2 + dice() % 9) + "\"";
    const std::string data = world.s3.objects["a"].data;
    world.s3.tamper = [&](const Seen&, int, Reply& reply) {
      if (dice() % 100 >= fault_rate) return;
      switch (dice() % 9) {
        case 0:
          reply = FakeS3::reset();
          break;
        case 1:
          reply.cut_after = dice() % (reply.body.size() + 1);
          break;
        case 2:
          reply = FakeS3::error(500, "InternalError");
          break;
        case 3:
          reply = FakeS3::error(503, "SlowDown");
          break;
        case 4:
          reply.stale = true;
          break;
        case 5:
          reply.bytes_per_second = 1;
          break;
        case 6:
          reply.never = true;
          break;
        case 7:
          reply.body += "surplus", reply.content_length = reply.body.size() - 7;
          break;
        case 8:
          reply.delay = std::chrono::milliseconds(dice() % 5000);
          break;
      }
    };
    INFO("round " << round << " size " << size << " part " << tuning.part_size << " chunk " << world.client->chunk);
    GetOptions options;
    if (dice() % 2 == 0) options.size_hint = dice() % 3 == 0 ? dice() % 700'000 : size;
    CHECK(world.get("a", options) == data);
    if (size == 0) continue;
    const uint64_t start = dice() % size;
    Guarded out(1 + dice() % 300'000);
    const auto read = world.value(world.store->get_into("a", start, out.span(), options));
    CHECK(out.text().substr(0, read.bytes_read) == data.substr(start, out.span().size()));
    std::vector<std::unique_ptr<Guarded>> places;
    std::vector<RangeInto> ranges;
    for (uint32_t i = 0; i < 1 + dice() % 20; ++i) {
      places.push_back(std::make_unique<Guarded>(dice() % 40'000));
      ranges.push_back({dice() % size, places.back()->span()});
    }
    const auto result = world.value(world.store->get_ranges("a", ranges, {}));
    for (size_t i = 0; i < ranges.size(); ++i) {
      const std::string expected = data.substr(ranges[i].offset, ranges[i].out.size());
      CHECK(result.bytes_read[i] == expected.size());
      CHECK(places[i]->text() == expected + std::string(ranges[i].out.size() - expected.size(), '\xEE'));
    }
  }
}

TEST_CASE("the same object stored for any part size and faults, and no upload left behind") {
  auto dice = [engine = std::minstd_rand(12)]() mutable { return static_cast<uint32_t>(engine()); };
  for (int round = 0; round < 25; ++round) {
    Tuning tuning;
    tuning.part_size = 5 << 20;
    tuning.multipart_threshold = 6 << 20;
    tuning.retry_budget = 100'000;
    tuning.max_attempts = 60;
    World world(tuning);
    const uint32_t fault_rate = dice() % 30;
    const std::string data = random_bytes(dice() % (23 << 20), dice());
    world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
      if (seen.request.method == "HEAD" && reply.status == 200) {
        reply.headers.add("x-amz-checksum-crc64nvme", checksum_text(world.s3.objects["k"].data));
        reply.headers.add("x-amz-checksum-type", "FULL_OBJECT");
        return;
      }
      if (dice() % 100 >= fault_rate) return;
      const auto stage = dice() % 2 == 0 ? http::Stage::kSend : http::Stage::kFirstByte;
      switch (dice() % 3) {
        case 0:
          reply = FakeS3::reset(stage);
          break;
        case 1:
          reply.never = true;
          break;
        case 2:
          reply = FakeS3::error(500, "InternalError");
          break;
      }
    };
    if (dice() % 2 == 0) {
      world.value(world.store->put("k", bytes_of(data), {}));
    } else {
      auto writer = world.store->open_writer("k", {}).value();
      for (size_t at = 0; at < data.size();) {
        const size_t size = std::min<size_t>(1 + dice() % (9 << 20), data.size() - at);
        world.value(writer->write(bytes_of(data).subspan(at, size)));
        at += size;
      }
      world.value(writer->close());
    }
    CHECK(world.s3.objects["k"].data == data);
  }
}

TEST_CASE("a stream delivers in order or as completed, failures in their place, within its window") {
  World world;
  std::vector<FetchItem> items;
  for (int i = 0; i < 300; ++i) {
    const std::string key = "k" + std::to_string(i);
    if (i % 50 != 49) world.s3.store(key, random_bytes(1000 + static_cast<size_t>(i) * 100, static_cast<uint32_t>(i)));
    FetchItem item;
    item.key = key;
    if (i % 3 == 0) item.size = 1000 + static_cast<uint64_t>(i) * 100;
    if (i % 7 == 0) item.start = 10, item.end = 500;
    items.push_back(item);
  }
  world.s3.tamper = [&](const Seen&, int number, Reply& reply) {
    reply.delay = std::chrono::milliseconds(1 + number * 37 % 50);
  };
  FetchOptions options;
  options.window_requests = 10;
  SUBCASE("in order") {}
  SUBCASE("as completed") { options.in_order = false; }
  auto stream = fetch::open_fetch_stream(world.store, items, options);
  std::vector<bool> seen(items.size());
  uint64_t next = 0;
  while (true) {
    auto batch = stream->next(4, std::chrono::nanoseconds(0));
    if (!batch) {
      REQUIRE(world.loop.step());
      continue;
    }
    if (batch->empty()) break;
    CHECK(batch->size() <= 4);
    for (auto& fetched : *batch) {
      if (options.in_order) CHECK(fetched.index == next++);
      CHECK_FALSE(seen[fetched.index]);
      seen[fetched.index] = true;
      CHECK(fetched.object.ok() == (fetched.index % 50 != 49));
      if (!fetched.object) continue;
      const std::string& data = world.s3.objects[items[fetched.index].key].data;
      CHECK(text_of(fetched.object->data) == (fetched.index % 7 == 0 ? data.substr(10, 490) : data));
    }
  }
  CHECK(std::find(seen.begin(), seen.end(), false) == seen.end());
  CHECK(world.client->most_running <= 10);
}

TEST_CASE("a stream's window holds bytes too, and one object always fits") {
  World world;
  std::vector<FetchItem> items;
  for (int i = 0; i < 20; ++i) {
    world.s3.store("k" + std::to_string(i), random_bytes(300'000));
    items.push_back({"k" + std::to_string(i), 300'000, 0, 0});
  }
  FetchOptions options;
  options.window_bytes = 1'000'000;
  SUBCASE("three fit") {}
  SUBCASE("none fits") { options.window_bytes = 1000; }
  auto stream = fetch::open_fetch_stream(world.store, items, options);
  world.loop.run_dry();
  CHECK(world.client->seen.size() == (options.window_bytes == 1000 ? 1 : 3));
  size_t taken = 0;
  while (true) {
    auto batch = stream->next(1, std::chrono::nanoseconds(0));
    if (!batch) {
      REQUIRE(world.loop.step());
      continue;
    }
    if (batch->empty()) break;
    ++taken;
  }
  CHECK(taken == 20);
}

TEST_CASE("a cancelled stream ends") {
  World world;
  world.s3.store("k", random_bytes(300'000));
  auto stream = fetch::open_fetch_stream(world.store, std::vector<FetchItem>(50, {"k", 300'000, 0, 0}), {});
  for (int i = 0; i < 20; ++i) world.loop.step();
  stream->cancel();
  CHECK(stream->next(1, std::chrono::nanoseconds(0))->empty());
  world.loop.run_dry();
  stream.reset();
}

TEST_CASE("a stream that is fed while it runs: the same objects, and no end before it is told") {
  for (const bool in_order : {true, false}) {
    World world;
    for (int i = 0; i < 50; ++i) world.s3.store("k" + std::to_string(i), random_bytes(2000, static_cast<uint32_t>(i)));
    world.s3.tamper = [](const Seen&, int number, Reply& reply) {
      reply.delay = std::chrono::milliseconds(1 + number * 37 % 50);
    };
    FetchOptions options;
    options.window_requests = 5;
    options.in_order = in_order;
    auto stream = fetch::open_fetch_stream(world.store, options);
    CHECK_FALSE(stream->next(1, std::chrono::nanoseconds(0)));  // nothing yet is not the end
    std::vector<bool> seen(50);
    uint64_t pushed = 0, taken = 0;
    while (true) {
      if (pushed < 50 && pushed < taken + 12) {
        std::vector<FetchItem> more;
        for (int i = 0; i < 3 && pushed < 50; ++i) more.push_back({"k" + std::to_string(pushed++), {}, 0, 0});
        stream->push(more);
        if (pushed == 50) stream->finish();
      }
      auto batch = stream->next(4, std::chrono::nanoseconds(0));
      if (!batch) {
        REQUIRE(world.loop.step());
        continue;
      }
      if (batch->empty()) break;
      for (auto& fetched : *batch) {
        if (in_order) CHECK(fetched.index == taken);
        ++taken;
        CHECK_FALSE(seen[fetched.index]);
        seen[fetched.index] = true;
        CHECK(text_of(fetched.object->data) == random_bytes(2000, static_cast<uint32_t>(fetched.index)));
      }
    }
    CHECK(taken == 50);
    CHECK(world.client->most_running <= 5);
    stream->push({{"k1", {}, 0, 0}});  // too late
    CHECK(stream->next(1, std::chrono::nanoseconds(0))->empty());
  }
}

TEST_CASE("a fed stream ends when it is told so with nothing left, and when it is dropped half way") {
  World world;
  world.s3.store("k", random_bytes(2000));
  auto stream = fetch::open_fetch_stream(world.store, FetchOptions());
  stream->push({{"k", {}, 0, 0}});
  world.loop.run_dry();
  CHECK(stream->next(9, std::chrono::nanoseconds(0))->size() == 1);
  CHECK_FALSE(stream->next(9, std::chrono::nanoseconds(0)));
  stream->finish();
  CHECK(stream->next(9, std::chrono::nanoseconds(0))->empty());
  auto dropped = fetch::open_fetch_stream(world.store, FetchOptions());
  dropped->push(std::vector<FetchItem>(30, {"k", {}, 0, 0}));
  dropped->cancel();
  world.loop.run_dry();
  dropped->push({{"k", {}, 0, 0}});
  CHECK(dropped->next(1, std::chrono::nanoseconds(0))->empty());
}
