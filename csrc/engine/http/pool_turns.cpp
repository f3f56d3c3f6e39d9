// Whose turn it is. A slot that comes free goes to the first in turn on the same loop, whose connections are warm,
// unless somebody on another loop has waited clearly longer.
#include <utility>

#include "engine/http/pool.h"

namespace s3dlio::http {
namespace {

constexpr std::chrono::nanoseconds kUnfairness = std::chrono::milliseconds(50);

}  // namespace

void LoopPool::admit(std::shared_ptr<Guest> guest) {
  guest->arrived = loop_.now();
  guest->place = guests_.size();
  guests_.push_back(guest);
  if (waiting_.empty() && shared_.slots.try_take()) {
    serve(guest);
  } else {
    waiting_.push_back(guest);
    publish_waiting();
    // A slot may have come free between the look and the publishing; whoever freed it did not see us.
    if (shared_.slots.try_take()) hand_on_slot();
  }
  if (!guest->has_left) note_due(guest->due());
}

void LoopPool::leave(Guest& guest) {
  if (guest.has_left) return;
  guest.has_left = true;
  guests_.back()->place = guest.place;
  std::swap(guests_[guest.place], guests_.back());
  guests_.pop_back();  // the caller keeps the guest alive
}

void LoopPool::serve(const std::shared_ptr<Guest>& guest) {
  guest->has_slot = true;
  guest->begin();
  if (!guest->has_left) note_due(guest->due());
}

void LoopPool::hand_on_slot() {
  do {
    if (!shared_.slots.is_over()) {
      if (LoopPool* other = longest_waiting_elsewhere()) {
        other->loop_.post([keep = shared_.shared_from_this(), other] { other->take_slot(); });
        return;
      }
      if (const auto guest = next_waiting()) return serve(guest);
    }
    shared_.slots.give();
    // As in admit(), from the other side: somebody may have begun to wait, or another loop given a slot back,
    // meanwhile.
  } while ((!waiting_.empty() || longest_waiting_elsewhere() != nullptr) && shared_.slots.try_take());
}

void LoopPool::take_slot() {
  if (const auto guest = next_waiting()) return serve(guest);
  hand_on_slot();
}

void LoopPool::wake_waiting() {
  while (!waiting_.empty() && shared_.slots.try_take()) hand_on_slot();
}

std::shared_ptr<Guest> LoopPool::next_waiting() {
  std::shared_ptr<Guest> next;
  while (!waiting_.empty() && !next) {
    next = std::move(waiting_.front());
    waiting_.pop_front();
    if (next->has_left) next = nullptr;  // cancelled or timed out while it waited
  }
  publish_waiting();
  return next;
}

void LoopPool::publish_waiting() {
  waiting_since_.store(waiting_.empty() ? kNobody : waiting_.front()->arrived.time_since_epoch().count());
}

LoopPool* LoopPool::longest_waiting_elsewhere() const {
  const int64_t own = waiting_since_.load();
  int64_t longest = own == kNobody ? kNobody : own - kUnfairness.count();
  LoopPool* found = nullptr;
  for (size_t i = 0; i < shared_.pools_in_use(); ++i) {
    LoopPool& other = shared_.pool_at(i);
    if (&other == this) continue;
    const int64_t since = other.waiting_since_.load();
    if (since < longest) {
      longest = since;
      found = &other;
    }
  }
  return found;
}

}  // namespace s3dlio::http
