// Opens a TCP connection to the first of several addresses that answers. A second address is tried beside the first
// when that one is silent for a moment, so that a dead address costs a fraction of a second and not the whole time-out.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/net/address.h"
#include "engine/net/event_loop.h"
#include "engine/net/fd.h"
#include "engine/net/resolver.h"

namespace s3dlio::net {

struct Connected {
  Fd fd;  // non-blocking, close-on-exec, no delay
  Address address;
};

// Lives on one loop. Destroying it gives up: sockets are closed and `done` is not called.
class Connector {
 public:
  using Done = std::function<void(Result<Connected>)>;
  static constexpr Clock::duration kHeadStart = std::chrono::milliseconds(300);

  // `done` is called once, on the loop, never inside the constructor; it may destroy the connector.
  // Errors: kTimeout when no address answered within `timeout` each, kConnection when one refused or could not be
  // reached.
  Connector(EventLoop& loop, std::shared_ptr<Resolver> resolver, std::vector<Address> addresses,
            Clock::duration timeout, Done done);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

 private:
  class Attempt;

  void start_next();
  void on_head_start_over();
  void on_connected(Attempt& attempt);
  void on_failed(Attempt& attempt, std::string reason, bool timed_out);
  void remove(const Attempt& attempt);
  void finish(Result<Connected> result);

  EventLoop& loop_;
  const std::shared_ptr<Resolver> resolver_;
  const std::vector<Address> addresses_;
  const Clock::duration timeout_;
  Done done_;
  size_t next_ = 0;
  std::vector<std::unique_ptr<Attempt>> attempts_;
  TimerId head_start_ = 0;
  std::string reasons_;
  bool all_timed_out_ = true;
};

}  // namespace s3dlio::net
