// The reading verbs of a remote store, as object_store.h promises them.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/object_store.h"
#include "engine/transfer/call/context.h"

namespace s3dlio::transfer {

Future<FetchedObject> get(std::shared_ptr<Context> context, std::string key, GetOptions options);
Future<FetchedObject> get_range(std::shared_ptr<Context> context, std::string key, uint64_t start,
                                std::optional<uint64_t> end, GetOptions options);
Future<ReadResult> get_into(std::shared_ptr<Context> context, std::string key, uint64_t offset,
                            std::span<std::byte> out, GetOptions options);
Future<RangesResult> get_ranges(std::shared_ptr<Context> context, std::string key, std::vector<RangeInto> ranges,
                                GetOptions options);

}  // namespace s3dlio::transfer
