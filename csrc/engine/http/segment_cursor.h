// Where the next bytes of a body go: a position in a list of destinations. Null destinations discard.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace s3dlio::http {

class SegmentCursor {
 public:
  SegmentCursor() = default;
  explicit SegmentCursor(std::vector<std::span<std::byte>> segments) : segments_(std::move(segments)) {
    for (const auto& segment : segments_) room_ += segment.size();
  }

  uint64_t room() const { return room_; }

  // Describes the next `bytes` (at most room()), as far as `into` reaches; gives the number of entries used. Discarded
  // stretches all land in `scratch`, one over the other.
  size_t describe(std::span<iovec> into, uint64_t bytes, std::span<std::byte> scratch) const {
    size_t used = 0;
    size_t offset = offset_;
    for (size_t i = index_; i < segments_.size() && bytes > 0; ++i, offset = 0) {
      std::byte* data = segments_[i].data();
      for (size_t left = clip(segments_[i].size() - offset, bytes); left > 0;) {
        if (used == into.size()) return used;
        const size_t piece = data != nullptr ? left : std::min(left, scratch.size());
        into[used++] = {data != nullptr ? data + offset : scratch.data(), piece};
        offset += piece;
        left -= piece;
        bytes -= piece;
      }
    }
    return used;
  }

  // `bytes` were written as described. `on_piece(span)` sees each stretch that was kept, in pieces of at most `piece`;
  // when it gives false this object may be gone and the call ends.
  template <class OnPiece>
  bool advance(uint64_t bytes, size_t piece, OnPiece&& on_piece) {
    while (bytes > 0) {
      const std::span<std::byte> segment = segments_[index_];
      const size_t limit = segment.data() != nullptr ? piece : segment.size();
      const size_t taken = std::min(clip(segment.size() - offset_, bytes), limit);
      const std::span<std::byte> kept =
          segment.data() != nullptr ? segment.subspan(offset_, taken) : std::span<std::byte>();
      offset_ += taken;
      room_ -= taken;
      bytes -= taken;
      if (offset_ == segment.size()) {
        ++index_;
        offset_ = 0;
      }
      if (!kept.empty() && !on_piece(kept)) return false;
    }
    return true;
  }

  // Copies as much of `from` as there is room for, without moving on; gives the bytes kept (not discarded) and the
  // bytes taken.
  struct Copied {
    uint64_t kept = 0;
    uint64_t taken = 0;
  };
  Copied copy_from(std::span<const std::byte> from) const {
    Copied copied;
    size_t offset = offset_;
    for (size_t i = index_; i < segments_.size() && copied.taken < from.size(); ++i, offset = 0) {
      const size_t piece = clip(segments_[i].size() - offset, from.size() - copied.taken);
      if (segments_[i].data() != nullptr && piece > 0) {
        std::memcpy(segments_[i].data() + offset, from.data() + copied.taken, piece);
        copied.kept += piece;
      }
      copied.taken += piece;
    }
    return copied;
  }

 private:
  static size_t clip(size_t size, uint64_t bytes) { return static_cast<size_t>(std::min<uint64_t>(size, bytes)); }

  std::vector<std::span<std::byte>> segments_;
  size_t index_ = 0;
  size_t offset_ = 0;  // in the current segment
  uint64_t room_ = 0;
};

}  // namespace s3dlio::http
