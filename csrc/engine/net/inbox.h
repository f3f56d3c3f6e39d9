// Tasks handed to a loop from other threads: many producers, one consumer, no lock.
#pragma once

#include <atomic>
#include <functional>
#include <utility>

namespace s3dlio::net {

class Inbox {
 public:
  Inbox() = default;
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox() { free_all(take_newest_first()); }

  // True when the inbox was empty: the consumer must be woken.
  bool push(std::function<void()> task) {
    Node* before = newest_.load(std::memory_order_relaxed);
    Node* node = new Node{std::move(task), before};
    while (!newest_.compare_exchange_weak(before, node, std::memory_order_release, std::memory_order_relaxed)) {
      node->older = before;
    }
    return before == nullptr;  // from here on the node is the consumer's, who may have freed it already
  }

  // Runs what was pushed before the call, oldest first; gives the number of tasks.
  size_t run_all() {
    Node* oldest = nullptr;
    for (Node* node = take_newest_first(); node != nullptr;) {
      Node* older = std::exchange(node->older, oldest);
      oldest = std::exchange(node, older);
    }
    size_t count = 0;
    while (oldest != nullptr) {
      Node* node = std::exchange(oldest, oldest->older);
      node->task();
      delete node;
      ++count;
    }
    return count;
  }

 private:
  struct Node {
    std::function<void()> task;
    Node* older = nullptr;
  };

  Node* take_newest_first() { return newest_.exchange(nullptr, std::memory_order_acquire); }
  static void free_all(Node* node) {
    while (node != nullptr) delete std::exchange(node, node->older);
  }

  std::atomic<Node*> newest_{nullptr};
};

}  // namespace s3dlio::net
