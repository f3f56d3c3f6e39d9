// An engine store as Python holds it: below a prefix, in one process.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "engine/object_store.h"
#include "engine/process/thread.h"
#include "errors.h"

namespace s3dlio::python {

namespace nb = nanobind;

// GIL held for every method. After fork() it serves no more (ClosedError); s3dlio_core opens another one then.
class NativeStore {
 public:
  // `base_uri` followed by a key (as Python gives it, without the prefix) is that object's uri.
  NativeStore(std::shared_ptr<ObjectStore> store, std::string prefix, std::string base_uri);
  NativeStore(NativeStore&&) noexcept = default;
  NativeStore& operator=(NativeStore&&) = delete;
  ~NativeStore();

  ObjectStore& engine() const { return *shared(); }
  const std::shared_ptr<ObjectStore>& shared() const;  // raises ClosedError
  void close();

  // TypeError unless it is a str. The engine's key: prefix and key joined.
  std::string full_key(nb::handle key) const { return full_key(inner_prefix_, key); }
  static std::string full_key(const std::string& prefix, nb::handle key);
  std::string full_prefix(const std::string& prefix) const { return inner_prefix_ + prefix; }
  std::string key_below_prefix(std::string full) const;
  const std::shared_ptr<const std::string>& base_uri() const { return inner_base_uri_; }
  const std::string& prefix() const { return inner_prefix_; }

  // What `start(engine, full key)` gives; its errors name the call.
  template <class Start>
  auto call(const char* operation, nb::handle key, const Start& start) const {
    return named(operation, *inner_base_uri_ + text_of(key), [&] {
      const std::shared_ptr<ObjectStore> engine = shared();
      std::string full = full_key(key);
      if (is_write(operation) && full == inner_prefix_) refuse_empty_key();
      return start(*engine, std::move(full));
    });
  }
  // As call(), for a call about no single key: what `start(engine)` gives.
  template <class Start>
  auto call_on_all(const char* operation, const Start& start) const {
    return named(operation, *inner_base_uri_, [&] { return start(shared()); });
  }

 private:
  static bool is_write(std::string_view operation);
  [[noreturn]] static void refuse_empty_key();

  template <class Work>
  static auto named(const char* operation, const std::string& uri, const Work& work) {
    try {
      return work();
    } catch (nb::python_error& error) {
      name_call(error, operation, uri);
      throw;
    } catch (const std::system_error& error) {  // no thread, no descriptor
      raise_error(refused_by_system(error, operation, uri));
    }
  }

  std::shared_ptr<ObjectStore> inner_store_;
  std::string inner_prefix_;
  std::shared_ptr<const std::string> inner_base_uri_;  // shared with every ObjectMeta listed
  uint64_t inner_generation_;
};

}  // namespace s3dlio::python
