// Asks what is known about an object: a HEAD, and where the answer does not say how large the object is (some services
// and proxies leave Content-Length out), a GET of its first byte, whose Content-Range does.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/transfer/call/call.h"

namespace s3dlio::transfer {

class HeadCall final : public Call {
 public:
  using Build = std::function<http::Request()>;  // the HEAD request
  using Done = std::function<void(Result<ObjectMeta>, const HeadCall&)>;

  // `key`: what the metadata is filed under. `done` comes once, with a size that the service stated, or with
  // kProtocol where it states none in either way.
  HeadCall(std::shared_ptr<Context> context, CallTraits traits, std::string key, Build build, Done done);

  const http::ResponseHead& told() const { return inner_told_; }  // the head of the HEAD's answer

 private:
  http::Request build() override;
  Accepted accept(const http::ResponseHead& head) override;
  std::optional<ServiceError> conclude(http::Outcome& outcome) override;
  bool settles(const http::ResponseHead& refusal) override;
  void ended(std::optional<Error> error) override;

  void take(uint64_t size);

  const std::string inner_key_;
  Build inner_build_;
  Done inner_done_;
  http::ResponseHead inner_told_;                   // by the HEAD
  std::optional<http::ResponseHead> inner_answer_;  // of this attempt
  bool inner_asks_size_ = false;                    // the next request is the GET
  std::optional<ObjectMeta> inner_meta_;
};

}  // namespace s3dlio::transfer
