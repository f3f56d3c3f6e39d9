#include "engine/transfer/call/head_call.h"

#include <utility>

#include "engine/transfer/dialect/etag.h"

namespace s3dlio::transfer {

HeadCall::HeadCall(std::shared_ptr<Context> context, CallTraits traits, std::string key, Build build, Done done)
    : Call(std::move(context), std::move(traits)),
      inner_key_(std::move(key)),
      inner_build_(std::move(build)),
      inner_done_(std::move(done)) {}

http::Request HeadCall::build() {
  http::Request request = inner_build_();
  if (inner_asks_size_) {
    request.method = "GET";
    request.headers.add("Range", ByteRange::make(0, 1).value().http_value());
  }
  return request;
}

Call::Accepted HeadCall::accept(const http::ResponseHead& head) {
  inner_answer_ = head;
  http::IntoString text;
  text.max_bytes = 1;
  text.truncate = true;  // a service that ignores the range sends the whole object: its head is all that is wanted
  return text;
}

std::optional<ServiceError> HeadCall::conclude(http::Outcome&) {
  http::ResponseHead answer = std::move(*inner_answer_);
  const auto size = context().dialect->read_size(answer);
  if (!inner_asks_size_) {
    inner_told_ = std::move(answer);
    if (size) return take(*size), std::nullopt;
    inner_asks_size_ = true;
    return ServiceError{make_error(ErrorCode::kProtocol, "HEAD was answered without a Content-Length"),
                        Verdict::kAskOtherwise};
  }
  const std::string_view etag = answer.headers.find("ETag").value_or("");
  const std::string_view told = inner_told_.headers.find("ETag").value_or("");
  if (etag != told && !same_etag(etag, told)) {
    inner_asks_size_ = false;  // look again at what is there now
    return ServiceError{
        make_error(ErrorCode::kPreconditionFailed, "the object was replaced between two questions about it"),
        Verdict::kRetry};
  }
  if (size) return take(*size), std::nullopt;
  Error error = make_error(ErrorCode::kProtocol,
                           "the service does not say how large the object is: HEAD was answered without a "
                           "Content-Length, and a GET of the first byte with " +
                               std::to_string(answer.status) + " and Content-Range '" +
                               std::string(answer.headers.find("Content-Range").value_or("")) +
                               "'; likely a proxy in the way that leaves it out");
  error.http_status = answer.status;
  return ServiceError{std::move(error), Verdict::kFinal};
}

// Only an object without a byte has no first one.
bool HeadCall::settles(const http::ResponseHead& refusal) {
  if (!inner_asks_size_ || refusal.status != 416) return false;
  const auto range = http::parse_content_range(refusal.headers.find("Content-Range").value_or(""));
  if (range && range->total.value_or(0) != 0) return false;
  take(0);
  return true;
}

void HeadCall::take(uint64_t size) { inner_meta_ = context().dialect->read_meta(inner_key_, inner_told_, size); }

void HeadCall::ended(std::optional<Error> error) {
  inner_build_ = nullptr;  // what it holds may be waited for by whoever is told
  const Done done = std::move(inner_done_);
  if (error) return done(std::move(*error), *this);
  done(std::move(*inner_meta_), *this);
}

}  // namespace s3dlio::transfer
