// What the parts of the C door share: results as codes and error objects, structs that grow, no exception over the
// edge.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "c/s3dlio.h"
#include "engine/base/result.h"
#include "engine/object_store.h"
#include "engine/process/interrupt.h"

struct s3dlio_error {
  s3dlio::Error error;
};
struct s3dlio_store {
  std::shared_ptr<s3dlio::ObjectStore> store;
  uint64_t generation;  // of the process that opened it
};

namespace s3dlio::c {

s3dlio_code code_of(ErrorCode code);
s3dlio_code give_error(s3dlio_error** into, Error error);

// Runs `work`, which gives a Result<Unit>, and hands on what goes wrong in it.
template <class Work>
s3dlio_code guarded(const char* operation, s3dlio_error** error, const Work& work) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    Result<Unit> done = work();
    if (done) return S3DLIO_OK;
    if (done.error().operation.empty()) done.error().operation = operation;
    return give_error(error, std::move(done).error());
  } catch (const std::system_error& failure) {
    try {
      return give_error(error, make_error(ErrorCode::kIo, failure.what()));
    } catch (...) {
      return S3DLIO_IO;
    }
  } catch (...) {  // out of memory: there may be none for an error object either
    return S3DLIO_INTERNAL;
  }
}

inline Error invalid(std::string message) { return make_error(ErrorCode::kInvalidArgument, std::move(message)); }

// A struct the caller filled, as large as he knows it; the rest is zero. What is larger than ours must be zero there.
template <class T>
Result<T> taken(const T* given) {
  T all{};
  if (given == nullptr) return all;
  if (given->struct_size < sizeof(size_t)) return invalid("struct_size is not set; set it to sizeof of the struct");
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (size_t i = sizeof(T); i < given->struct_size; ++i) {
    if (bytes[i] != 0) return invalid("an option that this version of the library does not know is set");
  }
  std::memcpy(&all, given, std::min(given->struct_size, sizeof(T)));
  return all;
}

template <class T>
Result<Unit> check_size(const T* into) {
  if (into != nullptr && into->struct_size < sizeof(size_t)) {
    return invalid("struct_size is not set; set it to sizeof of the struct");
  }
  return Unit{};
}
template <class T>
void give(T* into, T filled) {
  if (into == nullptr) return;
  const size_t size = into->struct_size;
  filled.struct_size = size;
  std::memcpy(into, &filled, std::min(size, sizeof(T)));
}

inline void copy_etag(char (&into)[S3DLIO_ETAG_SIZE], const std::string& etag) {
  const bool fits = etag.size() < S3DLIO_ETAG_SIZE;
  std::memcpy(into, etag.c_str(), fits ? etag.size() + 1 : 1);
  if (!fits) into[0] = '\0';
}

inline std::string text_or_empty(const char* text) { return text == nullptr ? std::string() : std::string(text); }

// The engine's store, for a call about `key`.
Result<std::shared_ptr<ObjectStore>> store_of(const s3dlio_store* store);
Result<std::shared_ptr<ObjectStore>> store_of(const s3dlio_store* store, const char* key);
PutOptions put_options_of(const s3dlio_put_options& options);
s3dlio_put_result result_of(const PutResult& result);

}  // namespace s3dlio::c
