#include "engine/transfer/call/failure_text.h"

#include <cstdio>
#include <string_view>

namespace s3dlio::transfer {
namespace {

std::string_view reason(GaveUp why) {
  switch (why) {
    case GaveUp::kDeadline:
      return ", the time limit (operation_timeout) has passed";
    case GaveUp::kBudget:
      return ", not sent again because too much fails on this store (retry_budget is used up)";
    case GaveUp::kMayHaveArrived:
      return ", not sent again because it may have taken effect";
    default:
      return "";
  }
}

std::string_view likely_cause(const Error& error, GaveUp why) {
  switch (error.code) {
    case ErrorCode::kServer:
      return "the service is failing: try later, and name the request id to its operator";
    case ErrorCode::kTimeout:
      return "the server or the way to it is too slow, or overloaded";
    case ErrorCode::kConnection:
      return why == GaveUp::kUnreachable ? "check the endpoint, the region and the network"
                                         : "the network or the server is unstable";
    case ErrorCode::kProtocol:
      return "a proxy or a server in the way that does not keep to the protocol";
    default:
      return "";
  }
}

}  // namespace

void describe_failure(Error& error, int attempts, std::chrono::nanoseconds elapsed, GaveUp why) {
  error.attempts = attempts;
  if (attempts > 1 || why != GaveUp::kFinal) {
    char text[64];
    std::snprintf(text, sizeof text, "; %d attempt%s in %.1f s", attempts, attempts == 1 ? "" : "s",
                  std::chrono::duration<double>(elapsed).count());
    error.message += text;
    error.message += reason(why);
    const std::string status = std::to_string(error.http_status);
    if (error.http_status != 0 && error.message.find(status) == std::string::npos) {
      error.message += ", last answer " + status;
      if (!error.service_code.empty()) error.message += " " + error.service_code;
    }
  }
  if (!error.request_id.empty() && error.message.find(error.request_id) == std::string::npos) {
    error.message += ", request id " + error.request_id;
  }
  const std::string_view cause = likely_cause(error, why);
  if (!cause.empty()) error.message.append("; ").append(cause);
}

}  // namespace s3dlio::transfer
