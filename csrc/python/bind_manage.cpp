// head, delete, copy, buckets, sweep.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>

#include "bind.h"
#include "number.h"
#include "pending.h"
#include "values.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

nb::object nothing(Unit&&) { return nb::none(); }

Pending head(NativeStore& store, nb::handle key, std::string version_id) {
  return store.call("head", key, [&](ObjectStore& engine, std::string full) {
    return make_pending(
        engine.head(std::move(full), std::move(version_id)),
        [make_meta = MetaMaker(store)](ObjectMeta&& meta) { return nb::cast(make_meta(std::move(meta))); });
  });
}

Pending delete_many(NativeStore& store, nb::sequence keys) {
  std::vector<std::string> full;
  for (nb::handle key : keys) full.push_back(store.full_key(key));
  return make_pending(store.engine().delete_many(std::move(full)),
                      [prefix = store.prefix()](std::vector<DeleteOutcome>&& outcomes) {
                        nb::list failures;
                        for (DeleteOutcome& outcome : outcomes) {
                          if (!outcome.error) continue;
                          if (outcome.key.starts_with(prefix)) outcome.key.erase(0, prefix.size());
                          failures.append(nb::make_tuple(outcome.key, exception_of(*outcome.error)));
                        }
                        return failures;
                      });
}

Pending copy(NativeStore& store, std::string source_bucket, std::string source_key, nb::handle key,
             std::string version_id, std::string if_match, const PutOptions& options) {
  return store.call("copy", key, [&](ObjectStore& engine, std::string full) {
    CopyRequest request{std::move(source_bucket), std::move(source_key), std::move(full), std::move(version_id),
                        std::move(if_match)};
    return make_pending(engine.copy(std::move(request), options),
                        [](PutResult&& result) { return nb::cast(std::move(result)); });
  });
}

Pending list_buckets(NativeStore& store) {
  return make_pending(store.engine().list_buckets(),
                      [](std::vector<BucketInfo>&& buckets) { return nb::cast(std::move(buckets)); });
}

// Longer than anything has been stored anywhere, and far from where times in nanoseconds wrap round: an age that became
// negative would sweep what is running.
constexpr std::chrono::seconds kOldest{std::chrono::hours(24 * 365 * 100)};

Pending sweep_uploads(NativeStore& store, const std::string& prefix, Number older_than_seconds) {
  const auto age = std::min<uint64_t>(older_than_seconds.get("older_than_seconds"), kOldest.count());
  return make_pending(store.engine().sweep_uploads(store.full_prefix(prefix), std::chrono::seconds(age)),
                      [](uint64_t&& count) { return nb::int_(count); });
}

}  // namespace

void bind_manage(StoreClass& store) {
  store
      .def("head", &head, "key"_a.none(), "version_id"_a,
           nb::sig("def head(self, key: str, version_id: str) -> Pending[ObjectMeta]"))
      .def("delete_many", &delete_many, "keys"_a,
           nb::sig("def delete_many(self, keys: collections.abc.Sequence[str]) -> "
                   "Pending[list[tuple[str, s3dlio_core.errors.StorageError]]]"),
           "The result: the keys that could not be deleted, and why.")
      .def("copy", &copy, "source_bucket"_a, "source_key"_a, "key"_a.none(), "version_id"_a, "if_match"_a, "options"_a,
           nb::sig("def copy(self, source_bucket: str, source_key: str, key: str, version_id: str, if_match: str, "
                   "options: PutOptions) -> Pending[PutResult]"),
           "source_key: whole, with its store's prefix. source_bucket \"\": this store's.")
      .def(
          "create_bucket", [](NativeStore& self) { return make_pending(self.engine().create_bucket(), nothing); },
          nb::sig("def create_bucket(self) -> Pending[None]"))
      .def(
          "delete_bucket", [](NativeStore& self) { return make_pending(self.engine().delete_bucket(), nothing); },
          nb::sig("def delete_bucket(self) -> Pending[None]"))
      .def("list_buckets", &list_buckets, nb::sig("def list_buckets(self) -> Pending[list[BucketInfo]]"))
      .def("sweep_uploads", &sweep_uploads, "prefix"_a, "older_than_seconds"_a,
           nb::sig("def sweep_uploads(self, prefix: str, older_than_seconds: int) -> Pending[int]"));
}

}  // namespace s3dlio::python
