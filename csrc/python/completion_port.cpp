#include "completion_port.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

namespace s3dlio::python {

struct CompletionPort::Queue {
  explicit Queue(int event_fd) : fd(event_fd) {}
  ~Queue() {
    if (fd >= 0) close(fd);
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  void push(uint64_t token) {
    std::lock_guard lock(mutex);
    tokens.push_back(token);
    if (tokens.size() > 1) return;  // the taker is awake already
    arrived.notify_one();
    if (fd < 0) return;
    const uint64_t one = 1;
    // Fails only if the counter is full, which wakes the reader just as well.
    [[maybe_unused]] const auto written = write(fd, &one, sizeof one);
  }
  std::vector<uint64_t> drain() {  // mutex held
    if (fd >= 0 && !tokens.empty()) {
      uint64_t counter = 0;
      [[maybe_unused]] const auto got = read(fd, &counter, sizeof counter);
    }
    return std::exchange(tokens, {});
  }

  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<uint64_t> tokens;
  const int fd;
};

CompletionPort::CompletionPort(bool with_fd) {
  const int fd = with_fd ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
  if (with_fd && fd < 0) {
    PyErr_SetFromErrno(PyExc_OSError);
    throw nb::python_error();
  }
  inner_queue_ = std::make_shared<Queue>(fd);
}

int CompletionPort::fileno() const { return inner_queue_->fd; }

void CompletionPort::add(Pending& pending, uint64_t token) {
  pending.on_ready([queue = inner_queue_, token] { queue->push(token); });
}

std::vector<uint64_t> CompletionPort::take() {
  std::lock_guard lock(inner_queue_->mutex);
  return inner_queue_->drain();
}

std::vector<uint64_t> CompletionPort::wait() {
  const auto queue = inner_queue_;
  for (;;) {
    std::vector<uint64_t> tokens;
    {
      const Unlocked unlocked;
      std::unique_lock lock(queue->mutex);
      queue->arrived.wait_for(lock, kWaitSlice, [&] { return !queue->tokens.empty(); });
      tokens = queue->drain();
    }
    if (!tokens.empty()) return tokens;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
}

}  // namespace s3dlio::python
