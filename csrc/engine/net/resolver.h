// Names to addresses. Look-ups run on helper threads; answers are kept for a while, spread over all addresses of a
// name, and addresses that failed lately come last. One resolver a client. Any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/net/address.h"
#include "engine/net/event_loop.h"

namespace s3dlio::net {

// Blocks. kConnection with the reason when the name has no address.
using Lookup = std::function<Result<std::vector<Address>>(const std::string& host, uint16_t port)>;
Result<std::vector<Address>> system_lookup(const std::string& host, uint16_t port);

class Resolver : public std::enable_shared_from_this<Resolver> {
 public:
  struct Times {
    Clock::duration fresh = std::chrono::seconds(10);   // an answer this old is asked again, in the background
    Clock::duration usable = std::chrono::minutes(5);   // and this old not used any more
    Clock::duration lingers = std::chrono::minutes(1);  // an address missing from newer answers is kept so long
    Clock::duration bad = std::chrono::seconds(30);     // how long a dead address is remembered
  };
  using Answer = std::function<void(Result<std::vector<Address>>)>;

  Resolver() : Resolver(system_lookup, Times()) {}
  Resolver(Lookup lookup, Times times) : lookup_(std::move(lookup)), times_(times) {}

  // `answer` runs on `loop`, never inside this call, with at least one address, the best to try first: neither known
  // bad nor (with `avoid_last_failed`) the last that failed, and the least recently used of those.
  void resolve(EventLoop& loop, const std::string& host, uint16_t port, bool avoid_last_failed, Answer answer);

  void mark_bad(const Address& address);   // did not connect
  void mark_good(const Address& address);  // did
  void note_failure(const std::string& host, uint16_t port,
                    const Address& address);  // connected, then broke or stalled

 private:
  using Name = std::pair<std::string, uint16_t>;
  struct Known {
    Address address;
    Clock::time_point seen;
    uint64_t used = 0;  // turn at which it was last put first
  };
  struct Waiting {
    EventLoop* loop;
    bool avoid_last_failed;
    Answer answer;
  };
  struct Entry {
    std::vector<Known> known;
    Clock::time_point fetched{};
    bool asking = false;
    std::vector<Waiting> waiting;
    std::optional<Address> last_failed;
  };

  void ask(const Name& name);
  void learn(const Name& name, Result<std::vector<Address>> found);
  void merge(Entry& entry, const std::vector<Address>& found, Clock::time_point now);
  bool is_bad(const Address& address, Clock::time_point now) const;
  bool all_bad(const Entry& entry, Clock::time_point now) const;
  std::vector<Address> in_order(Entry& entry, bool avoid_last_failed, Clock::time_point now);

  const Lookup lookup_;
  const Times times_;
  std::mutex mutex_;
  std::map<Name, Entry> entries_;
  std::map<Address, Clock::time_point> bad_until_;
  uint64_t turn_ = 0;
};

}  // namespace s3dlio::net
