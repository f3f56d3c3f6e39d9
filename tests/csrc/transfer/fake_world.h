// A remote store in a world of its own: manual loop, virtual clock, known dice, a fake S3.
#pragma once

#include <doctest/doctest.h>

#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/stats/stats.h"
#include "engine/store/s3/s3_store.h"
#include "engine/transfer/call/context.h"
#include "engine/transfer/remote_store_parts.h"
#include "transfer/fake_s3.h"
#include "transfer/manual_loop.h"

namespace s3dlio::test {

inline std::string random_bytes(size_t size, uint32_t seed = 1) {
  std::minstd_rand dice(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(dice() >> 8);
  return out;
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::string text_of(const Buffer& buffer) { return text_of(buffer.span()); }
inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Memory with a guard zone on either side; nothing may ever be written there.
class Guarded {
 public:
  explicit Guarded(size_t size) : inner_size_(size), inner_memory_(size + 2 * kGuard, std::byte{0xEE}) {}
  ~Guarded() { CHECK(intact()); }
  std::span<std::byte> span() { return std::span(inner_memory_).subspan(kGuard, inner_size_); }
  std::string text() { return text_of(span()); }
  bool intact() const {
    for (size_t i = 0; i < kGuard; ++i) {
      if (inner_memory_[i] != std::byte{0xEE} || inner_memory_[inner_memory_.size() - 1 - i] != std::byte{0xEE})
        return false;
    }
    return true;
  }

 private:
  static constexpr size_t kGuard = 4096;
  size_t inner_size_;
  std::vector<std::byte> inner_memory_;
};

struct World {
  explicit World(Tuning tuning = small_tuning(), CredentialSource source = nullptr,
                 std::optional<transfer::Limits> limits = std::nullopt) {
    client->serve = [this](const Seen& seen) {
      Reply reply = s3(seen);
      if (states_time && !reply.headers.find("Date")) reply.headers.add("Date", http_date(service_now()));
      return reply;
    };
    s3::S3Options options;
    options.bucket = "b";
    options.region = "us-east-1";
    options.endpoint_url = "http://fake:9000";
    options.unsigned_access = source == nullptr;
    auto dialect = s3::make_s3_dialect(options, tuning.upload_checksum);
    REQUIRE(dialect.ok());
    transfer::Environment environment;
    environment.start = [this] { return threads_to_be_had; };
    environment.next_loop = [this]() -> net::EventLoop& { return loop; };
    environment.wall_now = [this] {
      return wall_base + std::chrono::duration_cast<std::chrono::system_clock::duration>(loop.now().time_since_epoch());
    };
    environment.random = [this] { return std::uniform_real_distribution<double>(0, 1)(dice); };
    environment.run_blocking = [this](std::function<void()> work) {
      if (!threads_to_be_had.ok()) return false;
      loop.call_after(std::chrono::milliseconds(5), std::move(work));
      return true;
    };
    context = std::make_shared<transfer::Context>(std::move(dialect).value(), client, std::move(source), tuning,
                                                  environment, limits);
    store = transfer::make_remote_store(context);
    counters_reset();
  }
  ~World() {
    loop.run_dry();  // what was left behind for the background
    CHECK(context->window.requests_in_flight() == 0);
    CHECK(context->window.bytes_in_flight() == 0);
    CHECK(client->running == 0);
    store.reset();
    CHECK(context.use_count() == 1);  // nothing of ended calls is left
  }

  // By the service's clock, which agrees with ours unless a test says otherwise.
  std::chrono::system_clock::time_point service_now() const {
    return wall_base + service_ahead +
           std::chrono::duration_cast<std::chrono::system_clock::duration>(loop.now().time_since_epoch());
  }
  static std::string http_date(std::chrono::system_clock::time_point time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[40];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return text;
  }

  static Tuning small_tuning() {
    Tuning tuning;
    tuning.part_size = 1 << 20;
    tuning.multipart_threshold = 12 << 20;
    return tuning;
  }

  template <class T>
  Result<T> wait(Future<T> future) {
    REQUIRE(loop.run_until([&] { return future.is_ready(); }));
    return future.wait();
  }
  template <class T>
  T value(Future<T> future) {
    auto result = wait(std::move(future));
    REQUIRE_MESSAGE(result.ok(), (result ? std::string() : result.error().message));
    return std::move(result).value();
  }
  template <class T>
  Error error(Future<T> future) {
    auto result = wait(std::move(future));
    REQUIRE_FALSE(result.ok());
    CHECK_FALSE(result.error().message.empty());
    CHECK_FALSE(result.error().operation.empty());
    CHECK(result.error().uri.starts_with("s3://b"));
    return result.error();
  }
  std::string get(const std::string& key, GetOptions options = {}) {
    return text_of(value(store->get(key, std::move(options))).data);
  }
  int requests_of(std::string_view method, std::string_view header = "") const {
    int count = 0;
    for (const auto& seen : client->seen) {
      count += seen.request.method == method && (header.empty() || seen.request.headers.find(header)) ? 1 : 0;
    }
    return count;
  }

  ManualLoop loop;
  std::chrono::system_clock::time_point wall_base = std::chrono::sys_days(std::chrono::year(2024) / 6 / 1);
  std::chrono::seconds service_ahead{0};
  bool states_time = true;
  std::minstd_rand dice{7};
  Result<Unit> threads_to_be_had{Unit()};
  FakeS3 s3;
  std::shared_ptr<FakeClient> client = std::make_shared<FakeClient>();
  std::shared_ptr<transfer::Context> context;
  std::shared_ptr<ObjectStore> store;
};

inline uint64_t counted(const std::atomic<uint64_t>& counter) { return counter.load(); }

}  // namespace s3dlio::test
