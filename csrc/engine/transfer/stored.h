// Comparing what a service says it stores with what was sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/object_store.h"
#include "engine/transfer/dialect.h"

namespace s3dlio::transfer {

// What differs, in words; nothing when size and checksum (as far as both sides have one of the same kind) agree.
std::optional<std::string> difference_of(const ObjectMeta& stored, uint64_t size, const Checksum& checksum);

struct StoredExpectation {
  uint64_t size = 0;
  Checksum checksum;
  uint32_t parts = 0;  // of an upload in parts; 0: sent in one piece
  std::chrono::system_clock::time_point not_before{};
};
// Whether an object found after a lost answer is the one that was sent. Where no checksum can be compared, it must at
// least have the size, the number of parts, and be no older than the upload.
bool is_what_was_sent(const ObjectMeta& stored, const StoredExpectation& expected);

PutResult result_of(const ObjectMeta& stored);

// A failed condition as the caller asked for it: a create that met an object is kAlreadyExists.
Error as_condition(Error error, const PutOptions& options);

}  // namespace s3dlio::transfer
