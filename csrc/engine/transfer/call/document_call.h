// A request whose answer is a document, or nothing but a head: list, head, delete, multipart verbs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "engine/base/future.h"
#include "engine/transfer/call/call.h"

namespace s3dlio::transfer {

constexpr uint64_t kMaxDocumentBytes = 16 << 20;

// What a 2xx answer says: a value, or what went wrong in spite of the status.
template <class T>
using Reading = std::variant<T, ServiceError>;

// A document that cannot be read is asked for once more.
template <class T>
Reading<T> reading_of(Result<T> result) {
  if (result) return std::move(result).value();
  ServiceError found{std::move(result).error(), Verdict::kFinal};
  if (found.error.code == ErrorCode::kProtocol) found.verdict = Verdict::kRetry;
  return found;
}

// Makes of an answer what it says.
template <class T>
using ReadAnswer = std::function<Reading<T>(const http::ResponseHead& head, std::string_view body)>;

// A call that is over with the value its answer stands for; a subclass says what is sent and who is told.
template <class T>
class ReadingCall : public Call {
 protected:
  ReadingCall(std::shared_ptr<Context> context, CallTraits traits, ReadAnswer<T> read)
      : Call(std::move(context), std::move(traits)), inner_read_(std::move(read)) {}

  // For ended(): the value or the error. What `read` holds is freed before the answer is handed on: it may be waited
  // for.
  Result<T> answer(std::optional<Error> error) {
    inner_read_ = nullptr;
    if (error) return std::move(*error);
    return std::move(*inner_value_);
  }

 private:
  Accepted accept(const http::ResponseHead& head) final {
    inner_head_ = head;
    http::IntoString text;
    text.max_bytes = kMaxDocumentBytes;
    return text;
  }
  std::optional<ServiceError> conclude(http::Outcome& outcome) final {
    Reading<T> reading = inner_read_(inner_head_, outcome.text);
    if (auto* failure = std::get_if<ServiceError>(&reading)) return std::move(*failure);
    inner_value_.emplace(std::move(std::get<T>(reading)));
    return std::nullopt;
  }

  ReadAnswer<T> inner_read_;
  http::ResponseHead inner_head_;
  std::optional<T> inner_value_;
};

template <class T>
class DocumentCall final : public ReadingCall<T> {
 public:
  using Build = std::function<http::Request()>;
  using Read = ReadAnswer<T>;
  using Done = std::function<void(Result<T>, const Call&)>;

  DocumentCall(std::shared_ptr<Context> context, CallTraits traits, Build build, Read read, Done done)
      : ReadingCall<T>(std::move(context), std::move(traits), std::move(read)),
        inner_build_(std::move(build)),
        inner_done_(std::move(done)) {}

 private:
  http::Request build() override { return inner_build_(); }
  void ended(std::optional<Error> error) override {
    inner_build_ = nullptr;
    const Done done = std::move(inner_done_);
    done(this->answer(std::move(error)), *this);
  }

  Build inner_build_;
  Done inner_done_;
};

// One call, one future.
template <class T>
Future<T> run_document(std::shared_ptr<Context> context, CallTraits traits, typename DocumentCall<T>::Build build,
                       typename DocumentCall<T>::Read read) {
  Promise<T> promise;
  auto call =
      std::make_shared<DocumentCall<T>>(std::move(context), std::move(traits), std::move(build), std::move(read),
                                        [promise](Result<T> result, const Call&) { promise.set(std::move(result)); });
  promise.on_cancel([weak = std::weak_ptr<Call>(call)] {
    if (const auto running = weak.lock()) running->cancel_soon();
  });
  call->launch();
  return promise.future();
}

}  // namespace s3dlio::transfer
