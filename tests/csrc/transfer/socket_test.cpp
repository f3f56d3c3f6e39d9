// The whole way, through real loops and sockets to a server that misbehaves: what the sanitizers are to look at.
#include <cstdlib>
#include <mutex>
#include <thread>

#include "engine/fetch/fetch_stream.h"
#include "engine/fetch/get_many.h"
#include "net/loopback_server.h"
#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;

namespace {

// Several loops, so that the parts of one object meet on different threads.
[[maybe_unused]] const int kLoops = ::setenv("S3DLIO_EVENT_LOOPS", "3", 0);

uint32_t roll(std::minstd_rand& dice) { return static_cast<uint32_t>(dice()); }

// FakeS3 behind a socket.
class SocketWorld {
 public:
  explicit SocketWorld(Tuning tuning) {
    s3::S3Options options;
    options.bucket = "b";
    options.region = "us-east-1";
    options.endpoint_url = "http://127.0.0.1:" + std::to_string(server.port());
    auto dialect = s3::make_s3_dialect(options, tuning.upload_checksum);
    REQUIRE(dialect.ok());
    auto client = http::make_client({});
    REQUIRE(client.ok());
    auto source = [] { return Result<Credentials>(Credentials{"AKIA", "secret-value-of-some-length", "", {}}); };
    context = std::make_shared<transfer::Context>(std::move(dialect).value(), std::move(client).value(), source, tuning,
                                                  transfer::Environment::real());
    store = transfer::make_remote_store(context);
    counters_reset();
  }
  ~SocketWorld() {
    // What cleans up in the background is done soon.
    for (int i = 0; i < 500 && context->window.requests_in_flight() > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    CHECK(context->window.requests_in_flight() == 0);
    CHECK(context->window.bytes_in_flight() == 0);
  }

  void play(testing::Peer& peer) {
    while (true) {
      const std::string text = peer.read_request();
      if (text.empty()) return;
      Seen seen = parse(text);
      Reply reply;
      {
        std::lock_guard lock(mutex);
        reply = s3(seen);
      }
      if (reply.failure) return peer.reset();
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(reply.delay, std::chrono::milliseconds(3)));
      std::string head = "HTTP/1.1 " + std::to_string(reply.status) +
                         " X\r\nContent-Length: " + std::to_string(reply.content_length.value_or(reply.body.size())) +
                         "\r\n";
      for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
      head += "\r\n";
      const std::string body = reply.is_head || reply.status == 204 ? "" : reply.body;
      if (reply.cut_after) {
        peer.send(head + body.substr(0, *reply.cut_after));
        return peer.close();
      }
      if (!peer.send(head + body)) return;
      if (reply.stale) return peer.close();  // just when it would be reused
    }
  }

  static Seen parse(const std::string& text) {
    Seen seen;
    const size_t line_end = text.find("\r\n");
    const std::string line = text.substr(0, line_end);
    const size_t space = line.find(' ');
    const std::string target = line.substr(space + 1, line.rfind(' ') - space - 1);
    seen.request.method = line.substr(0, space);
    const size_t question = std::min(target.find('?'), target.size());
    seen.request.path = target.substr(0, question);
    seen.request.query = question < target.size() ? target.substr(question + 1) : "";
    const size_t head_end = text.find("\r\n\r\n");
    for (size_t at = line_end + 2; at < head_end + 2;) {
      const size_t end = text.find("\r\n", at);
      const size_t colon = text.find(": ", at);
      if (colon < end) seen.request.headers.add(text.substr(at, colon - at), text.substr(colon + 2, end - colon - 2));
      at = end + 2;
    }
    seen.body = text.substr(head_end + 4);
    return seen;
  }

  std::mutex mutex;
  FakeS3 s3;
  testing::LoopbackServer server{[this](testing::Peer& peer) { play(peer); }};
  std::shared_ptr<transfer::Context> context;
  std::shared_ptr<ObjectStore> store;
};

Tuning quick_tuning() {
  Tuning tuning;
  tuning.part_size = 64 << 10;
  tuning.backoff_base = std::chrono::milliseconds(1);
  tuning.backoff_cap = std::chrono::milliseconds(20);
  tuning.retry_budget = 1'000'000;
  tuning.max_attempts = 50;
  tuning.coalesce_gap = 5000;
  return tuning;
}

template <class T>
T value(Future<T> future) {
  auto result = future.wait();
  REQUIRE_MESSAGE(result.ok(), (result ? std::string() : result.error().message));
  return std::move(result).value();
}

// Faults of one in `rate` answers.
FakeS3::Tamper faults(std::minstd_rand& dice, uint32_t rate) {
  return [&dice, rate](const Seen& seen, int, Reply& reply) {
    if (seen.request.method == "HEAD" || roll(dice) % rate != 0) return;
    switch (roll(dice) % 5) {
      case 0:
        reply = FakeS3::reset();
        break;
      case 1:
        reply.content_length = reply.body.size();
        reply.cut_after = roll(dice) % (reply.body.size() + 1);
        break;
      case 2:
        reply = FakeS3::error(500, "InternalError");
        break;
      case 3:
        reply.stale = true;
        break;
      case 4:
        reply.content_length = reply.body.size();
        reply.body += "surplus";
        reply.stale = true;
        break;
    }
  };
}

}  // namespace

TEST_CASE("reads from many threads through a faulty server") {
  SocketWorld world(quick_tuning());
  std::vector<std::string> data;
  for (uint32_t i = 0; i < 8; ++i) {
    data.push_back(random_bytes(i == 0 ? 0 : (1u << (7 + i * 2 % 10)) * 7 + i, i));
    world.s3.store("k" + std::to_string(i), data.back());
  }
  std::minstd_rand server_dice(5);
  world.s3.tamper = faults(server_dice, 12);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (uint32_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand dice(t + 1);
      for (int round = 0; round < 15; ++round) {
        const size_t which = roll(dice) % data.size();
        const std::string key = "k" + std::to_string(which);
        const std::string& expected = data[which];
        auto whole = world.store->get(key, {});
        Guarded out(1 + roll(dice) % 100'000);
        const uint64_t start = expected.empty() ? 0 : roll(dice) % expected.size();
        auto into = world.store->get_into(key, start, out.span(), {});
        Guarded one(roll(dice) % 3000), two(roll(dice) % 3000);
        const uint64_t other = expected.empty() ? 0 : roll(dice) % expected.size();
        auto scattered = world.store->get_ranges(key, {{start, one.span()}, {other, two.span()}}, {});
        if (roll(dice) % 4 == 0) into.cancel();
        auto got = whole.wait();
        if (!got || text_of(got->data) != expected) ++wrong;
        auto read = into.wait();
        if (read && out.text().substr(0, read->bytes_read) != expected.substr(start, out.span().size())) ++wrong;
        if (!read && read.error().code != ErrorCode::kCancelled) ++wrong;
        auto ranges = scattered.wait();
        if (!ranges || one.text().substr(0, ranges->bytes_read[0]) != expected.substr(start, one.span().size()))
          ++wrong;
        if (ranges && two.text().substr(0, ranges->bytes_read[1]) != expected.substr(other, two.span().size())) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(counted(counters().retries) > 0);
  CHECK(counted(counters().checksums_verified) > 0);
}

TEST_CASE("writes through a faulty server") {
  Tuning tuning = quick_tuning();
  tuning.part_size = 5 << 20;
  tuning.multipart_threshold = 6 << 20;
  SocketWorld world(tuning);
  std::minstd_rand server_dice(6);
  world.s3.tamper = [inner = faults(server_dice, 8), &world](const Seen& seen, int number, Reply& reply) {
    inner(seen, number, reply);
    if (seen.request.method == "HEAD" && reply.status == 200) {
      reply.headers.add("x-amz-checksum-crc64nvme", checksum_text(world.s3.objects["k"].data));
    }
  };
  const std::string data = random_bytes(17 << 20);
  for (int round = 0; round < 3; ++round) {
    const auto part = bytes_of(data).first(data.size() - static_cast<size_t>(round) * 4'321'987);
    auto small = world.store->put("small", part.first(10'000), {});
    value(world.store->put("k", part, {}));
    CHECK(world.s3.objects["k"].data == text_of(part));
    auto writer = world.store->open_writer("k", {}).value();
    for (size_t at = 0; at < part.size(); at += 3'000'000) {
      value(writer->write(part.subspan(at, std::min<size_t>(3'000'000, part.size() - at))));
    }
    value(writer->close());
    CHECK(world.s3.objects["k"].data == text_of(part));
    value(std::move(small));
    auto cancelled = world.store->put("c", part, {});
    cancelled.cancel();
    static_cast<void>(cancelled.wait());
  }
}

TEST_CASE("large writes from the caller's memory through a faulty server") {
  Tuning tuning = quick_tuning();
  tuning.part_size = 5 << 20;
  SocketWorld world(tuning);
  std::minstd_rand server_dice(8);
  world.s3.tamper = [inner = faults(server_dice, 10), &world](const Seen& seen, int number, Reply& reply) {
    inner(seen, number, reply);
    if (seen.request.method == "HEAD" && reply.status == 200) {
      reply.headers.add("x-amz-checksum-crc64nvme", checksum_text(world.s3.objects["k"].data));
    }
  };
  const std::string data = random_bytes(28 << 20);
  for (int round = 0; round < 3; ++round) {
    auto writer = world.store->open_writer("k", {}).value();
    auto memory = std::make_unique<std::string>(data);
    value(writer->write(bytes_of(data).first(static_cast<size_t>(round) * 1000)));
    value(writer->write(bytes_of(*memory)));
    memory.reset();
    value(writer->close());
    CHECK(world.s3.objects["k"].data == data.substr(0, static_cast<size_t>(round) * 1000) + data);

    auto cancelled = world.store->open_writer("c", {}).value();
    memory = std::make_unique<std::string>(data);
    auto future = cancelled->write(bytes_of(*memory));
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * round * round));
    future.cancel();
    static_cast<void>(future.wait());
    memory.reset();
    static_cast<void>(cancelled->abort().wait());

    auto dropped = world.store->open_writer("d", {}).value();
    memory = std::make_unique<std::string>(data);
    value(dropped->write(bytes_of(data).first(1000)));
    future = dropped->write(bytes_of(*memory));
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * round * round));
    dropped.reset();  // with a write under way
    static_cast<void>(future.wait());
    memory.reset();
  }
}

TEST_CASE("a stream of many objects, taken in batches, and dropped half way") {
  SocketWorld world(quick_tuning());
  std::vector<fetch::FetchItem> items;
  for (uint32_t i = 0; i < 400; ++i) {
    world.s3.store("k" + std::to_string(i), random_bytes(3000 + i, i));
    items.push_back({"k" + std::to_string(i), i % 2 == 0 ? std::optional<uint64_t>(3000 + i) : std::nullopt, 0, 0});
  }
  std::minstd_rand server_dice(7);
  world.s3.tamper = faults(server_dice, 30);
  auto stream = fetch::open_fetch_stream(world.store, items, {});
  uint64_t next = 0;
  while (true) {
    auto batch = stream->next(16, std::chrono::seconds(60));
    REQUIRE(batch);
    if (batch->empty()) break;
    for (auto& fetched : *batch) {
      CHECK(fetched.index == next);
      REQUIRE(fetched.object.ok());
      CHECK(text_of(fetched.object->data) == random_bytes(3000 + next, static_cast<uint32_t>(next)));
      ++next;
    }
  }
  CHECK(next == 400);
  auto dropped = fetch::open_fetch_stream(world.store, items, {});
  REQUIRE(dropped->next(1, std::chrono::seconds(60)));
  dropped.reset();
}

TEST_CASE("batches, and a stream fed by one thread and emptied by another") {
  SocketWorld world(quick_tuning());
  constexpr uint32_t kCount = 200;
  for (uint32_t i = 0; i < kCount; ++i) world.s3.store("k" + std::to_string(i), random_bytes(2000 + i, i));
  std::minstd_rand server_dice(9);
  world.s3.tamper = faults(server_dice, 30);
  auto stream = fetch::open_fetch_stream(world.store, fetch::FetchOptions());
  std::thread feeder([&] {
    for (uint32_t i = 0; i < kCount; ++i) stream->push({{"k" + std::to_string(i), std::nullopt, 0, 0}});
    stream->finish();
  });
  std::vector<std::unique_ptr<Guarded>> places;
  std::vector<fetch::ReadItem> items;
  for (uint32_t i = 0; i < kCount; ++i) {
    places.push_back(std::make_unique<Guarded>(2000 + i));
    items.push_back({{"k" + std::to_string(i), std::nullopt, 0, 0}, places.back()->span()});
  }
  auto batch = fetch::get_many_into(world.store, items, 16);
  uint64_t taken = 0;
  while (true) {
    auto some = stream->next(16, std::chrono::seconds(60));
    REQUIRE(some);
    if (some->empty()) break;
    for (auto& fetched : *some) {
      REQUIRE(fetched.object.ok());
      CHECK(text_of(fetched.object->data) == random_bytes(2000 + taken, static_cast<uint32_t>(taken)));
      ++taken;
    }
  }
  feeder.join();
  CHECK(taken == kCount);
  value(std::move(batch));
  for (uint32_t i = 0; i < kCount; ++i) CHECK(places[i]->text() == random_bytes(2000 + i, i));
  for (int round = 0; round < 5; ++round) {
    auto cancelled = fetch::get_many_into(world.store, items, 16);
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * round));
    cancelled.cancel();
    static_cast<void>(cancelled.wait());
    for (auto& place : places) std::fill(place->span().begin(), place->span().end(), std::byte{1});
  }
}

TEST_CASE("a store may go while its calls are under way") {
  SocketWorld world(quick_tuning());
  world.s3.store("k", random_bytes(1 << 20));
  std::vector<Future<FetchedObject>> futures;
  for (int i = 0; i < 20; ++i) futures.push_back(world.store->get("k", {}));
  world.store.reset();
  for (auto& future : futures) CHECK(value(std::move(future)).data.size() == 1 << 20);
}

TEST_CASE("nobody listens: told within the connect time-out") {
  SocketWorld world(quick_tuning());
  s3::S3Options options;
  options.bucket = "b";
  options.region = "us-east-1";
  options.unsigned_access = true;
  options.endpoint_url = "http://127.0.0.1:1";
  Tuning tuning;
  auto store = s3::open_s3(options, {}, nullptr, tuning);
  REQUIRE(store.ok());
  const auto began = std::chrono::steady_clock::now();
  const auto result = (*store)->get("k", {}).wait();
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::kConnection);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(10));
}
