// Comparing what a service says it stores with what was sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/object_store.h"
#include "engine/transfer/dialect/dialect.h"

namespace s3dlio::transfer {

// What differs, in words; nothing when size and checksum (as far as both sides have one of the same kind) agree.
std::optional<std::string> difference_of(const ObjectMeta& stored, uint64_t size, const Checksum& checksum);

// What a write of ours must have left.
struct StoredExpectation {
  uint64_t size = 0;
  Checksum checksum;
  std::string etag;      // of that content, where ETags are made of MD5s (Dialect::etag_of); "" unknown
  std::string write_id;  // of the write, if it carries one
  // The write was conditional: that the same content is there does not prove that it was us who put it there.
  bool conditional = false;
};
enum class Match : uint8_t {
  kOurs,     // proven
  kNotOurs,  // proven: another's, or another content
  kUnknown,
};
// The content is proven to be what was sent, whoever wrote it.
bool has_content(const ObjectMeta& stored, const StoredExpectation& expected);
Match match_of(const ObjectMeta& stored, const StoredExpectation& expected);

// A name no other write has, also not one of a forked child.
std::string make_write_id();

PutResult result_of(const ObjectMeta& stored);

// A failed condition as the caller asked for it: a create that met an object is kAlreadyExists.
Error as_condition(Error error, const PutOptions& options);

}  // namespace s3dlio::transfer
