#include "engine/stats/stats.h"

#include <doctest/doctest.h>

#include <set>
#include <thread>

using namespace s3dlio;

namespace {
uint64_t value_of(const std::string& name) {
  for (const auto& [key, value] : counters_snapshot()) {
    if (key == name) return value;
  }
  FAIL("no counter named " << name);
  return 0;
}
}  // namespace

TEST_CASE("a snapshot names every counter once, in declaration order") {
  const auto snapshot = counters_snapshot();
  std::set<std::string> names;
  for (const auto& entry : snapshot) names.insert(entry.first);
  CHECK(names.size() == snapshot.size());
  CHECK(snapshot.size() == sizeof(Counters) / sizeof(std::atomic<uint64_t>));
  CHECK(snapshot.front().first == "requests");
  CHECK(snapshot.back().first == "cancelled");
}

TEST_CASE("counts from several threads add up, and reset clears all") {
  counters_reset();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int k = 0; k < 10000; ++k) count(counters().bytes_received, 3);
      });
    }
  }
  CHECK(value_of("bytes_received") == 120000);
  CHECK(value_of("requests") == 0);
  count(counters().requests);
  CHECK(value_of("requests") == 1);
  counters_reset();
  for (const auto& entry : counters_snapshot()) CHECK_MESSAGE(entry.second == 0, entry.first);
}
