#include "engine/process/thread_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

using namespace s3dlio;

namespace {

// Leaked as the engine's own are: its threads outlive the test.
ThreadPool& fresh_pool() { return *new ThreadPool("test-pool"); }

}  // namespace

TEST_CASE("no more threads than asked for, and the rest waits its turn") {
  ThreadPool& pool = fresh_pool();
  std::promise<void> open;
  const std::shared_future<void> gate = open.get_future().share();
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::vector<std::future<void>> ended;
  for (int i = 0; i < 10; ++i) {
    auto done = std::make_shared<std::promise<void>>();
    ended.push_back(done->get_future());
    REQUIRE(pool.run(
        [&, gate, done] {
          gate.wait();
          {
            const std::lock_guard lock(mutex);
            threads.insert(std::this_thread::get_id());
          }
          done->set_value();
        },
        3));
  }
  open.set_value();
  for (auto& one : ended) one.wait();
  CHECK(threads.size() <= 3);
  CHECK(threads.size() >= 1);
}

TEST_CASE("a second piece of work does not wait for one that blocks") {
  ThreadPool& pool = fresh_pool();
  std::promise<void> open, second;
  REQUIRE(pool.run([gate = open.get_future().share()] { gate.wait(); }, 2));
  REQUIRE(pool.run([&] { second.set_value(); }, 2));
  CHECK(second.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  open.set_value();
}

TEST_CASE("one thread does its work in order, and lets go of what it held") {
  ThreadPool& pool = fresh_pool();
  std::vector<int> order;
  const auto held = std::make_shared<int>(0);
  for (int i = 0; i < 100; ++i) REQUIRE(pool.run([&order, held, i] { order.push_back(i); }, 1));
  std::promise<void> end;
  REQUIRE(pool.run([&] { end.set_value(); }, 1));
  end.get_future().wait();
  REQUIRE(order.size() == 100);
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(held.use_count() == 1);
}
