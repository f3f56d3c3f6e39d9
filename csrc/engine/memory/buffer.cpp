// The pool: mappings are cut into equal blocks of one size class; a freed block waits in its class, warm (its pages are
// there) or cold (they were given back). One mutex a class, held for a few pointer moves; system calls happen outside.
#include "engine/memory/buffer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "engine/memory/mapping.h"
#include "engine/memory/poison.h"
#include "engine/memory/size_class.h"
#include "engine/process/fork.h"
#include "engine/stats/stats.h"

namespace s3dlio {
namespace {

using memory::kMaxClassSize;

constexpr uint64_t kMaxCapBytes = uint64_t{4} << 30;
// No machine has this much; a length that wrapped around or was read from a broken header does.
constexpr size_t kAbsurdSize = size_t{1} << 46;
// From here to 2 MiB a mapping holds eight blocks: fewer would leave much of its last huge page unused.
constexpr size_t kWideSlabFrom = size_t{256} << 10;

struct Block;

struct Slab {  // one mapping
  std::byte* start = nullptr;
  size_t size = 0;
  std::vector<Block> blocks;
  size_t handed_out = 0;
};

struct Block {
  std::byte* data = nullptr;
  size_t capacity = 0;
  Slab* slab = nullptr;
  Block* next = nullptr;
  Block* previous = nullptr;
  bool warm = false;
};

class BlockList {  // last in, first out: the warmest block is used next
 public:
  bool empty() const { return !inner_first_; }
  Block* first() const { return inner_first_; }
  void push(Block* block) {
    block->previous = nullptr;
    block->next = inner_first_;
    if (inner_first_) inner_first_->previous = block;
    inner_first_ = block;
  }
  void remove(Block* block) {
    (block->previous ? block->previous->next : inner_first_) = block->next;
    if (block->next) block->next->previous = block->previous;
  }
  Block* pop() {
    Block* block = inner_first_;
    if (block) remove(block);
    return block;
  }

 private:
  Block* inner_first_ = nullptr;
};

struct alignas(64) SizeClass {
  std::mutex mutex;
  BlockList warm, cold;
};

Slab* map_slab(size_t block_size, size_t block_count) {
  const size_t size = std::max(block_size * block_count, std::min(memory::kHugePage, block_size * 512));
  std::byte* start = memory::map_pages(size);
  if (!start) return nullptr;
  auto* slab = new Slab{start, size, std::vector<Block>(block_count), 0};
  for (size_t i = 0; i < block_count; ++i) {
    slab->blocks[i].data = start + i * block_size;
    slab->blocks[i].capacity = block_size;
    slab->blocks[i].slab = slab;
  }
  memory::poison(start, size);
  return slab;
}

void unmap_slabs(const std::vector<Slab*>& slabs) {
  for (Slab* slab : slabs) {
    memory::unpoison(slab->start, slab->size);
    memory::unmap_pages(slab->start, slab->size);
    delete slab;
  }
}

size_t blocks_in_slab(size_t block_size) {
  if (block_size >= memory::kHugePage) return 1;
  return block_size >= kWideSlabFrom ? 8 : memory::kHugePage / block_size;
}

class Pool {
 public:
  Pool(uint64_t generation, Pool* before)
      : inner_generation_(generation),
        inner_cap_(before ? before->inner_cap_.load(std::memory_order_relaxed)
                          : std::min(memory::memory_limit_bytes() / 4, kMaxCapBytes)),
        inner_before_(before) {}

  uint64_t generation() const { return inner_generation_; }

  // nullptr: the system has no memory.
  Block* take(size_t size) {
    Block* block = size <= kMaxClassSize ? take_classed(memory::class_index(size)) : take_large(size);
    if (block) inner_in_use_.fetch_add(block->capacity, std::memory_order_relaxed);
    return block;
  }

  void give(Block* block) noexcept {
    memory::poison(block->data, block->capacity);
    const uint64_t in_use = inner_in_use_.fetch_sub(block->capacity, std::memory_order_relaxed);
    const bool keep =
        in_use + inner_idle_.load(std::memory_order_relaxed) <= inner_cap_.load(std::memory_order_relaxed);
    if (block->capacity > kMaxClassSize) {
      give_large(block, keep);
    } else {
      give_classed(block, keep);
    }
  }

  // Gives idle blocks back to the system, the largest first, until at most `keep_bytes` of them are left.
  void shrink_to(uint64_t keep_bytes) {
    std::vector<Slab*> unused;
    shrink_large(keep_bytes, unused);
    for (size_t i = memory::kClassCount; i-- > 0 && inner_idle_.load(std::memory_order_relaxed) > keep_bytes;) {
      shrink_class(inner_classes_[i], keep_bytes, unused);
    }
    unmap_slabs(unused);
  }

  void set_cap(uint64_t cap) {
    inner_cap_.store(cap, std::memory_order_relaxed);
    make_room(0);
  }

  BufferPoolUsage usage() const {
    return {inner_in_use_.load(std::memory_order_relaxed), inner_idle_.load(std::memory_order_relaxed),
            inner_cap_.load(std::memory_order_relaxed)};
  }

 private:
  Block* take_classed(size_t index) {
    SizeClass& size_class = inner_classes_[index];
    if (Block* block = pop(size_class)) return block;
    const size_t block_size = memory::class_size(index);
    make_room(block_size);
    Slab* slab = map_slab(block_size, blocks_in_slab(block_size));
    if (!slab) return nullptr;
    count(counters().pool_misses);
    std::lock_guard lock(size_class.mutex);
    for (size_t i = slab->blocks.size(); --i > 0;) size_class.cold.push(&slab->blocks[i]);
    slab->handed_out = 1;
    return &slab->blocks[0];
  }

  Block* pop(SizeClass& size_class) {
    std::lock_guard lock(size_class.mutex);
    Block* block = size_class.warm.pop();
    if (block) {
      inner_idle_.fetch_sub(block->capacity, std::memory_order_relaxed);
      count(counters().pool_hits);
    } else if ((block = size_class.cold.pop())) {
      count(counters().pool_misses);
    }
    if (block) ++block->slab->handed_out;
    return block;
  }

  void give_classed(Block* block, bool keep) noexcept {
    SizeClass& size_class = inner_classes_[memory::class_index(block->capacity)];
    if (!keep) memory::drop_pages(block->data, block->capacity);
    Slab* unused = nullptr;
    {
      std::lock_guard lock(size_class.mutex);
      push(size_class, block, keep);
      Slab* slab = block->slab;
      if (--slab->handed_out == 0 && !keep) {
        detach(size_class, *slab);
        unused = slab;
      }
    }
    if (unused) unmap_slabs({unused});
  }

  void push(SizeClass& size_class, Block* block, bool warm) {
    block->warm = warm;
    (warm ? size_class.warm : size_class.cold).push(block);
    if (warm) inner_idle_.fetch_add(block->capacity, std::memory_order_relaxed);
  }

  void detach(SizeClass& size_class, Slab& slab) {  // none of its blocks is handed out
    for (Block& block : slab.blocks) {
      (block.warm ? size_class.warm : size_class.cold).remove(&block);
      if (block.warm) inner_idle_.fetch_sub(block.capacity, std::memory_order_relaxed);
    }
  }

  void shrink_class(SizeClass& size_class, uint64_t keep_bytes, std::vector<Slab*>& unused) {
    std::lock_guard lock(size_class.mutex);
    while (inner_idle_.load(std::memory_order_relaxed) > keep_bytes && !size_class.warm.empty()) {
      Block* block = size_class.warm.first();
      if (block->slab->handed_out == 0) {
        detach(size_class, *block->slab);
        unused.push_back(block->slab);
        continue;
      }
      size_class.warm.remove(block);
      inner_idle_.fetch_sub(block->capacity, std::memory_order_relaxed);
      memory::drop_pages(block->data, block->capacity);
      push(size_class, block, false);
    }
  }

  Block* take_large(size_t size) {
    const size_t wanted = memory::round_up(size, memory::kHugePage);
    {
      std::lock_guard lock(inner_large_mutex_);
      const auto best = inner_large_.lower_bound(wanted);
      // A much larger block would hold memory that its user never touches.
      if (best != inner_large_.end() && best->first <= wanted + wanted / 4) {
        Block* block = best->second;
        inner_large_.erase(best);
        inner_idle_.fetch_sub(block->capacity, std::memory_order_relaxed);
        count(counters().pool_hits);
        return block;
      }
    }
    make_room(wanted);
    count(counters().pool_misses);
    Slab* slab = map_slab(wanted, 1);
    return slab ? &slab->blocks[0] : nullptr;
  }

  void give_large(Block* block, bool keep) noexcept {
    if (!keep) return unmap_slabs({block->slab});
    std::lock_guard lock(inner_large_mutex_);
    inner_large_.emplace(block->capacity, block);
    inner_idle_.fetch_add(block->capacity, std::memory_order_relaxed);
  }

  void shrink_large(uint64_t keep_bytes, std::vector<Slab*>& unused) {
    std::lock_guard lock(inner_large_mutex_);
    while (!inner_large_.empty() && inner_idle_.load(std::memory_order_relaxed) > keep_bytes) {
      const auto largest = std::prev(inner_large_.end());
      inner_idle_.fetch_sub(largest->first, std::memory_order_relaxed);
      unused.push_back(largest->second->slab);
      inner_large_.erase(largest);
    }
  }

  // Before `bytes` more are mapped: idle blocks of sizes no longer asked for must not push the total over the cap.
  void make_room(uint64_t bytes) {
    const uint64_t cap = inner_cap_.load(std::memory_order_relaxed);
    const uint64_t taken = inner_in_use_.load(std::memory_order_relaxed) + bytes;
    const uint64_t keep = cap > taken ? cap - taken : 0;
    if (inner_idle_.load(std::memory_order_relaxed) > keep) shrink_to(keep);
  }

  const uint64_t inner_generation_;
  std::atomic<uint64_t> inner_cap_;
  [[maybe_unused]] Pool* const
      inner_before_;  // the parent's, whose blocks this process still maps; kept only so that it stays reachable
  std::atomic<uint64_t> inner_in_use_{0};
  std::atomic<uint64_t> inner_idle_{0};
  std::array<SizeClass, memory::kClassCount> inner_classes_;
  std::mutex inner_large_mutex_;
  std::multimap<size_t, Block*> inner_large_;
};

// Never destroyed: buffers may outlive every static object.
constinit std::atomic<Pool*> current_pool{nullptr};

Pool& pool() {
  Pool* current = current_pool.load(std::memory_order_acquire);
  const uint64_t generation = fork_generation();
  if (current && current->generation() == generation) return *current;
  auto* fresh = new Pool(generation, current);
  if (current_pool.compare_exchange_strong(current, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *current;
}

struct GiveBack {
  Pool* owner;
  Block* block;
  void operator()(std::byte*) const noexcept {
    if (owner->generation() == fork_generation()) owner->give(block);
  }
};

Block* take_or_trim(Pool& from, size_t size) {
  if (Block* block = from.take(size)) return block;
  from.shrink_to(0);
  return from.take(size);
}

}  // namespace

BufferPool& BufferPool::instance() {
  static BufferPool only;
  return only;
}

Result<Buffer> BufferPool::allocate(size_t size) {
  if (size == 0) return Buffer();
  if (size > kAbsurdSize) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a buffer of " + std::to_string(size) + " bytes was asked for, more than any machine has");
  }
  try {
    Pool& from = pool();
    if (Block* block = take_or_trim(from, size)) {
      memory::unpoison(block->data, size);
      return Buffer(std::shared_ptr<std::byte>(block->data, GiveBack{&from, block}), size);
    }
  } catch (const std::bad_alloc&) {  // of the pool's own records; the same answer
  }
  return make_error(ErrorCode::kNoSpace, "the system has no memory for a buffer of " + std::to_string(size) +
                                             " bytes; fetch less at once or lower max_in_flight_bytes");
}

void BufferPool::set_cap_bytes(uint64_t cap) { pool().set_cap(cap); }

void BufferPool::trim() { pool().shrink_to(0); }

BufferPoolUsage BufferPool::usage() const { return pool().usage(); }

}  // namespace s3dlio
