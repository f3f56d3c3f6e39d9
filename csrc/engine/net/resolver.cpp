#include "engine/net/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/stats/stats.h"

namespace s3dlio::net {
namespace {

constexpr size_t kMostAddresses = 64;  // of one name
constexpr size_t kMostNames = 1024;

std::string_view likely_cause(int code) {
  if (code == EAI_NONAME) return "; check the endpoint, region and bucket name";
  if (code == EAI_AGAIN) return "; the name server did not answer, check the network";
  return "";
}

}  // namespace

Result<std::vector<Address>> system_lookup(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (code != 0) {
    Error error = make_error(ErrorCode::kConnection, "cannot resolve host '" + host + "': " + ::gai_strerror(code) +
                                                         std::string(likely_cause(code)));
    if (code == EAI_NONAME) error.service_code = "NXDOMAIN";  // asking again within seconds changes nothing
    return error;
  }
  std::vector<Address> found;
  for (const addrinfo* item = list; item != nullptr; item = item->ai_next) {
    const auto address = Address::from(item->ai_addr, item->ai_addrlen, port);
    if (address && std::find(found.begin(), found.end(), *address) == found.end()) found.push_back(*address);
  }
  ::freeaddrinfo(list);
  if (found.empty()) return make_error(ErrorCode::kConnection, "host '" + host + "' has no IP address");
  return found;
}

void Resolver::resolve(EventLoop& loop, const std::string& host, uint16_t port, bool avoid_last_failed, Answer answer) {
  if (const auto literal = Address::parse(host, port)) {
    loop.post([answer = std::move(answer), literal] { answer(std::vector<Address>{*literal}); });
    return;
  }
  const Name name{host, port};
  const auto now = Clock::now();
  std::vector<Address> addresses;
  bool must_ask = false;
  {
    std::lock_guard lock(mutex_);
    if (entries_.size() >= kMostNames && !entries_.contains(name)) {
      std::erase_if(entries_, [](const auto& item) { return !item.second.asking; });
    }
    Entry& entry = entries_[name];
    const bool usable = !entry.known.empty() && now - entry.fetched < times_.usable && !all_bad(entry, now);
    if (usable) {
      addresses = in_order(entry, avoid_last_failed, now);
    } else {
      entry.waiting.push_back({&loop, avoid_last_failed, std::move(answer)});
    }
    if ((!usable || now - entry.fetched >= times_.fresh) && !entry.asking) entry.asking = must_ask = true;
  }
  if (must_ask) ask(name);
  if (!addresses.empty()) {
    // Not moved from yet: the answer only waits where there is no address.  NOLINTNEXTLINE(*-use-after-move,*.Move)
    loop.post([answer = std::move(answer), addresses = std::move(addresses)] { answer(addresses); });
  }
}

void Resolver::ask(const Name& name) {
  count(counters().dns_lookups);
  if (run_blocking([self = shared_from_this(), name] { self->learn(name, self->lookup_(name.first, name.second)); })) {
    return;
  }
  learn(name, make_error(ErrorCode::kConnection, "cannot resolve host '" + name.first +
                                                     "': the system gives no thread to ask from (ulimit -u)"));
}

void Resolver::learn(const Name& name, Result<std::vector<Address>> found) {
  const auto now = Clock::now();
  std::vector<std::pair<Waiting, Result<std::vector<Address>>>> answers;
  {
    std::lock_guard lock(mutex_);
    Entry& entry = entries_[name];
    entry.asking = false;
    if (found.ok()) merge(entry, *found, now);
    for (Waiting& waiting : entry.waiting) {
      auto result = found.ok() ? Result<std::vector<Address>>(in_order(entry, waiting.avoid_last_failed, now)) : found;
      answers.emplace_back(std::move(waiting), std::move(result));
    }
    entry.waiting.clear();
  }
  for (auto& [waiting, result] : answers) {
    waiting.loop->post([answer = std::move(waiting.answer), result = std::move(result)] { answer(result); });
  }
}

void Resolver::merge(Entry& entry, const std::vector<Address>& found, Clock::time_point now) {
  entry.fetched = now;
  for (const Address& address : found) {
    const auto known = std::find_if(entry.known.begin(), entry.known.end(),
                                    [&](const Known& item) { return item.address == address; });
    if (known != entry.known.end()) {
      known->seen = now;
    } else {
      entry.known.push_back({address, now});
    }
  }
  std::erase_if(entry.known, [&](const Known& item) { return item.seen != now && now - item.seen > times_.lingers; });
  std::stable_sort(entry.known.begin(), entry.known.end(),
                   [](const Known& a, const Known& b) { return a.seen > b.seen; });
  if (entry.known.size() > kMostAddresses) entry.known.erase(entry.known.begin() + kMostAddresses, entry.known.end());
}

bool Resolver::is_bad(const Address& address, Clock::time_point now) const {
  const auto found = bad_until_.find(address);
  return found != bad_until_.end() && now < found->second;
}

bool Resolver::all_bad(const Entry& entry, Clock::time_point now) const {
  return std::all_of(entry.known.begin(), entry.known.end(),
                     [&](const Known& item) { return is_bad(item.address, now); });
}

std::vector<Address> Resolver::in_order(Entry& entry, bool avoid_last_failed, Clock::time_point now) {
  const int family = entry.known.front().address.family();  // the system's preference between IPv6 and IPv4
  const auto rank = [&](const Known* item) {
    const bool failed_last = avoid_last_failed && entry.last_failed && *entry.last_failed == item->address;
    return std::tuple(is_bad(item->address, now), failed_last, item->address.family() != family, item->used);
  };
  std::vector<Known*> order;
  for (Known& item : entry.known) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(), [&](Known* a, Known* b) { return rank(a) < rank(b); });
  order.front()->used = ++turn_;
  std::vector<Address> addresses;
  for (const Known* item : order) addresses.push_back(item->address);
  return addresses;
}

void Resolver::mark_bad(const Address& address) {
  count(counters().addresses_marked_bad);
  const auto now = Clock::now();
  std::lock_guard lock(mutex_);
  std::erase_if(bad_until_, [&](const auto& item) { return item.second <= now; });
  bad_until_.insert_or_assign(address, now + times_.bad);
}

void Resolver::mark_good(const Address& address) {
  std::lock_guard lock(mutex_);
  bad_until_.erase(address);
}

void Resolver::note_failure(const std::string& host, uint16_t port, const Address& address) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(Name{host, port});
  if (found != entries_.end()) found->second.last_failed = address;
}

}  // namespace s3dlio::net
