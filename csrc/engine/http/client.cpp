#include <atomic>
#include <utility>

#include "engine/http/client_parts.h"
#include "engine/http/exchange.h"
#include "engine/http/pool.h"
#include "engine/process/fork.h"

namespace s3dlio::http {
namespace {

class PoolingClient final : public Client {
 public:
  PoolingClient(ClientOptions options, std::shared_ptr<net::TlsContext> tls, std::shared_ptr<net::Resolver> resolver)
      : shared_(std::make_shared<Shared>(std::move(options), std::move(tls), std::move(resolver))),
        generation_(fork_generation()) {}

  ~PoolingClient() override {
    if (generation_ != fork_generation()) {  // its sockets and loops belong to the parent
      new std::shared_ptr<Shared>(std::move(shared_));
      return;
    }
    shared_->closed.store(true, std::memory_order_release);
    on_every_pool([](LoopPool& pool) { pool.drop_all_idle(); });
  }

  std::shared_ptr<Exchange> start(net::EventLoop& loop, const Endpoint& endpoint, Request request,
                                  const ExchangeLimits& limits, std::shared_ptr<ResponseHandler> handler) override {
    LoopPool& pool = shared_->pool_of(loop);
    auto exchange =
        std::make_shared<ActiveExchange>(shared_, pool, endpoint, std::move(request), limits, std::move(handler));
    pool.admit(exchange);
    return exchange;
  }

  void set_max_connections(size_t count) override {
    shared_->slots.set_limit(count);
    on_every_pool([](LoopPool& pool) { pool.wake_waiting(); });
  }

 private:
  void on_every_pool(void (*act)(LoopPool&)) {
    for (size_t i = 0; i < shared_->pools_in_use(); ++i) {
      LoopPool& pool = shared_->pool_at(i);
      pool.loop().post([keep = shared_, &pool, act] { act(pool); });
    }
  }

  std::shared_ptr<Shared> shared_;
  const uint64_t generation_;
};

}  // namespace

Result<std::shared_ptr<Client>> make_client_with(ClientOptions options, std::shared_ptr<net::Resolver> resolver) {
  auto tls = net::TlsContext::make({options.ca_bundle, options.ca_bundle_fallback, options.try_ktls});
  if (!tls.ok()) return tls.error();
  return std::shared_ptr<Client>(
      std::make_shared<PoolingClient>(std::move(options), std::move(*tls), std::move(resolver)));
}

Result<std::shared_ptr<Client>> make_client(ClientOptions options) {
  return make_client_with(std::move(options), std::make_shared<net::Resolver>());
}

}  // namespace s3dlio::http
