#include "engine/net/event_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "engine/net/fd.h"
#include "engine/net/inbox.h"
#include "engine/net/timer_heap.h"
#include "engine/process/fork.h"
#include "engine/process/thread.h"

namespace s3dlio::net {
namespace {

constexpr uint64_t kWakeMark = ~uint64_t{0};
constexpr int kLastRounds = 64;  // tasks that post tasks get this many turns after stop

thread_local const EventLoop* current_loop = nullptr;

int checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return fd;
}

class EpollLoop final : public EventLoop {
 public:
  EpollLoop()
      : epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
        wake_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
        generation_(fork_generation()) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;  // edge-triggered: its counter never needs reading
    event.data.u64 = kWakeMark;
    checked(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event), "epoll_ctl");
    thread_ = std::make_unique<std::thread>(start_thread("s3dlio-loop", [this] { run(); }));
  }

  ~EpollLoop() override {
    if (generation_ != fork_generation()) {  // the thread stayed in the parent: nothing to join
      static_cast<void>(thread_.release());  // NOLINT(bugprone-unused-return-value)
      return;
    }
    stop_.store(true, std::memory_order_release);
    wake();
    thread_->join();
    // A task may have let its poster's waiter go on, and destroy us, before the poster itself was through.
    while (posting_.load(std::memory_order_acquire) > 0) std::this_thread::yield();
  }

  void post(std::function<void()> task) override {
    if (on_loop_thread()) {
      local_.push_back(std::move(task));
      return;
    }
    posting_.fetch_add(1, std::memory_order_relaxed);
    if (inbox_.push(std::move(task))) wake();
    posting_.fetch_sub(1, std::memory_order_release);
  }
  bool on_loop_thread() const override { return current_loop == this; }
  Clock::time_point now() const override { return now_; }
  TimerId call_after(Clock::duration delay, std::function<void()> task) override {
    return timers_.add(Clock::now() + delay, std::move(task));
  }
  void cancel_timer(TimerId id) override { timers_.cancel(id); }

  bool watch(int fd, uint32_t events, FdHandler* handler) override {
    const auto index = static_cast<size_t>(fd);
    if (index >= watched_.size()) watched_.resize(index + 1);
    watched_[index] = {handler, ++last_serial_};
    return control(EPOLL_CTL_ADD, fd, events);
  }
  void rewatch(int fd, uint32_t events, FdHandler* handler) override {
    watched_[static_cast<size_t>(fd)].handler = handler;
    control(EPOLL_CTL_MOD, fd, events);
  }
  void unwatch(int fd) override {
    const auto index = static_cast<size_t>(fd);
    if (index >= watched_.size() || watched_[index].handler == nullptr) return;
    watched_[index] = {};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }

 private:
  struct Watched {
    FdHandler* handler = nullptr;
    uint32_t serial = 0;  // tells a late event for a number that was closed and reused from one for its new owner
  };

  bool control(int operation, int fd, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = (uint64_t{watched_[static_cast<size_t>(fd)].serial} << 32) | static_cast<uint32_t>(fd);
    if (::epoll_ctl(epoll_.get(), operation, fd, &event) == 0) return true;
    watched_[static_cast<size_t>(fd)] = {};
    return false;
  }

  void wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);  // full means already awake
  }

  void run() {
    current_loop = this;
    now_ = Clock::now();
    std::array<epoll_event, 128> events;
    while (!stop_.load(std::memory_order_acquire)) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_milliseconds());
      now_ = Clock::now();
      for (int i = 0; i < count; ++i) dispatch(events[static_cast<size_t>(i)]);
      timers_.run_due(now_);
      run_tasks();
    }
    for (int round = 0; round < kLastRounds && run_tasks() > 0; ++round) {
    }
    current_loop = nullptr;
  }

  void dispatch(const epoll_event& event) {
    if (event.data.u64 == kWakeMark) return;
    const auto fd = static_cast<uint32_t>(event.data.u64);
    const Watched watched = watched_[fd];
    if (watched.handler == nullptr || watched.serial != static_cast<uint32_t>(event.data.u64 >> 32)) return;
    watched.handler->on_fd_ready(event.events);
  }

  size_t run_tasks() {
    std::vector<std::function<void()>> tasks;
    tasks.swap(local_);
    for (auto& task : tasks) task();
    return tasks.size() + inbox_.run_all();
  }

  int wait_milliseconds() {
    if (!local_.empty()) return 0;
    const auto next = timers_.next();
    if (!next) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now()).count();
    return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
  }

  Fd epoll_;
  Fd wake_;
  const uint64_t generation_;
  std::atomic<bool> stop_{false};
  std::atomic<int> posting_{0};
  Inbox inbox_;
  // Below: the loop's thread only.
  std::vector<std::function<void()>> local_;
  TimerHeap timers_;
  std::vector<Watched> watched_;  // by descriptor
  uint32_t last_serial_ = 0;
  Clock::time_point now_;
  std::unique_ptr<std::thread> thread_;  // last: it runs from here on
};

}  // namespace

std::unique_ptr<EventLoop> make_event_loop() { return std::make_unique<EpollLoop>(); }

}  // namespace s3dlio::net
