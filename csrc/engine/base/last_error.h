// The last error on this thread, for a door whose framework lets only text through (torch's C ABI): the other side of
// the framework takes the whole error from here.
#pragma once

#include <optional>

#include "engine/base/result.h"

namespace s3dlio {

void remember_error(Error error);
std::optional<Error> take_remembered_error();  // once

}  // namespace s3dlio
