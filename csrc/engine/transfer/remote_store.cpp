#include "engine/transfer/remote_store.h"

#include <utility>

#include "engine/transfer/call/context.h"
#include "engine/transfer/list/delete.h"
#include "engine/transfer/list/objects.h"
#include "engine/transfer/read/get.h"
#include "engine/transfer/remote_store_parts.h"
#include "engine/transfer/write/put.h"

namespace s3dlio::transfer {
namespace {

// Checks what the caller gave, then hands on to the verb's own file.
class RemoteStore final : public ObjectStore {
 public:
  explicit RemoteStore(std::shared_ptr<Context> context) : inner_context_(std::move(context)) {}

  Future<FetchedObject> get(std::string key, GetOptions options) override {
    if (auto error = bad_key("get", key)) return ready_future<FetchedObject>(std::move(*error));
    return transfer::get(inner_context_, std::move(key), std::move(options));
  }
  Future<FetchedObject> get_range(std::string key, uint64_t start, std::optional<uint64_t> end,
                                  GetOptions options) override {
    if (auto error = bad_key("get_range", key)) return ready_future<FetchedObject>(std::move(*error));
    return transfer::get_range(inner_context_, std::move(key), start, end, std::move(options));
  }
  Future<ReadResult> get_into(std::string key, uint64_t offset, std::span<std::byte> out, GetOptions options) override {
    if (auto error = bad_key("get_into", key)) return ready_future<ReadResult>(std::move(*error));
    return transfer::get_into(inner_context_, std::move(key), offset, out, std::move(options));
  }
  Future<RangesResult> get_ranges(std::string key, std::vector<RangeInto> ranges, GetOptions options) override {
    if (auto error = bad_key("get_ranges", key)) return ready_future<RangesResult>(std::move(*error));
    return transfer::get_ranges(inner_context_, std::move(key), std::move(ranges), std::move(options));
  }

  Future<PutResult> put(std::string key, std::span<const std::byte> data, PutOptions options) override {
    if (auto error = bad_put("put", key, options)) return ready_future<PutResult>(std::move(*error));
    return transfer::put(inner_context_, std::move(key), data, std::move(options));
  }
  Result<std::unique_ptr<ObjectWriter>> open_writer(std::string key, PutOptions options) override {
    if (auto error = bad_put("write", key, options)) return std::move(*error);
    return transfer::open_writer(inner_context_, std::move(key), std::move(options));
  }

  Future<ObjectMeta> head(std::string key, std::string version_id) override {
    if (auto error = bad_key("head", key)) return ready_future<ObjectMeta>(std::move(*error));
    return transfer::head(inner_context_, std::move(key), std::move(version_id));
  }
  Future<ListPage> list_page(ListRequest request) override {
    if (auto error = unready("list", request.prefix)) return ready_future<ListPage>(std::move(*error));
    return transfer::list_page(inner_context_, std::move(request));
  }
  Future<std::vector<DeleteOutcome>> delete_many(std::vector<std::string> keys) override {
    if (auto error = unready("delete", "")) return ready_future<std::vector<DeleteOutcome>>(std::move(*error));
    return transfer::delete_many(inner_context_, std::move(keys));
  }
  Future<PutResult> copy(CopyRequest request, PutOptions options) override {
    if (auto error = bad_put("copy", request.key, options)) return ready_future<PutResult>(std::move(*error));
    if (auto error = bad_key("copy", request.source_key)) return ready_future<PutResult>(std::move(*error));
    return transfer::copy(inner_context_, std::move(request), std::move(options));
  }

  Future<Unit> create_bucket() override {
    if (auto error = unready("create_bucket", "")) return ready_future<Unit>(std::move(*error));
    return transfer::create_bucket(inner_context_);
  }
  Future<Unit> delete_bucket() override {
    if (auto error = unready("delete_bucket", "")) return ready_future<Unit>(std::move(*error));
    return transfer::delete_bucket(inner_context_);
  }
  Future<std::vector<BucketInfo>> list_buckets() override {
    if (auto error = unready("list_buckets", "")) return ready_future<std::vector<BucketInfo>>(std::move(*error));
    return transfer::list_buckets(inner_context_);
  }
  Future<uint64_t> sweep_uploads(std::string prefix, std::chrono::seconds age) override {
    if (auto error = unready("sweep_uploads", prefix)) return ready_future<uint64_t>(std::move(*error));
    return transfer::sweep_uploads(inner_context_, std::move(prefix), age);
  }

  std::string uri_of(const std::string& key) const override { return inner_context_->dialect->uri_of(key); }

 private:
  // No thread to run it on.
  std::optional<Error> unready(std::string_view operation, const std::string& key) const {
    auto started = inner_context_->environment.start();
    if (started) return std::nullopt;
    return named(std::move(started).error(), *inner_context_, operation, key);
  }
  std::optional<Error> bad_key(std::string_view operation, const std::string& key) const {
    auto checked = inner_context_->dialect->check_key(key);
    if (checked) return unready(operation, key);
    return named(std::move(checked).error(), *inner_context_, operation, key);
  }
  std::optional<Error> bad_put(std::string_view operation, const std::string& key, const PutOptions& options) const {
    if (auto error = bad_key(operation, key)) return error;
    auto checked = inner_context_->dialect->check_put(options);
    if (checked) return std::nullopt;
    return named(std::move(checked).error(), *inner_context_, operation, key);
  }

  const std::shared_ptr<Context> inner_context_;
};

}  // namespace

std::shared_ptr<ObjectStore> make_remote_store(std::shared_ptr<Context> context) {
  context->client->set_max_connections(context->tuning.max_connections);
  return std::make_shared<RemoteStore>(std::move(context));
}

std::shared_ptr<ObjectStore> make_remote_store(std::shared_ptr<Dialect> dialect, std::shared_ptr<http::Client> client,
                                               CredentialSource source, Tuning tuning) {
  return make_remote_store(
      std::make_shared<Context>(std::move(dialect), std::move(client), std::move(source), tuning, Environment::real()));
}

}  // namespace s3dlio::transfer
