// Writes: single requests, uploads in parts, writers, copies; every fault of the table that an upload can meet.
#include <set>

#include "engine/base/log.h"
#include "engine/transfer/write/upload.h"
#include "transfer/fake_world.h"

using namespace s3dlio;
using namespace s3dlio::test;

namespace {

constexpr uint64_t kMiB = 1 << 20;

bool is_part(const Seen& seen) {
  return seen.request.method == "PUT" && seen.request.query.find("partNumber") != std::string::npos;
}
bool is_completion(const Seen& seen) {
  return seen.request.method == "POST" && seen.request.query.find("uploadId") != std::string::npos;
}
bool is_head(const Seen& seen) { return seen.request.method == "HEAD"; }

// 20 MiB in parts of 5 MiB, the smallest S3 takes.
struct PartsWorld : World {
  std::string data = random_bytes(20 * kMiB + 3);
  Future<PutResult> put(PutOptions options = {}) { return store->put("k", bytes_of(data), std::move(options)); }
  void check_clean() {
    CHECK(s3.uploads.empty());
    CHECK_FALSE(s3.objects.contains("k"));
  }
};

}  // namespace

TEST_CASE("a small object is one request with its checksum") {
  World world;
  const std::string data = random_bytes(70'000);
  PutOptions options;
  options.content_type = "text/plain";
  options.user_metadata["colour"] = "blue";
  const PutResult result = world.value(world.store->put("k", bytes_of(data), options));
  CHECK(world.s3.objects["k"].data == data);
  CHECK(result.size == data.size());
  CHECK(result.etag == world.s3.objects["k"].etag);
  CHECK(result.checksum == checksum_text(data));
  CHECK(*world.client->seen[0].request.headers.find("x-amz-checksum-crc64nvme") == checksum_text(data));
  CHECK(world.value(world.store->head("k", "")).user_metadata.at("colour") == "blue");
  CHECK(world.value(world.store->put("empty", {}, {})).size == 0);
  CHECK(world.s3.objects["empty"].data.empty());
}

TEST_CASE("U1: a put that breaks, is refused or stalls is sent again from the same memory") {
  World world;
  const std::string data = random_bytes(70'000);
  world.s3.instead = [&](const Seen&, int number) -> std::optional<Reply> {
    if (number == 1) return FakeS3::reset(http::Stage::kSend);
    if (number == 2) return FakeS3::error(500, "InternalError");
    if (number == 3) return FakeS3::error(503, "SlowDown");
    if (number == 4) {
      Reply reply;
      reply.never = true;
      return reply;
    }
    return std::nullopt;
  };
  world.value(world.store->put("k", bytes_of(data), {}));
  CHECK(world.s3.objects["k"].data == data);
  CHECK(world.client->seen.size() == 5);
}

TEST_CASE("U1: memory that changes while it is sent is found out") {
  World world;
  std::string data = random_bytes(70'000);
  world.s3.instead = [&](const Seen&, int number) -> std::optional<Reply> {
    if (number > 1) return std::nullopt;
    data[5] ^= 1;  // between two attempts: the service must not take it for what was put
    return FakeS3::reset(http::Stage::kSend);
  };
  CHECK(world.error(world.store->put("k", bytes_of(data), {})).code == ErrorCode::kChecksumMismatch);
  CHECK_FALSE(world.s3.objects.contains("k"));
}

TEST_CASE("a large object goes in parts, completed with the checksum of all") {
  PartsWorld world;
  const PutResult result = world.value(world.put());
  CHECK(world.s3.objects["k"].data == world.data);
  CHECK(result.size == world.data.size());
  CHECK(result.checksum == checksum_text(world.data));
  CHECK(result.etag == world.s3.objects["k"].etag);
  CHECK(world.s3.uploads.empty());
  for (const Seen& seen : world.client->seen) {
    if (is_completion(seen)) {
      CHECK(*seen.request.headers.find("x-amz-checksum-crc64nvme") == checksum_text(world.data));
      CHECK(*seen.request.headers.find("x-amz-mp-object-size") == std::to_string(world.data.size()));
    }
  }
}

TEST_CASE("U1: each part survives a reset, 500, 503 and a stall") {
  PartsWorld world;
  int part = 0;
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (!is_part(seen) || ++part > 4) return std::nullopt;
    if (part == 1) return FakeS3::reset();
    if (part == 2) return FakeS3::error(500, "InternalError");
    if (part == 3) return FakeS3::error(503, "SlowDown");
    Reply reply;
    reply.never = true;
    return reply;
  };
  world.value(world.put());
  CHECK(world.s3.objects["k"].data == world.data);
  CHECK(counted(counters().upload_parts_resent) == 4);
}

TEST_CASE("U2: a part's answer without an etag is an error, and the upload is aborted") {
  PartsWorld world;
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (is_part(seen)) reply.headers = http::Headers();
  };
  CHECK(world.error(world.put()).code == ErrorCode::kProtocol);
  world.check_clean();
  CHECK(counted(counters().uploads_aborted) == 1);
}

TEST_CASE("U3: 200 with an error in it is an error, and completion is tried again") {
  PartsWorld world;
  int completions = 0;
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (!is_completion(seen) || ++completions > 2) return std::nullopt;
    Reply reply = FakeS3::error(500, "InternalError");
    reply.status = 200;
    return reply;
  };
  world.value(world.put());
  CHECK(world.s3.objects["k"].data == world.data);
  CHECK(completions == 3);
}

TEST_CASE("U4: completed, but the answer was lost") {
  PartsWorld world;
  bool changed = false;
  SUBCASE("what is stored is ours") {}
  SUBCASE("what is stored is another's") { changed = true; }
  int completions = 0;
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (is_head(seen)) {
      reply.headers.add("x-amz-checksum-crc64nvme", checksum_text(world.s3.objects["k"].data));
      reply.headers.add("x-amz-checksum-type", "FULL_OBJECT");
    }
    if (!is_completion(seen)) return;
    if (++completions == 1) {
      reply = FakeS3::reset();
      if (changed) world.s3.objects["k"].data[5] ^= 1;
    }
  };
  if (changed) {
    CHECK(world.error(world.put()).code == ErrorCode::kNotFound);
    CHECK(counted(counters().completions_recovered) == 0);
  } else {
    const PutResult result = world.value(world.put());
    CHECK(result.etag == world.s3.objects["k"].etag);
    CHECK(result.size == world.data.size());
    CHECK(counted(counters().completions_recovered) == 1);
  }
  CHECK(completions == (changed ? 2 : 1));  // what is there already is not asked for again
}

TEST_CASE("U5: conditions on completion") {
  PartsWorld world;
  PutOptions options;
  options.if_none_match = true;
  SUBCASE("412: something is there already") {
    world.s3.store("k", "old");
    CHECK(world.error(world.put(options)).code == ErrorCode::kAlreadyExists);
    CHECK(world.s3.objects["k"].data == "old");
    CHECK(world.s3.aborted["k"] == 1);
  }
  SUBCASE("409: a race; begun again once from the same memory") {
    int completions = 0;
    world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
      if (!is_completion(seen) || ++completions > 1) return std::nullopt;
      return FakeS3::error(409, "ConditionalRequestConflict");
    };
    world.value(world.put(options));
    CHECK(world.s3.objects["k"].data == world.data);
    CHECK(completions == 2);
    CHECK(world.s3.aborted["k"] == 1);
  }
  SUBCASE("409 time after time: the second is final") {
    int completions = 0;
    world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
      if (!is_completion(seen) || ++completions > 10) return std::nullopt;
      return FakeS3::error(409, "ConditionalRequestConflict");
    };
    const Error error = world.error(world.put(options));
    CHECK(error.code == ErrorCode::kPreconditionFailed);  // nobody said that anything is there
    CHECK(error.http_status == 409);
    CHECK(completions == 2);
    CHECK(world.s3.aborted["k"] == 2);
    world.check_clean();
  }
  SUBCASE("409 to a writer: what was written is gone from memory, so it is final") {
    int completions = 0;
    world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
      if (!is_completion(seen)) return std::nullopt;
      ++completions;
      return FakeS3::error(409, "ConditionalRequestConflict");
    };
    auto writer = world.store->open_writer("k", options).value();
    world.value(writer->write(bytes_of(world.data)));
    const Error error = world.error(writer->close());
    CHECK(error.code == ErrorCode::kPreconditionFailed);
    CHECK(error.operation == "write");
    CHECK(completions == 1);
    CHECK(world.s3.aborted["k"] == 1);
    world.check_clean();
  }
  SUBCASE("409 to a single request: that one is sent again") {
    world.s3.instead = [&](const Seen&, int number) -> std::optional<Reply> {
      if (number > 1) return std::nullopt;
      return FakeS3::error(409, "ConditionalRequestConflict");
    };
    world.value(world.store->put("k", bytes_of("small"), options));
    CHECK(world.s3.objects["k"].data == "small");
    CHECK(world.client->seen.size() == 2);
  }
  CHECK(world.s3.uploads.empty());
}

TEST_CASE("a conditional put whose answer was lost is recognised as ours") {
  World world;
  PutOptions options;
  options.if_none_match = true;
  bool foreign = false;
  SUBCASE("ours") {}
  SUBCASE("another's") { foreign = true; }
  world.s3.tamper = [&](const Seen& seen, int number, Reply& reply) {
    if (number == 1) {
      reply = FakeS3::reset();
      if (foreign) world.s3.store("k", "other");
    }
    if (is_head(seen)) reply.headers.add("x-amz-checksum-crc64nvme", checksum_text(world.s3.objects["k"].data));
  };
  auto future = world.store->put("k", bytes_of("hello"), options);
  if (foreign) {
    CHECK(world.error(std::move(future)).code == ErrorCode::kAlreadyExists);
  } else {
    CHECK(world.value(std::move(future)).etag == world.s3.objects["k"].etag);
  }
}

TEST_CASE("conditional create and replace") {
  World world;
  world.s3.store("k", "old");
  PutOptions create;
  create.if_none_match = true;
  CHECK(world.error(world.store->put("k", bytes_of("new"), create)).code == ErrorCode::kAlreadyExists);
  PutOptions replace;
  replace.if_match = "\"other\"";
  CHECK(world.error(world.store->put("k", bytes_of("new"), replace)).code == ErrorCode::kPreconditionFailed);
  replace.if_match = world.s3.objects["k"].etag;
  world.value(world.store->put("k", bytes_of("new"), replace));
  CHECK(world.s3.objects["k"].data == "new");
}

TEST_CASE("U6: what is stored differs from what was sent") {
  PartsWorld world;
  bool overwritten = false;
  SUBCASE("ours: removed") {}
  SUBCASE("written by another since: left alone") { overwritten = true; }
  world.s3.tamper = [&](const Seen& seen, int, Reply&) {
    if (!is_completion(seen)) return;
    world.s3.objects["k"].data.resize(1000);
    if (overwritten) world.s3.store("k", "another's");
  };
  if (overwritten) {
    world.value(world.put());
    CHECK(world.s3.objects["k"].data == "another's");
  } else {
    const Error error = world.error(world.put());
    CHECK(error.code == ErrorCode::kIntegrity);
    CHECK(error.message.find("1000 bytes are stored") != std::string::npos);
    CHECK_FALSE(world.s3.objects.contains("k"));
  }
}

TEST_CASE("U6: what is stored differs, and no ETag says whose it is: an error, and it stays") {
  PartsWorld world;
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (is_completion(seen)) world.s3.objects["k"].data.resize(1000);
    if (seen.request.method == "HEAD") reply.headers.set("ETag", "");
  };
  const Error error = world.error(world.put());
  CHECK(error.code == ErrorCode::kIntegrity);
  CHECK(error.message.find("1000 bytes are stored") != std::string::npos);
  CHECK(error.message.find("not removed") != std::string::npos);
  CHECK(world.s3.objects.contains("k"));
}

TEST_CASE("U6: a small put that was stored with another checksum") {
  World world;
  bool overwritten = false;
  SUBCASE("ours: removed") {}
  SUBCASE("written by another since: left alone") { overwritten = true; }
  world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
    if (seen.request.method != "PUT") return;
    reply.headers.set("x-amz-checksum-crc64nvme", checksum_text("evil"));
    world.s3.objects["k"].data = "evil";
    if (overwritten) world.s3.store("k", "another's");
  };
  const Error error = world.error(world.store->put("k", bytes_of("mine"), {}));
  CHECK(error.code == ErrorCode::kIntegrity);
  if (overwritten) {
    CHECK(world.s3.objects["k"].data == "another's");
    CHECK(error.message.find("not removed") != std::string::npos);
  } else {
    CHECK_FALSE(world.s3.objects.contains("k"));
  }
}

TEST_CASE("U11: one part too many is an error before it is sent") {
  World world;
  std::optional<Result<PutResult>> ended;
  {
    auto upload = std::make_shared<transfer::Upload>(
        world.context, "put", "k", PutOptions(), [&](Result<PutResult> result) { ended = std::move(result); },
        [](bool) {});
    upload->begin();
    const std::string data(10'001, 'x');
    for (size_t i = 0; i < data.size(); ++i) upload->feed(bytes_of(data).subspan(i, 1), Buffer());
    upload->complete();
  }
  REQUIRE(world.loop.run_until([&] { return ended.has_value(); }));
  REQUIRE_FALSE(ended->ok());
  CHECK(ended->error().code == ErrorCode::kInvalidArgument);
  CHECK(ended->error().message.find("more than 10000 parts") != std::string::npos);
  CHECK(world.s3.uploads.empty());
  CHECK_FALSE(world.s3.objects.contains("k"));
}

TEST_CASE("a failed upload is aborted, whatever failed") {
  PartsWorld world;
  std::string what;
  SUBCASE("the start") { what = "uploads="; }
  SUBCASE("a part") { what = "partNumber=3"; }
  SUBCASE("the completion") { what = "uploadId"; }
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    const bool hit = what == "uploadId" ? is_completion(seen) : seen.request.query.find(what) != std::string::npos;
    if (!hit) return std::nullopt;
    return FakeS3::error(403, "AccessDenied");
  };
  CHECK(world.error(world.put()).code == ErrorCode::kAccessDenied);
  world.check_clean();
}

TEST_CASE("an upload that is taken back stops reading memory at once and is aborted") {
  for (int steps = 0; steps < 60; steps += 3) {
    PartsWorld world;
    world.s3.tamper = [](const Seen&, int, Reply& reply) { reply.delay = std::chrono::milliseconds(20); };
    auto future = world.put();
    for (int i = 0; i < steps; ++i) world.loop.step();
    const bool was_ready = future.is_ready();
    future.cancel();
    auto result = world.wait(std::move(future));
    const size_t parts = world.client->seen.size();
    if (!was_ready && !result) {
      CHECK(result.error().code == ErrorCode::kCancelled);
      world.loop.run_dry();
      CHECK(world.s3.uploads.empty());
      for (size_t i = parts; i < world.client->seen.size(); ++i) CHECK_FALSE(is_part(world.client->seen[i]));
    }
  }
}

// ---- writers ----

TEST_CASE("a writer: pieces of any size, single put when small, parts when large") {
  for (const size_t size : {0ul, 1ul, 5 * kMiB, 5 * kMiB + 1, 17 * kMiB + 5}) {
    for (const size_t piece : {size_t(1 << 16), size_t(777'777), size_t(9 * kMiB)}) {
      World world;
      const std::string data = random_bytes(size, 5);
      auto writer = world.store->open_writer("k", {}).value();
      for (size_t at = 0; at < size; at += piece) {
        world.value(writer->write(bytes_of(data).subspan(at, std::min(piece, size - at))));
      }
      CHECK(writer->bytes_written() == size);
      const PutResult result = world.value(writer->close());
      CHECK(world.s3.objects["k"].data == data);
      CHECK(result.size == size);
      CHECK(world.s3.uploads.empty());
      CHECK((world.requests_of("POST") > 0) == (size > 5 * kMiB));
      CHECK(world.error(writer->write(bytes_of("x"))).code == ErrorCode::kClosed);
      CHECK(world.error(writer->close()).code == ErrorCode::kClosed);
      world.value(writer->abort());
    }
  }
}

TEST_CASE("parts of equal size: an unbounded writer's do not grow where they must not") {
  transfer::Limits limits;
  limits.min_part_size = 1;
  limits.max_parts = 2000;
  Tuning tuning = World::small_tuning();
  tuning.part_size = 10;
  bool equal = true;
  SUBCASE("by choice") { tuning.equal_parts = true; }
  SUBCASE("by the service's rule") { limits.equal_parts = true; }
  SUBCASE("else they grow") { equal = false; }
  std::set<size_t> sizes;
  World world(tuning, nullptr, limits);
  world.s3.tamper = [&](const Seen& seen, int, Reply&) {
    if (is_part(seen)) sizes.insert(seen.body.size());
  };
  const std::string data = random_bytes(19'990);
  auto writer = world.store->open_writer("k", {}).value();
  for (size_t at = 0; at < data.size(); at += 7)
    world.value(writer->write(bytes_of(data).subspan(at, std::min<size_t>(7, data.size() - at))));
  world.value(writer->close());
  CHECK(world.s3.objects["k"].data == data);
  CHECK((sizes == std::set<size_t>{10}) == equal);
  if (!equal) return;
  auto longer = world.store->open_writer("l", {}).value();
  std::optional<Error> error;
  for (int i = 0; i < 2002 && !error; ++i) {
    auto written = world.wait(longer->write(bytes_of("0123456789")));
    if (!written) error = written.error();
  }
  if (!error) error = world.error(longer->close());
  CHECK(error->message.find("more than 2000 parts of 10 bytes") != std::string::npos);
  CHECK(error->message.find("equal_parts") != std::string::npos);
}

TEST_CASE("a writer waits while its window is full") {
  Tuning tuning = World::small_tuning();
  tuning.max_in_flight_bytes = 10 * kMiB;
  World world(tuning);
  world.s3.tamper = [](const Seen&, int, Reply& reply) { reply.delay = std::chrono::seconds(1); };
  const std::string data = random_bytes(40 * kMiB);
  auto writer = world.store->open_writer("k", {}).value();
  auto future = writer->write(bytes_of(data));
  CHECK_FALSE(future.is_ready());
  CHECK(BufferPool::instance().usage().in_use_bytes <= 64 * kMiB);
  world.value(std::move(future));
  CHECK(world.client->most_running <= 2);
  world.value(writer->close());
  CHECK(world.s3.objects["k"].data == data);
}

TEST_CASE("U7: a writer that is aborted or dropped leaves nothing") {
  World world;
  const std::string data = random_bytes(12 * kMiB);
  auto writer = world.store->open_writer("k", {}).value();
  world.value(writer->write(bytes_of(data)));
  SUBCASE("aborted") {
    world.value(writer->abort());
    CHECK(world.s3.uploads.empty());
  }
  SUBCASE("dropped") {}
  writer.reset();
  world.loop.run_dry();
  CHECK(world.s3.uploads.empty());
  CHECK_FALSE(world.s3.objects.contains("k"));
}

TEST_CASE("U8: a writer's failure is told by write or close") {
  World world;
  const std::string data = random_bytes(30 * kMiB);
  bool completion = false;
  bool noticed_late = false;
  SUBCASE("of a part") {}
  SUBCASE("of a part, when nobody waits for it") { noticed_late = true; }
  SUBCASE("of the completion") { completion = true; }
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (completion ? !is_completion(seen) : !is_part(seen)) return std::nullopt;
    return FakeS3::error(403, "AccessDenied");
  };
  auto writer = world.store->open_writer("k", {}).value();
  auto written = world.wait(writer->write(bytes_of(data)));
  if (completion) CHECK(written.ok());
  if (noticed_late) {
    world.loop.run_dry();
    CHECK(world.error(writer->write(bytes_of("x"))).code == ErrorCode::kAccessDenied);
  }
  CHECK(world.error(writer->close()).code == ErrorCode::kAccessDenied);
  writer.reset();
  world.loop.run_dry();
  CHECK(world.s3.uploads.empty());
  CHECK_FALSE(world.s3.objects.contains("k"));
}

// ---- copies, sweeps, deletes, lists ----

// ---- writers that lend ----

namespace {

// Memory that is gone, for sanitizers to see, once the future of the write that lent it is ready.
struct Lent {
  explicit Lent(const std::string& content) : memory(new std::string(content)) {}
  Future<Unit> write(ObjectWriter& writer) const { return writer.write(bytes_of(*memory)); }
  void take_back() {
    std::fill(memory->begin(), memory->end(), '!');
    memory.reset();
  }
  std::unique_ptr<std::string> memory;
};

}  // namespace

TEST_CASE("whole parts of a large write go from the caller's memory, edges are copied") {
  for (const size_t before : {0ul, 1000ul, 5 * kMiB}) {
    World world;
    const std::string front = random_bytes(before, 3), data = random_bytes(31 * kMiB + 7, 4);
    auto writer = world.store->open_writer("k", {}).value();
    world.value(writer->write(bytes_of(front)));
    Lent lent(data);
    world.value(lent.write(*writer));
    lent.take_back();
    const size_t in_first_part = before == 0 ? 0 : 5 * kMiB;  // the one that was begun before
    const size_t tail = (before + data.size()) % (5 * kMiB);
    CHECK(counted(counters().bytes_copied) == in_first_part + tail);
    CHECK(BufferPool::instance().usage().in_use_bytes <= 16 * kMiB);
    world.value(writer->close());
    CHECK(world.s3.objects["k"].data == front + data);
    CHECK(world.client->most_running >= 4);
  }
}

TEST_CASE("a write that holds few parts is copied, so that the next can follow at once") {
  World world;
  world.s3.tamper = [](const Seen&, int, Reply& reply) { reply.delay = std::chrono::seconds(1); };
  auto writer = world.store->open_writer("k", {}).value();
  const std::string data = random_bytes(10 * kMiB);
  CHECK(writer->write(bytes_of(data)).is_ready());
  CHECK(counted(counters().bytes_copied) == data.size());
  world.value(writer->abort());
}

TEST_CASE("the same object however large and small writes follow each other, whatever fails") {
  auto dice = [engine = std::minstd_rand(14)]() mutable { return static_cast<uint32_t>(engine()); };
  const std::string all = random_bytes(90 * kMiB, 15);
  for (int round = 0; round < 12; ++round) {
    Tuning tuning = World::small_tuning();
    tuning.retry_budget = 100'000;
    tuning.max_attempts = 60;
    tuning.initial_connections = 1 + dice() % 8;
    if (dice() % 2 == 0) tuning.max_in_flight_bytes = 10 * kMiB;
    World world(tuning);
    const uint32_t fault_rate = dice() % 30;
    world.s3.tamper = [&](const Seen& seen, int, Reply& reply) {
      reply.delay = std::chrono::milliseconds(dice() % 300);
      if (!is_part(seen) || dice() % 100 >= fault_rate) return;
      if (dice() % 2 == 0) {
        reply = FakeS3::reset(http::Stage::kSend);
      } else {
        reply = FakeS3::error(500, "InternalError");
      }
    };
    PutOptions options;
    const size_t size = dice() % all.size();
    if (dice() % 2 == 0) options.expected_size = size;
    auto writer = world.store->open_writer("k", options).value();
    for (size_t at = 0; at < size;) {
      size_t piece = 0;
      switch (dice() % 4) {
        case 0:
          piece = dice() % 5000;
          break;
        case 1:
          piece = dice() % (6 * kMiB);
          break;
        case 2:
          piece = (4 + dice() % 3) * 5 * kMiB;
          break;
        default:
          piece = 20 * kMiB + dice() % (20 * kMiB);
      }
      piece = std::min(piece, size - at);
      Lent lent(all.substr(at, piece));
      world.value(lent.write(*writer));
      lent.take_back();
      at += piece;
    }
    CHECK(world.value(writer->close()).size == size);
    CHECK(world.s3.objects["k"].data.size() == size);
    CHECK(all.compare(0, size, world.s3.objects["k"].data) == 0);
    CHECK(world.s3.uploads.empty());
  }
}

TEST_CASE("a part that fails in lent memory: the write tells, and nothing reads it any more") {
  for (int which = 1; which <= 9; ++which) {
    World world;
    int parts = 0;
    world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
      if (is_part(seen) && ++parts == which) return FakeS3::error(403, "AccessDenied");
      return std::nullopt;
    };
    auto writer = world.store->open_writer("k", {}).value();
    Lent lent(random_bytes(47 * kMiB));
    CHECK(world.error(lent.write(*writer)).code == ErrorCode::kAccessDenied);
    lent.take_back();
    CHECK(world.error(writer->close()).code == ErrorCode::kAccessDenied);
    writer.reset();
    world.loop.run_dry();
    CHECK(world.s3.uploads.empty());
    CHECK_FALSE(world.s3.objects.contains("k"));
  }
}

TEST_CASE("a lending write that is taken back, or whose writer goes, lets go of the memory at once") {
  const std::string data = random_bytes(32 * kMiB);
  for (int kind = 0; kind < 3; ++kind) {
    for (int steps = 0; steps < 80; steps += 7) {
      Tuning tuning = World::small_tuning();
      if (steps % 2 == 0) tuning.max_in_flight_bytes = 10 * kMiB;  // the write waits for room as well
      World world(tuning);
      world.s3.tamper = [](const Seen&, int, Reply& reply) { reply.delay = std::chrono::milliseconds(20); };
      auto writer = world.store->open_writer("k", {}).value();
      if (steps % 3 == 0) world.value(writer->write(bytes_of("front")));
      Lent lent(data);
      auto future = lent.write(*writer);
      for (int i = 0; i < steps; ++i) world.loop.step();
      const bool was_ready = future.is_ready();
      const auto asked_at = world.loop.now();
      Future<Unit> aborted;
      if (kind == 0) future.cancel();
      if (kind == 1) writer.reset();
      if (kind == 2) aborted = writer->abort();
      const auto result = world.wait(std::move(future));
      CHECK(world.loop.now() - asked_at < std::chrono::milliseconds(25));  // a start that runs is waited for
      lent.take_back();
      CHECK(result.ok() == was_ready);
      if (!result) CHECK(result.error().code == (kind == 0 ? ErrorCode::kCancelled : ErrorCode::kClosed));
      if (kind == 2) world.value(std::move(aborted));
      if (kind == 0 && !result && steps % 2 == 0) CHECK(world.error(writer->close()).code == ErrorCode::kClosed);
      if (kind == 0 && !result && steps % 2 == 1) {
        world.value(writer->abort());
        CHECK(world.s3.uploads.empty());  // abort() has waited for the clean-up
      }
      writer.reset();
      world.loop.run_dry();
      CHECK(world.s3.uploads.empty());
      CHECK_FALSE(world.s3.objects.contains("k"));
    }
  }
}

TEST_CASE("a copy keeps to the source it looked at") {
  World world;
  world.s3.store("a", random_bytes(1000));
  CopyRequest request;
  request.source_key = "a";
  request.key = "c";
  CHECK(world.value(world.store->copy(request, {})).size == 1000);
  CHECK(world.s3.objects["c"].data == world.s3.objects["a"].data);
  request.source_if_match = "\"other\"";
  CHECK(world.error(world.store->copy(request, {})).code == ErrorCode::kPreconditionFailed);
  request.source_key = "missing";
  CHECK(world.error(world.store->copy(request, {})).code == ErrorCode::kNotFound);
}

TEST_CASE("sweep_uploads aborts what is old below the prefix") {
  World world;
  world.s3.uploads["u1"] = {"p/old", {}, {}, "2024-05-01T00:00:00.000Z", ""};
  world.s3.uploads["u2"] = {"p/new", {}, {}, "2024-06-01T00:30:00.000Z", ""};
  world.s3.uploads["u3"] = {"q/old", {}, {}, "2024-05-01T00:00:00.000Z", ""};
  CHECK(world.value(world.store->sweep_uploads("p/", std::chrono::hours(24))) == 1);
  CHECK(world.s3.uploads.size() == 2);
  CHECK(world.s3.aborted["p/old"] == 1);
}

TEST_CASE("U9: a sweep goes through all pages") {
  World world;
  world.s3.uploads["u1"] = {"p/a", {}, {}, "2024-05-01T00:00:00.000Z", ""};
  world.s3.uploads["u2"] = {"p/b", {}, {}, "2024-05-01T00:00:00.000Z", ""};
  world.s3.instead = [](const Seen& seen, int) -> std::optional<Reply> {
    const std::string& query = seen.request.query;
    if (!query.starts_with("uploads=") || query.find("key-marker") != std::string::npos) return std::nullopt;
    Reply reply;
    reply.body =
        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>p/a</NextKeyMarker>"
        "<NextUploadIdMarker>u1</NextUploadIdMarker><Upload><Key>p/a</Key><UploadId>u1</UploadId>"
        "<Initiated>2024-05-01T00:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>";
    return reply;
  };
  CHECK(world.value(world.store->sweep_uploads("p/", std::chrono::hours(24))) == 2);
  CHECK(world.s3.uploads.empty());
}

TEST_CASE("deletes go in batches; what is missing is no error; bad keys are reported alone") {
  World world;
  std::vector<std::string> keys;
  for (int i = 0; i < 2500; ++i) {
    keys.push_back("k" + std::to_string(i));
    if (i % 2 == 0) world.s3.store(keys.back(), "x");
  }
  keys[7] = "";
  const auto outcomes = world.value(world.store->delete_many(keys));
  REQUIRE(outcomes.size() == keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(outcomes[i].key == keys[i]);
    CHECK(outcomes[i].error.has_value() == (i == 7));
  }
  CHECK(world.s3.objects.empty());
  CHECK(world.client->seen.size() == 3);
  CHECK(world.value(world.store->delete_many({})).empty());
  CHECK_FALSE(world.value(world.store->delete_many({"gone"}))[0].error);
}

TEST_CASE("U17: where deletion in batches is refused, keys are deleted one by one") {
  for (const auto& [status, code] :
       {std::pair{400, "MalformedXML"}, std::pair{400, ""}, std::pair{400, "BadDigest"}, std::pair{403, "AccessDenied"},
        std::pair{403, ""}, std::pair{405, "MethodNotAllowed"}, std::pair{405, ""}, std::pair{411, ""},
        std::pair{413, ""}, std::pair{501, "NotImplemented"}, std::pair{200, "NotImplemented"}}) {
    CAPTURE(status);
    CAPTURE(code);
    World world;
    std::vector<std::string> keys;
    for (int i = 0; i < 2500; ++i) {
      keys.push_back("k" + std::to_string(i));
      world.s3.store(keys.back(), "x");
    }
    int posts = 0;
    world.s3.instead = [&, the_status = status, the_code = std::string(code)](const Seen& seen,
                                                                              int) -> std::optional<Reply> {
      if (seen.request.method == "DELETE" && seen.request.path.ends_with("/k7"))
        return FakeS3::error(403, "AccessDenied");
      if (seen.request.method != "POST") return std::nullopt;
      ++posts;
      Reply reply = FakeS3::error(the_status, the_code);
      if (the_code.empty()) reply.body.clear();
      return reply;
    };
    const auto outcomes = world.value(world.store->delete_many(keys));
    REQUIRE(outcomes.size() == keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      CAPTURE(i);
      CHECK(outcomes[i].error.has_value() == (i == 7));
    }
    if (outcomes[7].error) {
      CHECK(outcomes[7].error->code == ErrorCode::kAccessDenied);
      CHECK(outcomes[7].error->uri.ends_with("/k7"));
    }
    CHECK(world.s3.objects.size() == 1);
    CHECK(posts <= 24);  // three batches, each as often as its error is asked again
  }
}

TEST_CASE("U17: what every request would meet is not asked for one by one") {
  for (const auto& [status, code] : {std::pair{403, "InvalidAccessKeyId"}, std::pair{404, "NoSuchBucket"}}) {
    CAPTURE(code);
    World world;
    world.s3.instead = [&, the_status = status, the_code = std::string(code)](const Seen&, int) {
      return FakeS3::error(the_status, the_code);
    };
    const auto outcomes = world.value(world.store->delete_many({"a", "b", "c"}));
    for (const auto& outcome : outcomes) CHECK(outcome.error);
    CHECK(world.client->seen.size() == 1);
  }
}

TEST_CASE("a key that could not be deleted just now is asked for again") {
  World world;
  world.s3.store("a", "x");
  world.s3.store("b", "x");
  int posts = 0;
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    if (seen.request.method != "POST" || ++posts > 1) return std::nullopt;
    Reply reply;
    reply.body =
        "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>InternalError</Code></Error></"
        "DeleteResult>";
    return reply;
  };
  const auto outcomes = world.value(world.store->delete_many({"a", "b"}));
  CHECK_FALSE(outcomes[1].error);
  CHECK_FALSE(world.s3.objects.contains("b"));
}

TEST_CASE("lists come page by page; a broken document is asked for again") {
  World world;
  for (int i = 0; i < 25; ++i) world.s3.store("p/" + std::to_string(100 + i), "x");
  world.s3.list_page = 10;
  bool broken = false;
  world.s3.tamper = [&](const Seen&, int, Reply& reply) {
    if (!std::exchange(broken, true)) reply.body.resize(reply.body.size() / 2);
  };
  ListRequest request;
  request.prefix = "p/";
  std::vector<std::string> keys;
  do {
    ListPage page = world.value(world.store->list_page(request));
    for (const auto& object : page.objects) keys.push_back(object.key);
    request.continuation_token = page.continuation_token;
  } while (!request.continuation_token.empty());
  CHECK(keys.size() == 25);
  CHECK(std::is_sorted(keys.begin(), keys.end()));
  CHECK(world.client->seen.size() == 4);
}

TEST_CASE("buckets: not made twice after a lost answer, gone is gone") {
  World world;
  SUBCASE("create") {
    world.s3.instead = [](const Seen&, int) -> std::optional<Reply> { return FakeS3::reset(); };
    const Error error = world.error(world.store->create_bucket());
    CHECK(error.message.find("may have taken effect") != std::string::npos);
    CHECK(world.client->seen.size() == 1);
  }
  SUBCASE("delete") {
    world.s3.instead = [](const Seen&, int number) -> std::optional<Reply> {
      return number == 1 ? FakeS3::reset() : FakeS3::error(404, "NoSuchBucket");
    };
    world.value(world.store->delete_bucket());
  }
}

// ---- who we are, and what time it is ----

namespace {

CredentialSource counting_source(int& asked, std::optional<double> expires_at = std::nullopt) {
  return [&asked, expires_at]() -> Result<Credentials> {
    ++asked;
    return Credentials{"AKIA" + std::to_string(asked), "secret-value-of-some-length", "", expires_at};
  };
}

}  // namespace

TEST_CASE("G21: expired credentials are refreshed once, by all who wait together") {
  int asked = 0;
  World world(World::small_tuning(), counting_source(asked));
  for (int i = 0; i < 20; ++i) world.s3.store("k" + std::to_string(i), "x");
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    const std::string authorization(seen.request.headers.find("Authorization").value_or(""));
    if (authorization.find("AKIA1/") == std::string::npos) return std::nullopt;
    return FakeS3::error(400, "ExpiredToken");
  };
  std::vector<Future<FetchedObject>> all;
  for (int i = 0; i < 20; ++i) all.push_back(world.store->get("k" + std::to_string(i), {}));
  for (auto& future : all) CHECK(text_of(world.value(std::move(future)).data) == "x");
  CHECK(asked == 2);
  CHECK(counted(counters().credential_refreshes) == 1);
  // Refused again after the refresh: final.
  const int before = world.s3.requests;
  world.s3.instead = [before](const Seen&, int number) -> std::optional<Reply> {
    if (number > before + 20) return std::nullopt;
    return FakeS3::error(400, "ExpiredToken");
  };
  CHECK(world.error(world.store->get("k1", {})).code == ErrorCode::kCredentials);
  CHECK(asked == 3);
}

TEST_CASE("credentials are renewed ahead of their end, and the old ones serve until then") {
  int asked = 0;
  const double base =
      std::chrono::duration<double>(std::chrono::sys_days(std::chrono::year(2024) / 6 / 1).time_since_epoch()).count() +
      3600;
  std::optional<double> ends = base + 600;
  bool fails = false;
  World world(World::small_tuning(), [&]() -> Result<Credentials> {
    ++asked;
    if (fails) return make_error(ErrorCode::kCredentials, "no provider answered");
    return Credentials{"AKIA" + std::to_string(asked), "secret-value-of-some-length", "", ends};
  });
  world.s3.store("a", "x");
  CHECK(world.get("a") == "x");
  CHECK(asked == 1);
  world.wall_base += std::chrono::minutes(6);  // 4 minutes left
  fails = true;
  CHECK(world.get("a") == "x");  // the renewal fails; the old ones still serve
  world.loop.run_dry();
  CHECK(asked == 2);
  CHECK(world.get("a") == "x");
  world.loop.run_dry();
  CHECK(asked == 2);  // not again at once
  world.wall_base += std::chrono::minutes(5);
  const Error error = world.error(world.store->get("a", {}));
  CHECK(error.code == ErrorCode::kCredentials);
  CHECK(error.message.find("no provider answered") != std::string::npos);
  fails = false;
  ends = std::nullopt;
  CHECK(world.get("a") == "x");
}

TEST_CASE("G22: a wrong clock is corrected once, for all that follows") {
  int asked = 0;
  World world(World::small_tuning(), counting_source(asked));
  world.s3.store("a", "x");
  world.s3.instead = [&](const Seen& seen, int) -> std::optional<Reply> {
    const std::string date(seen.request.headers.find("x-amz-date").value_or(""));
    if (date.starts_with("20240601T0120")) return std::nullopt;  // our clock says 01:00
    Reply reply = FakeS3::error(403, "RequestTimeTooSkewed");
    reply.headers.add("Date", "Sat, 01 Jun 2024 01:20:00 GMT");
    return reply;
  };
  CHECK(world.get("a") == "x");
  CHECK(world.get("a") == "x");
  CHECK(world.client->seen.size() == 3);
  CHECK(counted(counters().clock_corrections) == 1);
}

TEST_CASE("G41: a service in the year 9999 does not set our clock, and credentials may last until then") {
  int asked = 0;
  World world(World::small_tuning(), [&]() -> Result<Credentials> {
    ++asked;
    return Credentials{"AKID", "secret-of-the-key", "", 253402300799.0};
  });
  world.s3.store("a", "x");
  CHECK(world.get("a") == "x");
  CHECK(world.get("a") == "x");
  CHECK(asked == 1);
  world.s3.instead = [&](const Seen&, int) -> std::optional<Reply> {
    Reply reply = FakeS3::error(403, "RequestTimeTooSkewed");
    reply.headers.add("Date", "Fri, 31 Dec 9999 23:59:59 GMT");
    return reply;
  };
  CHECK(world.error(world.store->get("a", {})).code == ErrorCode::kCredentials);
  CHECK(world.context->clock_offset_seconds == 0);
  CHECK(counted(counters().clock_corrections) == 0);
}

TEST_CASE("secrets stand in no error") {
  int asked = 0;
  World world(World::small_tuning(), counting_source(asked));
  world.s3.instead = [](const Seen&, int) -> std::optional<Reply> {
    Reply reply = FakeS3::error(403, "SignatureDoesNotMatch");
    reply.body =
        "<Error><Code>SignatureDoesNotMatch</Code><Message>you sent secret-value-of-some-length</Message></Error>";
    return reply;
  };
  CHECK(world.error(world.store->get("a", {})).message.find("secret-value") == std::string::npos);
}
