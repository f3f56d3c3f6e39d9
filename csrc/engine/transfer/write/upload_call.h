// A request that carries payload out of memory: a whole object, or one part of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "engine/memory/buffer.h"
#include "engine/transfer/call/call.h"
#include "engine/transfer/call/document_call.h"

namespace s3dlio::transfer {

inline Checksum checksum_of(ChecksumKind kind, std::span<const std::byte> data) {
  return {kind, kind == ChecksumKind::kNone ? 0 : crc_update(kind, 0, data)};
}

template <class T>
class UploadCall final : public ReadingCall<T> {
 public:
  using Build = std::function<http::Request(const Checksum&)>;
  using Read = ReadAnswer<T>;
  using Done = std::function<void(Result<T>, const Call&, const Checksum&)>;

  // `data` is sent from where it lies; `owner` keeps it, or is empty when the caller does.
  UploadCall(std::shared_ptr<Context> context, CallTraits traits, std::span<const std::byte> data, Buffer owner,
             ChecksumKind kind, Build build, Read read, Done done)
      : ReadingCall<T>(std::move(context), std::move(traits), std::move(read)),
        inner_data_(data),
        inner_owner_(std::move(owner)),
        inner_kind_(kind),
        inner_build_(std::move(build)),
        inner_done_(std::move(done)) {}

 private:
  http::Request build() override {
    // Just before sending, so that it covers what the memory holds now; every repeat must send the same bytes.
    if (!inner_checksum_) inner_checksum_ = checksum_of(inner_kind_, inner_data_);
    http::Request request = inner_build_(*inner_checksum_);
    if (!inner_data_.empty()) request.payload.push_back(inner_data_);
    return request;
  }
  void ended(std::optional<Error> error) override {
    inner_build_ = nullptr;
    inner_owner_ = Buffer();
    const Done done = std::move(inner_done_);
    done(this->answer(std::move(error)), *this, inner_checksum_.value_or(Checksum()));
  }

  std::span<const std::byte> inner_data_;
  Buffer inner_owner_;
  ChecksumKind inner_kind_;
  std::optional<Checksum> inner_checksum_;
  Build inner_build_;
  Done inner_done_;
};

}  // namespace s3dlio::transfer
