// head(): a HEAD, and where it is refused without a reason (its answer has no body) a listing that gives one.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/object_store.h"
#include "engine/transfer/call/context.h"

namespace s3dlio::transfer {

// A refused HEAD leaves open: 404, whether there is no such object or no such bucket (asked once a store); 400, whether
// the region is another, the token has run out or x-amz-checksum-mode is not taken; 403, what of that or a policy. A
// listing of at most one name is answered in words, teaches the region and refreshes credentials; then HEAD is asked
// again, without the checksum.
Future<ObjectMeta> look(std::shared_ptr<Context> context, std::string key, std::string version_id,
                        std::string_view operation);

}  // namespace s3dlio::transfer
