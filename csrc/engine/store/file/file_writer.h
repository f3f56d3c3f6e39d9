// The streaming writer: small pieces are gathered into blocks of the pool, large ones are written from the caller's
// memory. Private to store/file/.
#pragma once

#include <memory>
#include <string>

#include "engine/object_store.h"
#include "engine/store/file/context.h"

namespace s3dlio::file {

// Makes the temporary file before it returns, so that what cannot be written is known at once. `finished` shapes
// errors.
Result<std::unique_ptr<ObjectWriter>> open_file_writer(std::shared_ptr<const Context> context, std::string key,
                                                       PutOptions options, std::function<Error(Error)> with_place);

}  // namespace s3dlio::file
