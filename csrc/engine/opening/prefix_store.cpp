#include "engine/opening/prefix_store.h"

#include <utility>

namespace s3dlio {
namespace {

// The future of what `change` makes of a future's value; to cancel it is to cancel that one.
template <class T, class Change>
Future<T> changed(Future<T> future, Change change) {
  const Promise<T> promise;
  promise.on_cancel([future]() mutable { future.cancel(); });
  future.on_ready([promise, future, change = std::move(change)]() mutable {
    Result<T> result = future.wait();
    if (result) change(result.value());
    promise.set(std::move(result));
  });
  return promise.future();
}

Error empty_key(const char* operation, std::string uri) {
  Error error = make_error(ErrorCode::kInvalidArgument, "the key is empty; expected a name below the store's prefix");
  error.operation = operation;
  error.uri = std::move(uri);
  return error;
}

template <class T>
Future<T> failed(Error error) {
  const Promise<T> promise;
  promise.set(std::move(error));
  return promise.future();
}

class PrefixStore final : public ObjectStore {
 public:
  PrefixStore(std::shared_ptr<ObjectStore> store, std::string prefix)
      : inner_store_(std::move(store)), inner_prefix_(std::move(prefix)) {}

  Future<FetchedObject> get(std::string key, GetOptions options) override {
    return without_prefix(inner_store_->get(full(key), std::move(options)));
  }
  Future<FetchedObject> get_range(std::string key, uint64_t start, std::optional<uint64_t> end,
                                  GetOptions options) override {
    return without_prefix(inner_store_->get_range(full(key), start, end, std::move(options)));
  }
  Future<ReadResult> get_into(std::string key, uint64_t offset, std::span<std::byte> out, GetOptions options) override {
    return inner_store_->get_into(full(key), offset, out, std::move(options));
  }
  Future<RangesResult> get_ranges(std::string key, std::vector<RangeInto> ranges, GetOptions options) override {
    return inner_store_->get_ranges(full(key), std::move(ranges), std::move(options));
  }
  Future<PutResult> put(std::string key, std::span<const std::byte> data, PutOptions options) override {
    if (key.empty()) return failed<PutResult>(empty_key("put", uri_of("")));
    return inner_store_->put(full(key), data, std::move(options));
  }
  Result<std::unique_ptr<ObjectWriter>> open_writer(std::string key, PutOptions options) override {
    if (key.empty()) return empty_key("write", uri_of(""));
    return inner_store_->open_writer(full(key), std::move(options));
  }
  Future<ObjectMeta> head(std::string key, std::string version_id) override {
    return changed(inner_store_->head(full(key), std::move(version_id)),
                   [prefix = inner_prefix_](ObjectMeta& meta) { cut(prefix, meta.key); });
  }
  Future<ListPage> list_page(ListRequest request) override {
    request.prefix = full(request.prefix);
    if (!request.start_after.empty()) request.start_after = full(request.start_after);
    return changed(inner_store_->list_page(std::move(request)), [prefix = inner_prefix_](ListPage& page) {
      for (ObjectMeta& meta : page.objects) cut(prefix, meta.key);
      for (std::string& common : page.common_prefixes) cut(prefix, common);
    });
  }
  Future<std::vector<DeleteOutcome>> delete_many(std::vector<std::string> keys) override {
    for (std::string& key : keys) key = full(key);
    return changed(inner_store_->delete_many(std::move(keys)),
                   [prefix = inner_prefix_](std::vector<DeleteOutcome>& outcomes) {
                     for (DeleteOutcome& outcome : outcomes) cut(prefix, outcome.key);
                   });
  }
  Future<PutResult> copy(CopyRequest request, PutOptions options) override {
    if (request.key.empty()) return failed<PutResult>(empty_key("copy", uri_of("")));
    // A key in another bucket is whole: the prefix is of this one.
    if (request.source_bucket.empty()) request.source_key = full(request.source_key);
    request.key = full(request.key);
    return inner_store_->copy(std::move(request), std::move(options));
  }
  Future<Unit> create_bucket() override { return inner_store_->create_bucket(); }
  Future<Unit> delete_bucket() override { return inner_store_->delete_bucket(); }
  Future<std::vector<BucketInfo>> list_buckets() override { return inner_store_->list_buckets(); }
  Future<uint64_t> sweep_uploads(std::string prefix, std::chrono::seconds age) override {
    return inner_store_->sweep_uploads(full(prefix), age);
  }
  std::string uri_of(const std::string& key) const override { return inner_store_->uri_of(full(key)); }

 private:
  std::string full(const std::string& key) const { return inner_prefix_ + key; }
  static void cut(const std::string& prefix, std::string& key) {
    if (key.starts_with(prefix)) key.erase(0, prefix.size());
  }
  Future<FetchedObject> without_prefix(Future<FetchedObject> future) const {
    return changed(std::move(future),
                   [prefix = inner_prefix_](FetchedObject& object) { cut(prefix, object.meta.key); });
  }

  const std::shared_ptr<ObjectStore> inner_store_;
  const std::string inner_prefix_;
};

}  // namespace

std::shared_ptr<ObjectStore> make_prefix_store(std::shared_ptr<ObjectStore> store, std::string prefix) {
  return std::make_shared<PrefixStore>(std::move(store), std::move(prefix));
}

}  // namespace s3dlio
