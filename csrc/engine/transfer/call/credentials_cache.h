// The credentials in use, renewed before they end. However many calls wait, the source is asked once.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/credentials.h"
#include "engine/transfer/call/environment.h"

namespace s3dlio::transfer {

// What Dialect::sign takes; nullopt signs nothing (anonymous access). Never null.
using SharedCredentials = std::shared_ptr<const std::optional<Credentials>>;

// Any thread.
class CredentialsCache : public std::enable_shared_from_this<CredentialsCache> {
 public:
  using Ready = std::function<void(Result<SharedCredentials>)>;

  CredentialsCache(CredentialSource source, Environment environment);

  // Those in hand if they are usable at `now`, starting a renewal in the background when their end is near (the old
  // ones serve until they really end); else null, and `get` is the way.
  SharedCredentials current(std::chrono::system_clock::time_point now);
  // Calls `ready` once, on a helper thread (or at once on this one); joins a renewal that is running.
  void get(Ready ready);
  // The service refused `used` as expired: the next call learns new ones. Harmless when they were replaced already.
  void invalidate(const SharedCredentials& used);
  bool can_refresh() const { return inner_source_ != nullptr; }

 private:
  bool renew_locked();  // false: there is no thread for it
  void learnt(Result<Credentials> result);

  const CredentialSource inner_source_;
  const Environment inner_environment_;
  std::mutex inner_mutex_;
  SharedCredentials inner_current_;
  std::vector<Ready> inner_waiters_;
  bool inner_renewing_ = false;
  bool inner_learnt_once_ = false;
  std::chrono::system_clock::time_point inner_next_try_{};  // a failed renewal is not repeated before this
};

}  // namespace s3dlio::transfer
