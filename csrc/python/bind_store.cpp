// Opening a store. What can be done with it: bind_get, bind_put, bind_list, bind_manage, bind_fetch.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <optional>

#include "bind.h"
#include "engine/store/file/file_store.h"
#include "engine/store/s3/s3_store.h"
#include "errors.h"
#include "lifecycle.h"
#include "service.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

CredentialSource source_of(std::optional<Credentials> fixed, std::optional<uint64_t> provider_id) {
  if (fixed) return [credentials = std::move(*fixed)]() -> Result<Credentials> { return credentials; };
  if (provider_id) return ask_python(*provider_id);
  return nullptr;  // unsigned
}

NativeStore open_s3(s3::S3Options options, const Tuning& tuning, std::optional<Credentials> credentials,
                    std::optional<uint64_t> provider_id, std::string ca_bundle, std::string ca_bundle_fallback,
                    std::string prefix, std::string base_uri) {
  http::ClientOptions client;
  client.ca_bundle = std::move(ca_bundle);
  client.ca_bundle_fallback = std::move(ca_bundle_fallback);
  client.connect_timeout = tuning.connect_timeout;
  client.idle_timeout = tuning.idle_timeout;
  client.max_connections = tuning.max_connections;
  auto source = source_of(std::move(credentials), provider_id);
  auto store = [&] {
    const Unlocked unlocked;
    return s3::open_s3(std::move(options), std::move(client), std::move(source), tuning);
  }();
  return {value_or_raise(std::move(store)), std::move(prefix), std::move(base_uri)};
}

NativeStore open_file(std::string root, bool direct, std::string scheme, const Tuning& tuning, std::string base_uri) {
  auto store = [&] {
    const Unlocked unlocked;
    return file::open_file({std::move(root), direct, std::move(scheme)}, tuning);
  }();
  return {value_or_raise(std::move(store)), "", std::move(base_uri)};
}

}  // namespace

StoreClass bind_store(nb::module_& module) {
  module.def("open_s3", &open_s3, nb::kw_only(), "options"_a, "tuning"_a, "credentials"_a.none(),
             "provider_id"_a.none(), "ca_bundle"_a, "ca_bundle_fallback"_a, "prefix"_a, "base_uri"_a,
             "credentials: fixed ones. provider_id: ask Python (see next_events). Neither: unsigned requests.");
  module.def("open_file", &open_file, nb::kw_only(), "root"_a, "direct"_a, "scheme"_a, "tuning"_a, "base_uri"_a);
  StoreClass store(module, "NativeStore",
                   "An engine store below a prefix. Every verb starts a call and returns at once.");
  store.def("close", &NativeStore::close, "Lets go of the engine's store; calls under way go on to their end.");
  return store;
}

}  // namespace s3dlio::python
