// One read: its parts, the object's identity they must agree on, the checksum over all of them. get_part.h is one part
// of it.
//
// Life: the first part asks without knowing the object; its head tells size and etag; the other parts follow with
// If-Match. Heads are judged and admitted before a byte is written. When the last call has ended, the bytes are
// verified and delivered.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/object_store.h"
#include "engine/transfer/call/call_group.h"
#include "engine/transfer/call/context.h"
#include "engine/transfer/read/plan.h"
#include "engine/transfer/read/range_answer.h"

namespace s3dlio::transfer {

class GetPart;

class Read : public std::enable_shared_from_this<Read> {
 public:
  virtual ~Read() = default;
  void start();   // any thread; once
  void cancel();  // any thread; the future becomes ready when the last exchange is gone

  // ---- from the parts, on their loops ----
  // The etag to insist on: the first answer's, or the caller's; "" when there is none.
  std::string etag_to_match() const;
  // Two answers can be known to come from one generation of the object: it has an etag, or its version was asked for.
  // Where they cannot, all that is read comes with one answer.
  bool tells_generations_apart() const;
  bool needs_one_answer() const;  // and the one that was just refused is not it
  struct Admitted {
    PartPlan plan;          // with its place in memory, cut at the object's end
    ChecksumKind crc_kind;  // what to compute over the bytes; kNone: nothing
    bool more = false;      // other requests wait to be launched
  };
  // The head's object is the one being read. Errors: kPreconditionFailed (another object), kProtocol (another size),
  // kRangeNotSatisfiable, kNoSpace.
  // `all_here`: the answer's body is complete already, whatever its size.
  Result<Admitted> admit(const http::ResponseHead& head, const BodyShape& shape, PartPlan planned, bool all_here);
  void launch_more();
  void part_ended(GetPart& part, std::optional<Error> error);

  const std::string& key() const { return inner_key_; }
  const GetOptions& options() const { return inner_options_; }
  bool verifies() const { return inner_verify_; }

 protected:
  // Bytes [start, end) are wanted; end UINT64_MAX: to the object's end.
  Read(std::shared_ptr<Context> context, std::string_view operation, std::string key, GetOptions options,
       uint64_t start, uint64_t end);

  // Once, when the size is known, under the mutex: memory for `size` bytes from `start`.
  virtual Result<std::byte*> prepare(uint64_t size) = 0;
  virtual bool wants_meta() const { return false; }
  // Exactly once, with nothing running and no lock held.
  virtual void deliver(std::optional<Error> error) = 0;

  // A scattered read brings its own plan instead of prepare().
  virtual bool scattered() const { return false; }
  virtual PartPlan first_scattered() { return {}; }
  // Under the mutex; descending, without the first. kRangeNotSatisfiable when a range starts past the end.
  virtual Result<std::vector<PartPlan>> rest_scattered(uint64_t /*total*/) { return std::vector<PartPlan>(); }
  // The same ranges as one request, whatever lies between them.
  virtual PartPlan all_scattered() { return {}; }

  Context& context() const { return *inner_context_; }
  uint64_t total() const { return inner_facts_ ? inner_facts_->total : 0; }
  const std::string& etag() const { return inner_facts_ ? inner_facts_->etag : inner_meta_.etag; }
  ObjectMeta& meta() { return inner_meta_; }
  uint64_t bytes_received() const;  // in deliver() only

 private:
  struct Facts {  // what every answer must agree on
    uint64_t total = 0;
    std::string etag;
    std::string modified;  // where there is no etag: a sign of a change, no proof that there was none
  };
  struct Received {  // a part that is complete
    uint64_t size = 0;
    const std::byte* data = nullptr;
    ChecksumKind kind = ChecksumKind::kNone;
    uint64_t crc = 0;
  };
  using Calls = std::vector<std::shared_ptr<Call>>;

  bool asks_plainly() const;
  PartPlan first_plan(bool plainly);
  std::shared_ptr<GetPart> add_part_locked(PartPlan plan, bool plainly, bool fresh);
  std::optional<Error> check_facts(const http::ResponseHead& head, const BodyShape& shape) const;
  Result<PartPlan> admit_first_locked(const http::ResponseHead& head, const BodyShape& shape, PartPlan planned,
                                      bool all_here);
  Error needs_one_answer_locked(uint64_t total);
  Result<PartPlan> plan_of_one_answer_locked();
  void choose_checksum_locked(const http::ResponseHead& head);
  std::shared_ptr<Call> checksum_call();
  std::shared_ptr<Call> size_call();
  Calls side_calls_locked();
  Calls next_calls_locked();
  void fail_locked(Error error);
  bool covers_whole() const {
    return !scattered() && inner_start_ == 0 && inner_facts_ && inner_end_ == inner_facts_->total;
  }
  void finish();
  uint64_t checksum_of_all() const;
  bool verify_or_refetch();
  void watch_for_stragglers();
  void look_for_stragglers(net::EventLoop& loop);

  const std::shared_ptr<Context> inner_context_;
  const std::string_view inner_operation_;
  const std::string inner_key_;
  const GetOptions inner_options_;
  const bool inner_verify_;
  const uint64_t inner_start_;
  uint64_t inner_end_;  // cut to the object once its size is known

  mutable std::mutex inner_mutex_;  // taken per part, never per piece of a body
  CallGroup inner_calls_;
  std::vector<GetPart*> inner_parts_;    // those of inner_calls_ that are parts
  std::vector<PartPlan> inner_pending_;  // descending: the next stands last
  std::map<uint64_t, Received> inner_received_;
  std::optional<Facts> inner_facts_;
  ObjectMeta inner_meta_;
  Checksum inner_expected_;
  ChecksumKind inner_crc_kind_ = ChecksumKind::kNone;
  bool inner_checksum_wanted_ = false;  // ask a HEAD for it, next to the parts
  bool inner_size_doubted_ = false;     // ask how large the object is, next to the parts
  enum class OneAnswer : uint8_t { kNo, kNeeded, kAsked };
  OneAnswer inner_one_answer_ = OneAnswer::kNo;
  uint64_t inner_one_end_ = 0;  // where it ends
  std::optional<Error> inner_error_;
  std::vector<double> inner_rates_;  // bytes per second of finished parts
  int inner_refetches_ = 0;
  bool inner_fresh_ = false;  // parts use fresh connections
  bool inner_asked_plainly_ = false;
  bool inner_watching_ = false;
  bool inner_ended_ = false;  // delivered, or about to be
};

}  // namespace s3dlio::transfer
