#include "engine/transfer/call/credentials_cache.h"

#include <exception>
#include <utility>

#include "engine/base/log.h"
#include "engine/stats/stats.h"

namespace s3dlio::transfer {
namespace {

constexpr std::chrono::minutes kRenewAhead(5);
constexpr std::chrono::seconds kRenewPause(30);  // between two failed renewals while the old ones still serve

std::chrono::system_clock::time_point end_of(const Credentials& credentials) {
  constexpr double kLatest = 9e9;  // in the year 2255; sources write 9999 for "never", which the clock cannot hold
  if (!credentials.expires_at || *credentials.expires_at > kLatest) return std::chrono::system_clock::time_point::max();
  return std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(
      std::chrono::duration<double>(*credentials.expires_at)));
}

}  // namespace

CredentialsCache::CredentialsCache(CredentialSource source, Environment environment)
    : inner_source_(std::move(source)), inner_environment_(std::move(environment)) {
  if (!inner_source_) inner_current_ = std::make_shared<const std::optional<Credentials>>();
}

SharedCredentials CredentialsCache::current(std::chrono::system_clock::time_point now) {
  std::lock_guard lock(inner_mutex_);
  if (!inner_current_ || !inner_current_->has_value()) return inner_current_;
  const auto end = end_of(**inner_current_);
  if (end == std::chrono::system_clock::time_point::max()) return inner_current_;
  if (now >= end) {
    inner_current_.reset();
    return nullptr;
  }
  if (end - now < kRenewAhead && now >= inner_next_try_) {
    inner_next_try_ = now + kRenewPause;
    static_cast<void>(renew_locked());  // the old ones still serve
  }
  return inner_current_;
}

void CredentialsCache::get(Ready ready) {
  SharedCredentials in_hand;
  {
    std::lock_guard lock(inner_mutex_);
    in_hand = inner_current_;
    if (!in_hand) {
      inner_waiters_.push_back(std::move(ready));
      if (renew_locked()) return;
      ready = std::move(inner_waiters_.back());
      inner_waiters_.pop_back();
    }
  }
  if (in_hand) return ready(in_hand);
  ready(make_error(ErrorCode::kCredentials, "the system gives no thread to ask for credentials from (ulimit -u)"));
}

void CredentialsCache::invalidate(const SharedCredentials& used) {
  std::lock_guard lock(inner_mutex_);
  if (inner_source_ && inner_current_ == used) inner_current_.reset();
}

bool CredentialsCache::renew_locked() {
  if (inner_renewing_) return true;
  inner_renewing_ = inner_environment_.run_blocking([self = shared_from_this()] {
    // The source is foreign code (Python): nothing it throws may end a helper thread.
    try {
      self->learnt(self->inner_source_());
    } catch (const std::exception& failure) {
      self->learnt(make_error(ErrorCode::kCredentials, std::string("the credential source failed: ") + failure.what()));
    } catch (...) {
      self->learnt(make_error(ErrorCode::kCredentials, "the credential source failed"));
    }
  });
  return inner_renewing_;
}

void CredentialsCache::learnt(Result<Credentials> result) {
  std::vector<Ready> waiters;
  SharedCredentials fresh;
  if (result) {
    add_secret(result->secret_access_key);
    if (!result->session_token.empty()) add_secret(result->session_token);
    fresh = std::make_shared<const std::optional<Credentials>>(std::move(result).value());
  }
  {
    std::lock_guard lock(inner_mutex_);
    inner_renewing_ = false;
    if (fresh) {
      inner_current_ = fresh;
      if (inner_learnt_once_) count(counters().credential_refreshes);
      inner_learnt_once_ = true;
    }
    waiters.swap(inner_waiters_);
  }
  for (Ready& ready : waiters) {
    if (fresh) {
      ready(fresh);
    } else {
      ready(result.error());  // NOLINT(bugprone-use-after-move): only the value was moved, and there was none
    }
  }
}

}  // namespace s3dlio::transfer
