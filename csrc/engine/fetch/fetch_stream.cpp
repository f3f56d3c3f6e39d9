#include "engine/fetch/fetch_stream.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "engine/process/thread.h"

namespace s3dlio::fetch {
namespace {

// Counted for an item whose size nobody knows beforehand.
constexpr uint64_t kUnknownSize = 8 << 20;
// How long a consumer waits for a batch when one object is there already.
constexpr std::chrono::microseconds kLinger(300);

// More than any machine has; what callers say beyond it must not make the sum of the shares wrap round.
constexpr uint64_t kMostShare = uint64_t{1} << 48;
constexpr uint64_t kMostWindow = uint64_t{1} << 62;

uint64_t window_share(const FetchItem& item) {
  if (item.end > item.start) return std::min(item.end - item.start, kMostShare);
  return item.size ? std::min(*item.size - std::min(*item.size, item.start), kMostShare) : kUnknownSize;
}

// Shared by the consumer's handle and by what runs; the handle's destructor waits until nothing runs.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(std::shared_ptr<ObjectStore> store, FetchOptions options)
      : inner_store_(std::move(store)), inner_options_(options) {
    inner_options_.window_requests = std::max(1u, inner_options_.window_requests);
    inner_options_.window_bytes = std::min(inner_options_.window_bytes, kMostWindow);
  }

  void push(std::vector<FetchItem> items) {
    {
      std::lock_guard lock(inner_mutex_);
      if (inner_finished_ || inner_cancelled_) return;
      inner_pushed_ += items.size();
      std::move(items.begin(), items.end(), std::back_inserter(inner_waiting_));
    }
    launch();
  }

  void finish() {
    std::lock_guard lock(inner_mutex_);
    inner_finished_ = true;
    inner_arrived_.notify_all();
  }

  std::optional<std::vector<Fetched>> next(size_t max_count, std::chrono::nanoseconds timeout) {
    max_count = std::max<size_t>(1, max_count);
    std::vector<Fetched> taken;
    {
      std::unique_lock lock(inner_mutex_);
      if (!wait_locked(lock, max_count, timeout)) return std::nullopt;
      take_locked(max_count, taken);
    }
    launch();
    return taken;
  }

  void cancel() {
    std::vector<Future<FetchedObject>> running;
    {
      std::lock_guard lock(inner_mutex_);
      inner_cancelled_ = true;
      for (auto& [index, fetch] : inner_running_) running.push_back(fetch.future);
      inner_arrived_.notify_all();
    }
    for (auto& future : running) future.cancel();
  }

  void wait_until_idle() {
    std::unique_lock lock(inner_mutex_);
    inner_arrived_.wait(lock, [this] { return inner_running_.empty() && !inner_launching_; });
  }

  // Starts what the window has room for. One thread at a time launches; others leave it to that one.
  void launch() {
    std::unique_lock lock(inner_mutex_);
    if (inner_launching_) return;
    inner_launching_ = true;
    std::vector<FetchItem> items;  // the next, from `first` on
    uint64_t first = 0;
    while (reserve_locked(items, first)) {
      lock.unlock();
      std::vector<Fetch> started;
      for (FetchItem& item : items) {
        const uint64_t share = window_share(item);
        started.push_back({start(std::move(item)), share});
      }
      lock.lock();
      for (size_t i = 0; i < started.size(); ++i) inner_running_.emplace(first + i, started[i]);
      const bool cancelled = inner_cancelled_;
      lock.unlock();
      for (size_t i = 0; i < started.size(); ++i) {
        started[i].future.on_ready([self = shared_from_this(), at = first + i, result = started[i].future]() mutable {
          self->arrived(at, result.wait());
        });
        if (cancelled) started[i].future.cancel();
      }
      lock.lock();
    }
    inner_launching_ = false;
    if (inner_running_.empty()) inner_arrived_.notify_all();
  }

 private:
  struct Fetch {
    Future<FetchedObject> future;
    uint64_t share;  // of the window
  };

  // A call that cannot begin, for want of a thread, is a call that failed: the stream goes on with the others.
  Future<FetchedObject> start(FetchItem item) {
    try {
      return begin(std::move(item));
    } catch (const std::system_error& error) {
      return ready_future<FetchedObject>(refused_by_system(error, "prefetch", inner_store_->uri_of("")));
    }
  }
  Future<FetchedObject> begin(FetchItem item) {
    GetOptions options;
    options.size_hint = item.size;
    options.if_match = std::move(item.if_match);
    if (item.end == 0 && item.start == 0) return inner_store_->get(std::move(item.key), std::move(options));
    return inner_store_->get_range(std::move(item.key), item.start,
                                   item.end == 0 ? std::nullopt : std::optional(item.end), std::move(options));
  }

  void arrived(uint64_t index, Result<FetchedObject> result) {
    bool more = false;
    {
      std::lock_guard lock(inner_mutex_);
      const uint64_t share = inner_running_.extract(index).mapped().share;
      if (!inner_cancelled_) {
        // The true size takes the place of the guess.
        const uint64_t held = result ? result->data.size() : 0;
        inner_held_bytes_ = inner_held_bytes_ - share + held;
        inner_done_.emplace(index, Fetched{index, std::move(result)});
        if (!inner_options_.in_order) inner_completed_.push_back(index);
        while (inner_options_.in_order && inner_done_.contains(inner_taken_ + inner_in_a_row_)) ++inner_in_a_row_;
      }
      const bool wakes = inner_wake_at_ > 0 && (available_locked() >= inner_wake_at_ || over_locked());
      if (wakes || (inner_running_.empty() && !inner_launching_)) inner_arrived_.notify_all();
      more = !inner_cancelled_ && !inner_waiting_.empty() && has_room_locked();
    }
    if (more) launch();
  }

  bool has_room_locked() const {
    if (inner_held_requests_ == 0) return true;
    return inner_held_requests_ < inner_options_.window_requests &&
           inner_held_bytes_ + window_share(inner_waiting_.front()) <= inner_options_.window_bytes;
  }
  // Takes places for the next items, which begin with number `first`; false: there is nothing to start.
  bool reserve_locked(std::vector<FetchItem>& items, uint64_t& first) {
    items.clear();
    first = inner_next_;
    while (!inner_cancelled_ && !inner_waiting_.empty() && has_room_locked()) {
      inner_held_bytes_ += window_share(inner_waiting_.front());
      ++inner_held_requests_;
      ++inner_next_;
      items.push_back(std::move(inner_waiting_.front()));
      inner_waiting_.pop_front();
    }
    return !items.empty();
  }

  bool over_locked() const { return inner_cancelled_ || (inner_finished_ && inner_taken_ == inner_pushed_); }
  size_t available_locked() const {
    if (inner_cancelled_) return 0;
    return inner_options_.in_order ? inner_in_a_row_ : inner_completed_.size();
  }

  // False: nothing came in time.
  bool wait_locked(std::unique_lock<std::mutex>& lock, size_t max_count, std::chrono::nanoseconds timeout) {
    if (available_locked() > 0 || over_locked()) return true;
    // Waking for each object costs more than fetching it: where objects come quickly, wait for some at once.
    const size_t some =
        std::min<size_t>({max_count, std::max(1u, inner_options_.window_requests / 8), inner_pushed_ - inner_taken_});
    const auto linger = std::min<std::chrono::nanoseconds>(timeout, kLinger);
    if (some > 1 && wait_for_locked(lock, some, linger)) return true;
    if (available_locked() > 0) return true;
    return wait_for_locked(lock, 1, timeout - (some > 1 ? linger : std::chrono::nanoseconds(0)));
  }

  bool wait_for_locked(std::unique_lock<std::mutex>& lock, size_t count, std::chrono::nanoseconds timeout) {
    inner_wake_at_ = count;
    const auto there = [&] { return available_locked() >= count || over_locked(); };
    // wait_for would overflow on the longest time-outs.
    const bool found = timeout > std::chrono::hours(24 * 365) ? (inner_arrived_.wait(lock, there), true)
                                                              : inner_arrived_.wait_for(lock, timeout, there);
    inner_wake_at_ = 0;
    return found;
  }

  void take_locked(size_t max_count, std::vector<Fetched>& taken) {
    while (taken.size() < max_count && available_locked() > 0) {
      uint64_t index = inner_taken_;
      if (inner_options_.in_order) {
        --inner_in_a_row_;
      } else {
        index = inner_completed_.front();
        inner_completed_.pop_front();
      }
      auto node = inner_done_.extract(index);
      inner_held_bytes_ -= node.mapped().object ? node.mapped().object->data.size() : 0;
      --inner_held_requests_;
      ++inner_taken_;
      taken.push_back(std::move(node.mapped()));
    }
  }

  const std::shared_ptr<ObjectStore> inner_store_;
  FetchOptions inner_options_;

  std::mutex inner_mutex_;
  std::condition_variable inner_arrived_;
  std::deque<FetchItem> inner_waiting_;  // pushed and not launched
  std::map<uint64_t, Fetch> inner_running_;
  std::map<uint64_t, Fetched> inner_done_;  // arrived and not yet taken
  std::deque<uint64_t> inner_completed_;    // their order, when any order will do
  uint64_t inner_pushed_ = 0;
  uint64_t inner_next_ = 0;        // to be launched
  uint64_t inner_taken_ = 0;       // how many were handed over
  uint64_t inner_held_bytes_ = 0;  // running, or waiting to be taken
  uint32_t inner_held_requests_ = 0;
  bool inner_finished_ = false;  // nothing will be pushed any more
  bool inner_launching_ = false;
  size_t inner_in_a_row_ = 0;  // in order: how many are there from inner_taken_ on
  size_t inner_wake_at_ = 0;   // the consumer waits for so many; 0: it does not wait
  bool inner_cancelled_ = false;
};

class StreamHandle final : public FetchStream {
 public:
  explicit StreamHandle(std::shared_ptr<Stream> stream) : inner_stream_(std::move(stream)) {}
  ~StreamHandle() override {
    inner_stream_->cancel();
    inner_stream_->wait_until_idle();
  }
  void push(std::vector<FetchItem> items) override { inner_stream_->push(std::move(items)); }
  void finish() override { inner_stream_->finish(); }
  std::optional<std::vector<Fetched>> next(size_t max_count, std::chrono::nanoseconds timeout) override {
    return inner_stream_->next(max_count, timeout);
  }
  void cancel() override { inner_stream_->cancel(); }

 private:
  std::shared_ptr<Stream> inner_stream_;
};

}  // namespace

std::unique_ptr<FetchStream> open_fetch_stream(std::shared_ptr<ObjectStore> store, FetchOptions options) {
  return std::make_unique<StreamHandle>(std::make_shared<Stream>(std::move(store), options));
}

std::unique_ptr<FetchStream> open_fetch_stream(std::shared_ptr<ObjectStore> store, std::vector<FetchItem> items,
                                               FetchOptions options) {
  auto stream = open_fetch_stream(std::move(store), options);
  stream->push(std::move(items));
  stream->finish();
  return stream;
}

}  // namespace s3dlio::fetch
