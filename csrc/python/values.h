// Engine values as Python sees them.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/object_store.h"
#include "native_store.h"

namespace s3dlio::python {

namespace nb = nanobind;

// One listed or stat'ed object, its key below the store's prefix; the attributes become Python objects when asked for.
struct Meta {
  ObjectMeta meta;
  std::shared_ptr<const std::string> base_uri;
  std::string uri() const { return (base_uri ? *base_uri : std::string()) + meta.key; }
};
Meta meta_of(ObjectMeta meta, const std::string& prefix, const std::shared_ptr<const std::string>& base_uri);

// How a store's answers become Meta, without the store: it may be closed before they arrive.
struct MetaMaker {
  std::string prefix;
  std::shared_ptr<const std::string> base_uri;
  explicit MetaMaker(const NativeStore& store) : prefix(store.prefix()), base_uri(store.base_uri()) {}
  Meta operator()(ObjectMeta meta) const { return meta_of(std::move(meta), prefix, base_uri); }
};

// "" is the store's own setting.
std::optional<Verify> verify_of(const std::string& word);

struct Page {
  nb::object objects;  // list[ObjectMeta]
  std::vector<std::string> common_prefixes;
  std::string continuation_token;
};

}  // namespace s3dlio::python
