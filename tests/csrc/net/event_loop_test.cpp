#include "engine/net/event_loop.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "engine/net/fd.h"

namespace s3dlio::net {
namespace {

using namespace std::chrono_literals;

void on_loop(EventLoop& loop, std::function<void()> work) {
  std::promise<void> done;
  loop.post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

TEST_CASE("tasks of one thread run in order, those of many all run") {
  auto loop = make_event_loop();
  std::vector<std::vector<int>> seen(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < seen.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) loop->post([&seen, t, i] { seen[t].push_back(i); });
    });
  }
  for (auto& thread : threads) thread.join();
  on_loop(*loop, [] {});
  for (const auto& one : seen) {
    REQUIRE(one.size() == 5000);
    CHECK(std::is_sorted(one.begin(), one.end()));
  }
}

TEST_CASE("a task posted from the loop runs later, not inside post") {
  auto loop = make_event_loop();
  std::promise<bool> nested;
  loop->post([&] {
    CHECK(loop->on_loop_thread());
    auto inside = std::make_shared<bool>(true);
    loop->post([&, inside] { nested.set_value(*inside); });
    *inside = false;
  });
  CHECK(nested.get_future().get() == false);
  CHECK(!loop->on_loop_thread());
}

TEST_CASE("posted tasks are run before the loop ends") {
  std::atomic<int> ran{0};
  {
    auto loop = make_event_loop();
    for (int i = 0; i < 100; ++i) loop->post([&] { ++ran; });
  }
  CHECK(ran == 100);
}

TEST_CASE("timers run in time order, once, unless cancelled") {
  auto loop = make_event_loop();
  std::vector<int> order;
  std::promise<void> done;
  on_loop(*loop, [&] {
    loop->call_after(30ms, [&] { order.push_back(3); });
    loop->call_after(10ms, [&] { order.push_back(1); });
    const TimerId cancelled = loop->call_after(15ms, [&] { order.push_back(99); });
    loop->call_after(20ms, [&] { order.push_back(2); });
    loop->call_after(60ms, [&] { done.set_value(); });
    CHECK(cancelled != 0);
    loop->cancel_timer(cancelled);
    loop->cancel_timer(cancelled);
    loop->cancel_timer(0);
  });
  done.get_future().wait();
  CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("a timer that sets itself anew does not starve the loop") {
  auto loop = make_event_loop();
  std::atomic<bool> stop{false};
  std::function<void()> again = [&] {
    if (!stop) loop->call_after(0ms, again);
  };
  on_loop(*loop, again);
  on_loop(*loop, [] {});
  stop = true;
  on_loop(*loop, [] {});
}

TEST_CASE("many cancelled timers leave the others intact") {
  auto loop = make_event_loop();
  std::promise<void> done;
  on_loop(*loop, [&] {
    loop->call_after(20ms, [&] { done.set_value(); });
    for (int i = 0; i < 10'000; ++i) loop->cancel_timer(loop->call_after(1h, [] {}));
  });
  CHECK(done.get_future().wait_for(5s) == std::future_status::ready);
}

struct Reader : FdHandler {
  std::function<void(uint32_t)> act;
  void on_fd_ready(uint32_t events) override { act(events); }
};

TEST_CASE("a descriptor's owner hears of input; not after unwatch, even within one wake-up") {
  auto loop = make_event_loop();
  std::array<std::array<int, 2>, 2> pairs{};
  for (auto& pair : pairs) REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) == 0);
  std::array<Reader, 2> readers;
  int calls = 0;
  for (auto& reader : readers) {
    reader.act = [&](uint32_t events) {
      CHECK((events & EPOLLIN) != 0);
      ++calls;
      for (const auto& pair : pairs) loop->unwatch(pair[0]);
    };
  }
  on_loop(*loop, [&] {  // both become ready while the loop is busy, so one wake-up tells of both
    for (size_t i = 0; i < 2; ++i) CHECK(loop->watch(pairs[i][0], EPOLLIN, &readers[i]));
    for (const auto& pair : pairs) CHECK(::write(pair[1], "x", 1) == 1);
  });
  std::this_thread::sleep_for(20ms);
  on_loop(*loop, [&] { CHECK(calls == 1); });
  for (const auto& pair : pairs) {
    ::close(pair[0]);
    ::close(pair[1]);
  }
}

TEST_CASE("watching what cannot be watched says so") {
  auto loop = make_event_loop();
  Reader reader;
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  on_loop(*loop, [&] { CHECK(!loop->watch(file, EPOLLIN, &reader)); });
  ::close(file);
}

TEST_CASE("blocking work runs elsewhere, several at a time") {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  for (int i = 0; i < 40; ++i) {
    REQUIRE(run_blocking([&, released] {
      ++begun;
      released.wait();
      ++ended;
    }));
  }
  for (int i = 0; i < 1000 && begun < 8; ++i) std::this_thread::sleep_for(5ms);
  CHECK(begun >= 8);
  release.set_value();
  for (int i = 0; i < 2000 && ended < 40; ++i) std::this_thread::sleep_for(5ms);
  CHECK(ended == 40);
}

// Runs `body` in a forked child; true when it gave true. The child ends without destructors or leak checks.
bool holds_in_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(body() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool runs_a_task(EventLoop& loop) {
  auto done = std::make_shared<std::promise<void>>();
  loop.post([done] { done->set_value(); });
  return done->get_future().wait_for(10s) == std::future_status::ready;
}

// The thread sanitizer does not support threads started in a forked child.
#ifndef __SANITIZE_THREAD__
TEST_CASE("a forked child starts loops and helpers of its own; the parent's go on") {
  CHECK(runs_a_task(LoopGroup::instance().next()));
  LoopGroup* parents = &LoopGroup::instance();
  CHECK(holds_in_child([&] {
    if (&LoopGroup::instance() == parents || !runs_a_task(LoopGroup::instance().next())) return false;
    auto done = std::make_shared<std::promise<void>>();
    if (!run_blocking([done] { done->set_value(); })) return false;
    return done->get_future().wait_for(10s) == std::future_status::ready;
  }));
  CHECK(&LoopGroup::instance() == parents);
  CHECK(runs_a_task(LoopGroup::instance().next()));
}

TEST_CASE("G42: where the system gives no thread, loops and helpers say so; as soon as it does, they start") {
  CHECK(holds_in_child([] {
    // Root is exempt from the limit.
    if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return false;
    rlimit before{};
    if (::getrlimit(RLIMIT_NPROC, &before) != 0) return false;
    const rlimit none{0, before.rlim_max};
    if (::setrlimit(RLIMIT_NPROC, &none) != 0) return false;
    auto refused = LoopGroup::instance().start();
    if (refused.ok() || refused.error().code != ErrorCode::kIo) return false;
    if (run_blocking([] {})) return false;
    if (::setrlimit(RLIMIT_NPROC, &before) != 0) return false;
    return LoopGroup::instance().start().ok() && runs_a_task(LoopGroup::instance().next()) && run_blocking([] {});
  }));
}
#endif

TEST_CASE("a forked child closes the engine's descriptors and never those that took their numbers") {
  std::array<int, 2> pair{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
  auto fd = std::make_unique<Fd>(pair[0]);
  CHECK(holds_in_child([&] {
    if (::fcntl(pair[0], F_GETFD) != -1) return false;
    if (::dup2(::open("/dev/null", O_RDONLY), pair[0]) != pair[0]) return false;
    fd = nullptr;
    return ::fcntl(pair[0], F_GETFD) != -1;
  }));
  CHECK(::fcntl(pair[0], F_GETFD) != -1);
  ::close(pair[1]);
}

TEST_CASE("a loop of the parent's is left alone in the child") {
  auto loop = make_event_loop();
  CHECK(holds_in_child([&] {
    // Files of the child's under the numbers that were the loop's.
    std::array<int, 64> files{};
    for (int& fd : files) fd = ::memfd_create("s3dlio-test", MFD_CLOEXEC);
    loop = nullptr;
    return std::all_of(files.begin(), files.end(), [](int fd) {
      struct stat status{};
      return ::fstat(fd, &status) == 0 && status.st_size == 0;
    });
  }));
  CHECK(runs_a_task(*loop));
}

}  // namespace
}  // namespace s3dlio::net
