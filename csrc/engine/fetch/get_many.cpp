#include "engine/fetch/get_many.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace s3dlio::fetch {
namespace {

constexpr std::string_view kOperation = "get_many_into";

Error error_of(const ObjectStore& store, const FetchItem& item, ErrorCode code, std::string message) {
  Error error = make_error(code, std::move(message));
  error.operation = kOperation;
  error.uri = store.uri_of(item.key);
  return error;
}

std::string text_of(const FetchItem& item) {
  if (item.end > 0) return "[" + std::to_string(item.start) + ", " + std::to_string(item.end) + ")";
  return "[" + std::to_string(item.start) + ", end)";
}

// One call to the store: a whole object, or ranges of one.
using Group = std::vector<size_t>;  // indices of items

class Many : public std::enable_shared_from_this<Many> {
 public:
  Many(std::shared_ptr<ObjectStore> store, std::vector<ReadItem> items, uint32_t window_requests)
      : inner_store_(std::move(store)),
        inner_items_(std::move(items)),
        inner_most_(std::max(1u, window_requests)),
        inner_read_(inner_items_.size(), 0) {
    group();
  }

  Future<std::vector<uint64_t>> run() {
    auto future = inner_promise_.future();
    inner_promise_.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        Error error = make_error(ErrorCode::kCancelled, "cancelled");
        error.operation = kOperation;
        self->fail(std::move(error));
      }
    });
    launch();
    return future;
  }

 private:
  // Ranges of one object go together; an object without a stated end goes alone, so that its checksum can be verified.
  void group() {
    std::unordered_map<std::string_view, size_t> of_key;
    for (size_t i = 0; i < inner_items_.size(); ++i) {
      const FetchItem& item = inner_items_[i].what;
      const auto known = item.end > 0 ? of_key.find(item.key) : of_key.end();
      if (known != of_key.end()) {
        Group& group = inner_groups_[known->second];
        if (inner_items_[group.front()].what.if_match == item.if_match) {
          group.push_back(i);
          continue;
        }
      }
      if (item.end > 0) of_key.emplace(item.key, inner_groups_.size());
      inner_groups_.push_back({i});
    }
  }

  // Starts what there is room for. One thread at a time launches; others leave it to that one.
  void launch() {
    std::unique_lock lock(inner_mutex_);
    if (inner_launching_) return;
    inner_launching_ = true;
    while (!inner_error_ && inner_next_ < inner_groups_.size() && inner_running_.size() < inner_most_) {
      const size_t at = inner_next_++;
      inner_running_.emplace(at, nullptr);
      lock.unlock();
      start(at);
      lock.lock();
    }
    inner_launching_ = false;
    end_if_idle(lock);
  }

  void start(size_t at) {
    const Group& group = inner_groups_[at];
    const ReadItem& first = inner_items_[group.front()];
    GetOptions options;
    options.size_hint = first.what.size;
    options.if_match = first.what.if_match;
    if (group.size() == 1) {
      follow(at, inner_store_->get_into(first.what.key, first.what.start, first.out, std::move(options)));
      return;
    }
    std::vector<RangeInto> ranges;
    for (const size_t i : group) ranges.push_back({inner_items_[i].what.start, inner_items_[i].out});
    follow(at, inner_store_->get_ranges(first.what.key, std::move(ranges), std::move(options)));
  }

  template <class T>
  void follow(size_t at, Future<T> future) {
    bool failed = false;
    {
      std::lock_guard lock(inner_mutex_);
      inner_running_[at] = [future]() mutable { future.cancel(); };
      failed = inner_error_.has_value();
    }
    if (failed) future.cancel();
    future.on_ready([self = shared_from_this(), at, future]() mutable { self->take(at, future.wait()); });
  }

  template <class T>
  void take(size_t at, Result<T> result) {
    std::optional<Error> error = result ? note(at, *result) : std::move(result).error();
    if (error) {
      error->operation = kOperation;
      fail(std::move(*error));
    }
    {
      std::unique_lock lock(inner_mutex_);
      inner_running_.erase(at);
      if (inner_error_ || inner_next_ == inner_groups_.size()) return end_if_idle(lock);
    }
    launch();
  }

  std::optional<Error> note(size_t at, const ReadResult& read) {
    const size_t index = inner_groups_[at].front();
    const auto& [what, out] = inner_items_[index];
    inner_read_[index] = read.bytes_read;
    const uint64_t left = read.object_size - std::min(read.object_size, what.start);
    const bool fits = read.bytes_read == out.size() && (what.end > 0 || left == out.size());
    return fits ? std::nullopt : std::optional(mismatch(index, read.object_size));
  }
  std::optional<Error> note(size_t at, const RangesResult& read) {
    for (size_t i = 0; i < read.bytes_read.size(); ++i) {
      const size_t index = inner_groups_[at][i];
      inner_read_[index] = read.bytes_read[i];
      if (read.bytes_read[i] != inner_items_[index].out.size()) return mismatch(index, read.object_size);
    }
    return std::nullopt;
  }
  Error mismatch(size_t index, uint64_t object_size) const {
    const auto& [what, out] = inner_items_[index];
    return error_of(*inner_store_, what, ErrorCode::kPreconditionFailed,
                    "item " + std::to_string(index) + " is bytes " + text_of(what) + " and has a place of " +
                        std::to_string(out.size()) + " bytes, but the object has " + std::to_string(object_size) +
                        " bytes; was it replaced since it was listed?");
  }

  // The first failure counts; the others are taken back.
  void fail(Error error) {
    std::vector<std::function<void()>> cancels;
    {
      std::lock_guard lock(inner_mutex_);
      if (inner_error_) return;
      inner_error_ = std::move(error);
      for (const auto& [at, cancel] : inner_running_) {
        if (cancel) cancels.push_back(cancel);
      }
    }
    for (const auto& cancel : cancels) cancel();
  }

  void end_if_idle(std::unique_lock<std::mutex>& lock) {
    const bool over = inner_running_.empty() && !inner_launching_ && !inner_told_ &&
                      (inner_error_ || inner_next_ == inner_groups_.size());
    if (!over) return;
    inner_told_ = true;
    Result<std::vector<uint64_t>> result =
        inner_error_ ? Result<std::vector<uint64_t>>(*inner_error_) : Result<std::vector<uint64_t>>(inner_read_);
    lock.unlock();
    inner_promise_.set(std::move(result));
  }

  const std::shared_ptr<ObjectStore> inner_store_;
  const std::vector<ReadItem> inner_items_;
  const size_t inner_most_;
  std::vector<Group> inner_groups_;
  const Promise<std::vector<uint64_t>> inner_promise_;

  std::mutex inner_mutex_;
  std::map<size_t, std::function<void()>> inner_running_;  // groups, and how each is cancelled
  std::vector<uint64_t> inner_read_;                       // each entry written by its own group's end
  size_t inner_next_ = 0;                                  // group to be launched
  bool inner_launching_ = false;
  bool inner_told_ = false;
  std::optional<Error> inner_error_;
};

}  // namespace

Future<std::vector<uint64_t>> get_many_into(std::shared_ptr<ObjectStore> store, std::vector<ReadItem> items,
                                            uint32_t window_requests) {
  for (const auto& [what, out] : items) {
    if (what.end == 0 || (what.end > what.start && what.end - what.start == out.size())) continue;
    return ready_future<std::vector<uint64_t>>(
        error_of(*store, what, ErrorCode::kInvalidArgument,
                 "the range " + text_of(what) + " has a place of " + std::to_string(out.size()) + " bytes"));
  }
  return std::make_shared<Many>(std::move(store), std::move(items), window_requests)->run();
}

}  // namespace s3dlio::fetch
