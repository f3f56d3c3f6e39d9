// Pure arithmetic: parts, scatter plans, part sizes of uploads; heads judged against questions; stragglers; the climb.
#include "engine/transfer/read/plan.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "engine/text/http_date.h"
#include "engine/transfer/call/climb.h"
#include "engine/transfer/call/first_byte.h"
#include "engine/transfer/call/hedge.h"
#include "engine/transfer/call/retry.h"
#include "engine/transfer/call/window.h"
#include "engine/transfer/read/range_answer.h"
#include "engine/transfer/write/stored.h"

using namespace s3dlio;
using namespace s3dlio::transfer;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t kMiB = 1 << 20;

void check_cover(const std::vector<PartPlan>& parts, uint64_t start, uint64_t end, std::byte* memory) {
  uint64_t position = start;
  for (const PartPlan& part : parts) {
    CHECK(part.start == position);
    REQUIRE(part.segments.size() == 1);
    CHECK(part.segments[0].data == memory + (part.start - start));
    CHECK(part.segments[0].size == part.end - part.start);
    position = part.end;
  }
  CHECK(position == end);
}

std::byte* address(uint64_t value) { return reinterpret_cast<std::byte*>(value); }

}  // namespace

TEST_CASE("the size of stored parts is told from the etag") {
  CHECK(stored_part_size("\"abc\"", 100 * kMiB) == 0);
  CHECK(stored_part_size("\"abc-1\"", 8 * kMiB) == 0);
  CHECK(stored_part_size("\"abc-13\"", 100 * kMiB) == 8 * kMiB);
  CHECK(stored_part_size("\"abc-10\"", 100 * kMiB) == 10 * kMiB);
  CHECK(stored_part_size("\"abc-x\"", 100 * kMiB) == 0);
  CHECK(stored_part_size("\"abc-\"", 100 * kMiB) == 0);
  CHECK(stored_part_size("\"abc-99999999999999999999\"", 100 * kMiB) == 0);
}

TEST_CASE("parts cover the range and end where stored parts end") {
  std::byte* memory = address(1 << 30);
  check_cover(cut_parts(5, 100 * kMiB, memory, 8 * kMiB, 0), 5, 100 * kMiB, memory);
  for (const uint64_t stored : {5 * kMiB, 8 * kMiB, 16 * kMiB, 100 * kMiB, 3 * kMiB}) {
    const auto parts = cut_parts(8 * kMiB, 333 * kMiB + 17, memory, 8 * kMiB, stored);
    check_cover(parts, 8 * kMiB, 333 * kMiB + 17, memory);
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      CHECK(parts[i].end - parts[i].start <= 16 * kMiB);
      // A stored part is met by few requests: no part starts shortly before a border and runs past it.
      const uint64_t border = (parts[i].start / stored + 1) * stored;
      if (stored >= 8 * kMiB && border < parts[i].end) CHECK(border - parts[i].start < 2 * kMiB);
    }
  }
  CHECK(cut_parts(0, 0, memory, kMiB, 0).empty());
  CHECK(cut_parts(0, kMiB + 1, memory, kMiB, 0).size() == 1);
}

TEST_CASE("scatter plans put every byte at its place") {
  std::minstd_rand dice(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<RangeInto> ranges;
    uint64_t next = 1 << 20;
    const int count = 1 + static_cast<int>(dice() % 12);
    for (int i = 0; i < count; ++i) {
      const uint64_t size = dice() % 300;
      ranges.push_back({dice() % 2000, {address(next), size}});
      next += size + dice() % 3;
    }
    const ScatterPlan plan = plan_scatter(ranges, dice() % 200, 1 + dice() % 400);
    std::map<std::byte*, uint64_t> placed;  // address -> offset in the object
    uint64_t last_end = 0;
    for (const PartPlan& part : plan.parts) {
      CHECK(part.start >= last_end);
      CHECK(part.end > part.start);
      last_end = part.end;
      uint64_t offset = part.start;
      CHECK(part.segments.front().data != nullptr);
      CHECK(part.segments.back().data != nullptr);
      for (const Segment& segment : part.segments) {
        for (uint64_t i = 0; i < segment.size; ++i, ++offset) {
          if (segment.data) CHECK(placed.emplace(segment.data + i, offset).second);
        }
      }
      CHECK(offset == part.end);
    }
    for (const Duplicate& duplicate : plan.duplicates) {
      for (uint64_t i = 0; i < duplicate.size; ++i) {
        const auto source = placed.find(const_cast<std::byte*>(duplicate.from) + i);
        REQUIRE(source != placed.end());
        CHECK(source->second == duplicate.offset + i);
        CHECK(placed.emplace(duplicate.to + i, source->second).second);
      }
    }
    uint64_t wanted = 0;
    for (const RangeInto& range : ranges) {
      wanted += range.out.size();
      for (uint64_t i = 0; i < range.out.size(); ++i) CHECK(placed[range.out.data() + i] == range.offset + i);
    }
    CHECK(placed.size() == wanted);
  }
}

TEST_CASE("near ranges share a request, far ones do not") {
  const std::vector<RangeInto> ranges = {
      {0, {address(4096), 10}}, {50, {address(8192), 10}}, {5000, {address(16384), 10}}};
  CHECK(plan_scatter(ranges, 100, 1000).parts.size() == 2);
  CHECK(plan_scatter(ranges, 100, 1000).coalesced == 2);
  CHECK(plan_scatter(ranges, 10, 1000).parts.size() == 3);
  CHECK(plan_scatter(ranges, 10000, 10000).parts.size() == 1);
}

TEST_CASE("the rest of a plan begins where the next wanted byte lies") {
  const PartPlan plan{100, 160, {{address(4096), 10}, {nullptr, 40}, {address(8192), 10}}};
  CHECK(rest_of(plan, 0).start == 100);
  CHECK(rest_of(plan, 4).start == 104);
  CHECK(rest_of(plan, 4).segments[0].data == address(4100));
  CHECK(rest_of(plan, 10).start == 150);  // the gap is not asked for again
  CHECK(rest_of(plan, 13).start == 153);
  CHECK(rest_of(plan, 13).segments.size() == 1);
  PartPlan cut = plan;
  trim(cut, 155);
  CHECK(cut.end == 155);
  CHECK(wanted_bytes(cut) == 15);
  trim(cut, 130);
  CHECK(cut.end == 110);
  CHECK(wanted_bytes(cut) == 10);
  trim(cut, 50);
  CHECK(cut.segments.empty());
}

TEST_CASE("U11: parts of uploads grow so that their number suffices") {
  Limits limits;
  CHECK(upload_part_size(100 * kMiB, 8 * kMiB, limits) == 8 * kMiB);
  CHECK(upload_part_size(100 * kMiB, 1, limits) == 5 * kMiB);
  const uint64_t large = 5ull << 40;
  const uint64_t part = upload_part_size(large, 8 * kMiB, limits);
  CHECK((large + part - 1) / part <= 10000);
  CHECK(part <= limits.max_part_size);
  CHECK(upload_part_size(60ull << 40, 8 * kMiB, limits) == 0);
  uint64_t total = 0;
  for (uint32_t number = 1; number <= 10000; ++number) total += growing_part_size(number, 8 * kMiB, limits);
  CHECK(total >= large);
  CHECK(growing_part_size(1, 8 * kMiB, limits) == 8 * kMiB);
}

TEST_CASE("heads are judged against the question") {
  const auto shape = [](int status, std::string range, std::optional<uint64_t> length, std::optional<ByteRange> asked) {
    http::ResponseHead head;
    head.status = status;
    head.content_length = length;
    if (!range.empty()) head.headers.add("Content-Range", range);
    return shape_of_answer(head, asked);
  };
  const auto asked = ByteRange::make(10, 20).value();
  CHECK(shape(206, "bytes 10-19/100", 10, asked)->end == 20);
  CHECK(shape(206, "bytes 10-14/15", 5, asked)->end == 15);
  CHECK_FALSE(shape(206, "bytes 10-14/100", 5, asked).ok());  // short, but not at the end
  CHECK_FALSE(shape(206, "bytes 11-20/100", 10, asked).ok());
  CHECK_FALSE(shape(206, "bytes 10-19/100", 11, asked).ok());
  CHECK_FALSE(shape(206, "", 10, asked).ok());
  CHECK_FALSE(shape(206, "bytes 0-9/10", 10, std::nullopt).ok());
  CHECK(shape(200, "", 100, asked)->skip == 10);
  CHECK_FALSE(shape(200, "", std::nullopt, asked).ok());
  CHECK_FALSE(shape(200, "", std::nullopt, std::nullopt).ok());
  CHECK(shape(200, "", 7, std::nullopt)->total == 7);
  CHECK(shape(200, "", 10, asked).error().code == ErrorCode::kRangeNotSatisfiable);
  CHECK_FALSE(shape(204, "", 0, std::nullopt).ok());
}

TEST_CASE("backoff, Retry-After, dates") {
  CHECK(backoff_delay(100ms, 20s, 0, 0.5) == 50ms);
  CHECK(backoff_delay(100ms, 20s, 3, 1.0) == 800ms);
  CHECK(backoff_delay(100ms, 20s, 60, 1.0) == 20s);
  const auto now = std::chrono::sys_days(std::chrono::year(1994) / 11 / 6) + 8h + 49min + 0s;
  CHECK(text::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == now + 37s);
  for (const char* bad :
       {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 36 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 28:49:37 GMT", "Sun, 06 Nov 1994 08:49:-7 GMT"}) {
    CHECK_FALSE(text::parse_http_date(bad));
  }
  CHECK(parse_retry_after("7", now) == std::optional<std::chrono::nanoseconds>(7s));
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now) == std::optional<std::chrono::nanoseconds>(37s));
  CHECK(parse_retry_after("Sun, 06 Nov 1994 08:48:37 GMT", now) == std::optional<std::chrono::nanoseconds>(0s));
  CHECK_FALSE(parse_retry_after("-3", now));
  CHECK_FALSE(parse_retry_after("soon", now));
  CHECK(*parse_retry_after("99999999999", now) == 24h);
  CHECK(*parse_retry_after("99999999999999999999999", now) == 24h);
}

TEST_CASE("G41: dates that the clock cannot count to") {
  const auto now = std::chrono::sys_days(std::chrono::year(2024) / 6 / 1) + 0s;
  const auto never = text::parse_http_date("Fri, 31 Dec 9999 23:59:59 GMT");
  REQUIRE(never);
  CHECK(never->time_since_epoch().count() == 253402300799);
  CHECK(*parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", now) == 24h);
  CHECK(*parse_retry_after("Sat, 01 Jan 0000 00:00:00 GMT", now) == 0h);
}

TEST_CASE("the retry budget empties, and success fills it again") {
  RetryBudget budget(12);
  CHECK(budget.take(kTransportCost));
  CHECK_FALSE(budget.take(kServerCost));
  budget.repay(100);
  CHECK(budget.tokens() == 12);
}

TEST_CASE("the time to the first byte is learnt, within bounds") {
  FirstByteEstimate estimate(20s);
  CHECK(estimate.limit() == 20s);
  for (int i = 0; i < 64; ++i) estimate.sample(10ms);
  CHECK(estimate.limit() == 4s);
  for (int i = 0; i < 64; ++i) estimate.sample(1s);
  CHECK(estimate.limit() == 8s);
  for (int i = 0; i < 64; ++i) estimate.sample(9s);
  CHECK(estimate.limit() == 20s);
}

TEST_CASE("stragglers are found by rate, not before they could show it") {
  std::vector<Progress> running(8, {true, 500ms, 4 * kMiB, 4 * kMiB});
  CHECK(find_stragglers(running, {}).empty());
  running[3].bytes = kMiB / 2;
  CHECK(find_stragglers(running, {}) == std::vector<size_t>{3});
  running[3].elapsed = 100ms;
  CHECK(find_stragglers(running, {}).empty());
  running[3] = {true, 2s, 0, 8 * kMiB};
  CHECK(find_stragglers(running, {}) == std::vector<size_t>{3});
  running[3].under_way = false;
  CHECK(find_stragglers(running, {}).empty());
  CHECK(find_stragglers(std::vector<Progress>(2, {true, 2s, 1, kMiB}), {}).empty());  // too few to compare
}

TEST_CASE("the climb grows while it pays, gives way, recovers") {
  net::Clock::time_point now{1h};
  // A network that carries 20 requests' worth and no more.
  const auto round = [&](Climb& climb, uint32_t carries) {
    for (uint32_t i = 0; i < 100; ++i) {
      now += std::chrono::microseconds(100'000 / std::min(climb.limit(), carries));
      climb.finished(now, kMiB, true);
    }
  };
  Climb climb(4, 64);
  for (int i = 0; i < 40; ++i) round(climb, 20);
  CHECK(climb.limit() >= 16);
  CHECK(climb.limit() <= 40);
  const uint32_t before = climb.limit();
  climb.throttled(now);
  climb.throttled(now);  // of the same round
  CHECK(climb.limit() == before * 7 / 10);
  for (int i = 0; i < 60; ++i) round(climb, 20);
  CHECK(climb.limit() >= before - 1);

  Climb idle(4, 64);
  for (int i = 0; i < 1000; ++i) {
    now += 10ms;
    idle.finished(now, kMiB, false);  // nobody waits: no reason to grow
  }
  CHECK(idle.limit() == 4);
}

TEST_CASE("the window counts bytes and requests and keeps the order") {
  struct Waiter : Window::Waiter {
    bool has = false;
    void granted() override { has = true; }
  };
  Window window(100, 2, 2);
  std::vector<std::shared_ptr<Waiter>> waiters;
  for (int i = 0; i < 5; ++i) waiters.push_back(std::make_shared<Waiter>());
  CHECK(window.acquire(500, waiters[0]));  // larger than all: alone
  CHECK_FALSE(window.acquire(60, waiters[1]));
  CHECK_FALSE(window.acquire(60, waiters[2]));
  CHECK_FALSE(window.acquire(10, waiters[3]));
  window.release(500, Window::Ended::kDone, 500, net::Clock::time_point{1h});
  CHECK(waiters[1]->has);
  CHECK_FALSE(waiters[2]->has);
  CHECK_FALSE(waiters[3]->has);  // would fit, but it is not its turn
  CHECK(window.forget(waiters[2].get()));
  CHECK_FALSE(window.forget(waiters[1].get()));
  window.release(60, Window::Ended::kFailed, 0, net::Clock::time_point{1h});
  CHECK(waiters[3]->has);
  window.release(10, Window::Ended::kDone, 10, net::Clock::time_point{1h});
  CHECK(window.bytes_in_flight() == 0);
  CHECK(window.requests_in_flight() == 0);
}

TEST_CASE("U4: what is stored is compared with what was sent") {
  ObjectMeta meta;
  meta.size = 10;
  StoredExpectation expected;
  expected.size = 10;
  expected.checksum = {ChecksumKind::kCrc32c, 77};
  CHECK(match_of(meta, expected) == Match::kUnknown);  // the size alone proves nothing
  meta.checksum_kind = ChecksumKind::kCrc32c;
  meta.checksum = crc_to_base64(ChecksumKind::kCrc32c, 77);
  CHECK(match_of(meta, expected) == Match::kOurs);
  expected.conditional = true;  // the same content may be another's
  CHECK(match_of(meta, expected) == Match::kUnknown);
  expected.write_id = "one";
  CHECK(match_of(meta, expected) == Match::kUnknown);
  meta.write_id = "other";
  CHECK(match_of(meta, expected) == Match::kNotOurs);
  meta.write_id = "one";
  CHECK(match_of(meta, expected) == Match::kOurs);
  meta.checksum = crc_to_base64(ChecksumKind::kCrc32c, 78);
  CHECK(match_of(meta, expected) == Match::kUnknown);  // ours, and damaged
  expected.conditional = false;
  expected.write_id = "";
  CHECK(match_of(meta, expected) == Match::kNotOurs);
  meta.checksum_kind = ChecksumKind::kNone;
  CHECK(match_of(meta, expected) == Match::kUnknown);
  meta.etag = "\"9E107D9D372BB6826BD81D3542A419D6\"";
  expected.etag = "9e107d9d372bb6826bd81d3542a419d6";
  CHECK(match_of(meta, expected) == Match::kOurs);
  meta.size = 11;
  CHECK(match_of(meta, expected) == Match::kNotOurs);
}

TEST_CASE("each write has a name of its own") { CHECK(make_write_id() != make_write_id()); }
