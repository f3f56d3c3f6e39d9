// What an error says after its attempts: how many, how long, what was last seen, what probably helps.
#pragma once

#include <chrono>
#include <string>

#include "engine/base/result.h"

namespace s3dlio::transfer {

enum class GaveUp : uint8_t { kFinal, kAttempts, kDeadline, kBudget, kMayHaveArrived, kUnreachable };

// Appends to `error.message`, e.g. "...; 3 attempts in 9.2 s; lower max_connections". A final first answer stays as it
// is.
void describe_failure(Error& error, int attempts, std::chrono::nanoseconds elapsed, GaveUp why);

}  // namespace s3dlio::transfer
