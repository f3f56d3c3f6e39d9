// The writing verbs of a remote store.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "engine/object_store.h"
#include "engine/transfer/call/context.h"

namespace s3dlio::transfer {

// One request up to the store's multipart_threshold, an upload in parts above it; straight from `data`.
Future<PutResult> put(std::shared_ptr<Context> context, std::string key, std::span<const std::byte> data,
                      PutOptions options);
// One request whatever the size; `owner` keeps `data`, or is empty when the caller does.
Future<PutResult> put_whole(std::shared_ptr<Context> context, std::string key, std::span<const std::byte> data,
                            Buffer owner, PutOptions options);
std::unique_ptr<ObjectWriter> open_writer(std::shared_ptr<Context> context, std::string key, PutOptions options);
Future<PutResult> copy(std::shared_ptr<Context> context, CopyRequest request, PutOptions options);

}  // namespace s3dlio::transfer
