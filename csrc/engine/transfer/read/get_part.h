// One part of a read: asks for its bytes, admits the answer, receives, and after a break asks for the missing tail
// only.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "engine/transfer/call/hedge.h"
#include "engine/transfer/read/read.h"

namespace s3dlio::transfer {

class GetPart final : public Call {
 public:
  // `plainly`: asks for the whole object without a range; where the part ends is decided when the size is known.
  GetPart(std::shared_ptr<Context> context, CallTraits traits, std::shared_ptr<Read> read, PartPlan plan, bool plainly,
          bool fresh);

  // Valid once it has ended well.
  const PartPlan& plan() const { return inner_plan_; }
  ChecksumKind crc_kind() const { return inner_crc_kind_; }
  uint64_t crc() const { return inner_crc_; }
  bool asked_plainly() const { return inner_plainly_; }

  double mean_rate() const { return inner_mean_rate_; }  // bytes per second of the last attempt; 0: too small to tell
  Progress progress(net::Clock::time_point now) const;   // any thread
  void hedge_soon();  // any thread: cancels the running request and asks for the tail over a fresh connection

 private:
  http::Request build() override;
  Accepted accept(const http::ResponseHead& head) override;
  void received(std::span<const std::byte> bytes) override;
  std::optional<ServiceError> conclude(http::Outcome& outcome) override;
  bool has_all() const override;
  bool moved() override;
  void ended(std::optional<Error> error) override;

  void start_over();
  Result<http::IntoMemory> admit(const http::ResponseHead& head, bool all_here);
  std::optional<ServiceError> take_unsized(std::string_view body);
  uint64_t written() const { return inner_written_.load(std::memory_order_relaxed); }

  std::shared_ptr<Read> inner_read_;
  PartPlan inner_plan_;
  bool inner_plainly_;
  bool inner_placed_ = false;                        // inner_plan_ has its place in memory
  std::optional<ByteRange> inner_asked_;             // of this attempt
  std::string inner_match_;                          // the etag this attempt insists on
  std::optional<http::ResponseHead> inner_unsized_;  // its answer does not say how long it is
  ChecksumKind inner_crc_kind_ = ChecksumKind::kNone;
  uint64_t inner_crc_ = 0;
  uint64_t inner_written_before_ = 0;  // at the last failure
  int inner_hedges_ = 0;
  double inner_mean_rate_ = 0;
  // Read by the straggler watch on another thread.
  std::atomic<uint64_t> inner_wanted_{0};  // bytes with a destination
  std::atomic<uint64_t> inner_written_{0};
  std::atomic<uint64_t> inner_written_at_begin_{0};
  std::atomic<int64_t> inner_began_{0};  // steady clock, of this attempt; 0: not under way
};

}  // namespace s3dlio::transfer
