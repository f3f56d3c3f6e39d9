// From errno to an Error that says what can be done. Private to store/file/.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"

namespace s3dlio::file {

// "<what>: No such file or directory (ENOENT)" with the code that fits; `what` names the step: "opening", "writing the
// data".
Error errno_error(int error_number, const std::string& what);
// As errno_error, and for a full disk how much room `folder_fd`'s file system has left of the `needed_bytes`.
Error write_error(int error_number, const std::string& what, int folder_fd, uint64_t needed_bytes);

// Whether a call that failed so may have been carried out: a device or a server of files that answered no more.
bool leaves_doubt(int error_number);

Error cancelled_error();
Error changed_error(const std::string& seen);  // F6

}  // namespace s3dlio::file
