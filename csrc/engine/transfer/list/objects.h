// The verbs of a remote store that are one request each, and what all verbs use.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/object_store.h"
#include "engine/transfer/call/context.h"

namespace s3dlio::transfer {

// An error made before any request, as the caller is to see it: with operation and uri.
Error named(Error error, const Context& context, std::string_view operation, std::string_view key);

Future<ObjectMeta> head(std::shared_ptr<Context> context, std::string key, std::string version_id,
                        std::string_view operation = "head");
Future<ListPage> list_page(std::shared_ptr<Context> context, ListRequest request);

Future<Unit> create_bucket(std::shared_ptr<Context> context);
Future<Unit> delete_bucket(std::shared_ptr<Context> context);
Future<std::vector<BucketInfo>> list_buckets(std::shared_ptr<Context> context);

}  // namespace s3dlio::transfer
