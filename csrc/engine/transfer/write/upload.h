// One upload in parts: begun, fed, completed or aborted. What is fed is sent at once, several parts at a time.
//
// Nothing is visible before completion. A failure, and a cancel, ends in an abort; an answer that was lost is made good
// by looking at what is stored. One completion at a time: while one may still run in the service no other is sent, and
// the upload is not aborted. Part sizes are chosen by the feeder (plan.h).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/future.h"
#include "engine/object_store.h"
#include "engine/process/clean_up.h"
#include "engine/transfer/call/call_group.h"
#include "engine/transfer/call/context.h"
#include "engine/transfer/call/patience.h"
#include "engine/transfer/write/stored.h"

namespace s3dlio::transfer {

// Any thread; feed() and complete() from one at a time.
class Upload : public std::enable_shared_from_this<Upload> {
 public:
  // `ended` is called once, with nothing running any more: after the completion, or after the abort of a failed upload.
  // `part_sent` after each part, also of a failed upload, on a loop thread: its memory is no longer needed. `lent`: it
  // was the caller's.
  using Ended = std::function<void(Result<PutResult>)>;
  using PartSent = std::function<void(bool lent)>;
  // `copy_from`: the parts are copied by the service from there (feed_copy) instead of being sent.
  Upload(std::shared_ptr<Context> context, std::string_view operation, std::string key, PutOptions options, Ended ended,
         PartSent part_sent, std::optional<CopyRequest> copy_from = std::nullopt);

  void begin();
  // The next part; `data` stays alive and unchanged until part_sent, `owner` is kept so long. Without an owner it is
  // lent.
  void feed(std::span<const std::byte> data, Buffer owner);
  void feed_copy(ByteRange source);
  // No part follows. The completion is sent when the last part has arrived.
  void complete();
  // Stops what runs and aborts; `ended` hears `reason`. Harmless after the end. A completion that runs is not stopped:
  // `ended` hears at once that it may take effect, and what becomes of it is waited for in the background.
  void fail(Error reason);
  // Why it cannot succeed any more; `ended` hears of it later, after the abort.
  std::optional<Error> failure() const;

 private:
  enum class State : uint8_t { kStarting, kFeeding, kCompleting, kRecovering, kChecking, kDeleting, kAborting, kEnded };
  struct Waiting {
    uint32_t number;
    std::span<const std::byte> data;
    Buffer owner;
    std::optional<ByteRange> source;  // of a part that is copied
  };
  using CallPtr = std::shared_ptr<Call>;

  // Every answer comes through here: `note` takes it in, then the next step is taken. `call` null: no answer, just go
  // on.
  void step(const Call* call, const std::function<void()>& note);
  std::vector<CallPtr> next_locked();
  std::vector<CallPtr> next_parts_locked();
  void enter_locked(State state, std::vector<CallPtr>& calls);
  void fail_locked(Error reason);

  void take_id(Result<std::string> id);
  void take_part(Result<UploadedPart> part, bool lent);
  void take_completion(Result<PutResult> result, const Call& call);
  void take_recovery(const Result<ObjectMeta>& stored);
  bool look_again_locked();
  void end_in_doubt(bool stands);
  Match match(const ObjectMeta& stored) const;
  void take_check(const Result<ObjectMeta>& stored);
  Checksum checksum_of_whole();

  CallTraits traits() const;
  CallPtr start_call();
  CallPtr part_call(Waiting waiting);
  CallPtr copy_call(uint32_t number, ByteRange source);
  void feed_locked(Waiting waiting, uint64_t size);
  CallPtr completion_call();
  CallPtr head_call(std::string version_id, void (Upload::*take)(const Result<ObjectMeta>&));
  CallPtr delete_call();
  CallPtr abort_call();

  const std::shared_ptr<Context> inner_context_;
  const std::string_view inner_operation_;
  const std::string inner_key_;
  const std::optional<CopyRequest> inner_copy_from_;
  const ChecksumKind inner_kind_;
  const PutOptions inner_options_;
  Ended inner_tell_ended_;
  const PartSent inner_tell_sent_;

  mutable std::mutex inner_mutex_;
  State inner_state_ = State::kStarting;
  CallGroup inner_calls_;
  std::string inner_id_;
  std::deque<Waiting> inner_waiting_;
  std::vector<bool> inner_to_tell_;  // parts whose memory is free since the last step: lent?
  std::vector<UploadedPart> inner_parts_;
  uint32_t inner_last_number_ = 0;
  uint64_t inner_size_ = 0;
  Checksum inner_whole_;
  bool inner_all_fed_ = false;
  bool inner_told_ = false;
  std::optional<State> inner_enter_;  // what an answer asks for next
  std::optional<Error> inner_error_;
  std::optional<Error> inner_doubt_;  // the completion failed, but may have been carried out
  bool inner_may_still_run_ = false;  // a completion
  bool inner_leave_ = false;          // not to be aborted
  Patience inner_patience_;
  PutResult inner_result_;
  std::optional<CleanUp> inner_clean_up_;  // told of its end, and still aborting
};

}  // namespace s3dlio::transfer
