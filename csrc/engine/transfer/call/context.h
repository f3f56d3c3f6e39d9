// What all calls of one store share.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

#include "engine/http/client.h"
#include "engine/transfer/call/credentials_cache.h"
#include "engine/transfer/call/environment.h"
#include "engine/transfer/call/first_byte.h"
#include "engine/transfer/call/retry.h"
#include "engine/transfer/call/throttle.h"
#include "engine/transfer/call/window.h"
#include "engine/transfer/dialect/dialect.h"
#include "engine/tuning.h"

namespace s3dlio::transfer {

struct Context {
  Context(std::shared_ptr<Dialect> the_dialect, std::shared_ptr<http::Client> the_client, CredentialSource source,
          const Tuning& the_tuning, const Environment& the_environment,
          std::optional<Limits> other_limits = std::nullopt)  // than the dialect's: for tests
      : dialect(std::move(the_dialect)),
        client(std::move(the_client)),
        tuning(the_tuning),
        environment(the_environment),
        limits(other_limits.value_or(dialect->limits())),
        budget(tuning.retry_budget),
        throttle(2 * longest_wait(tuning.backoff_base, tuning.backoff_cap, tuning.max_attempts)),
        credentials(std::make_shared<CredentialsCache>(std::move(source), environment)),
        window(tuning.max_in_flight_bytes, tuning.initial_connections, tuning.max_connections),
        first_byte(tuning.first_byte_timeout) {}

  // The service's clock, as far as it told us that ours is wrong.
  std::chrono::system_clock::time_point service_now() const {
    return environment.wall_now() + std::chrono::seconds(clock_offset_seconds.load(std::memory_order_relaxed));
  }

  const std::shared_ptr<Dialect> dialect;
  const std::shared_ptr<http::Client> client;
  const Tuning tuning;
  const Environment environment;
  const Limits limits;
  RetryBudget budget;
  Throttle throttle;
  const std::shared_ptr<CredentialsCache> credentials;
  Window window;
  FirstByteEstimate first_byte;
  std::atomic<int64_t> clock_offset_seconds{0};
  std::atomic<bool> bucket_seen{false};  // so a 404 without a body speaks of the object
  std::atomic<bool> plain_heads{false};  // HEAD is asked without the checksum, which this service refuses
  std::atomic<bool> answered{
      false};  // the service has ever answered: then a refused connection is a hiccup, not a wrong address
};

// A writer's parts never grow, by the service's rule or by choice.
inline bool keeps_parts_equal(const Context& context) {
  return context.tuning.equal_parts || context.limits.equal_parts;
}

}  // namespace s3dlio::transfer
