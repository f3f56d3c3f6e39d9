// A value that many threads read and few replace, without a lock: nothing here can be left locked by a fork.
// A replaced value is destroyed once no reader is inside; in a forked child it may stay for ever, which is small.
#pragma once

#include <atomic>
#include <utility>

namespace s3dlio {

template <class T>
class Published {
 public:
  constexpr Published() = default;
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  // Calls `use(const T&)` with the value of this moment, if there is one. `use` may itself read or publish.
  template <class Use>
  void read(Use use) {
    const Inside inside(inner_readers_);
    if (const Node* node = inner_current_.load(std::memory_order_seq_cst)) use(node->value);
  }
  void publish(T value) { replace(new Node{std::move(value), nullptr}); }
  void clear() { replace(nullptr); }
  // Publishes change(current or nullptr) until no one else came between; for values that grow.
  template <class Change>
  void update(Change change) {
    Node* old = nullptr;
    {
      const Inside inside(inner_readers_);  // keeps the value `change` looks at alive
      Node* fresh = nullptr;
      do {
        delete fresh;
        old = inner_current_.load(std::memory_order_seq_cst);
        fresh = new Node{change(old ? &old->value : nullptr), nullptr};
      } while (!inner_current_.compare_exchange_strong(old, fresh, std::memory_order_seq_cst));
    }
    retire(old);
  }

 private:
  struct Node {
    T value;
    Node* next;
  };
  struct Inside {
    explicit Inside(std::atomic<int>& readers) : inner_readers_(readers) {
      inner_readers_.fetch_add(1, std::memory_order_seq_cst);
    }
    ~Inside() { inner_readers_.fetch_sub(1, std::memory_order_seq_cst); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    std::atomic<int>& inner_readers_;
  };

  void replace(Node* fresh) { retire(inner_current_.exchange(fresh, std::memory_order_seq_cst)); }

  void retire(Node* old) {
    if (old) push_retired(old, old);
    // Taken before readers are counted: who is counted later can no longer reach what was taken.
    Node* taken = inner_retired_.exchange(nullptr, std::memory_order_seq_cst);
    if (!taken) return;
    if (inner_readers_.load(std::memory_order_seq_cst) == 0) {
      while (taken) delete std::exchange(taken, taken->next);
      return;
    }
    Node* last = taken;
    while (last->next) last = last->next;
    push_retired(taken, last);
  }
  void push_retired(Node* first, Node* last) {
    last->next = inner_retired_.load(std::memory_order_seq_cst);
    while (!inner_retired_.compare_exchange_weak(last->next, first, std::memory_order_seq_cst)) {
    }
  }

  std::atomic<Node*> inner_current_{nullptr};
  std::atomic<Node*> inner_retired_{nullptr};
  std::atomic<int> inner_readers_{0};
};

}  // namespace s3dlio
