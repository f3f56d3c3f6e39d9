#include "engine/base/last_error.h"

#include <utility>

namespace s3dlio {
namespace {

thread_local std::optional<Error> last_error;

}  // namespace

void remember_error(Error error) { last_error = std::move(error); }

std::optional<Error> take_remembered_error() { return std::exchange(last_error, std::nullopt); }

}  // namespace s3dlio
