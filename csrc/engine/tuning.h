// How a store behaves: sizes, windows, times, retries. A plain value, fixed when the store is opened.
// s3dlio_core/tuning.py mirrors it field by field (durations as *_seconds: float).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "engine/object_store.h"

namespace s3dlio {

struct Tuning {
  // transfer
  uint64_t part_size = 8 << 20;              // bytes asked or sent as one request
  uint64_t max_in_flight_bytes = 256 << 20;  // over one store; caps what is asked for and not yet received
  uint32_t max_connections = 64;             // upper end; hill-climbing moves below it
  uint32_t initial_connections = 8;
  uint64_t coalesce_gap = 1 << 20;          // ranges nearer than this share a request
  uint64_t multipart_threshold = 16 << 20;  // objects up to this size are one PUT
  bool equal_parts = false;                 // a writer's parts never grow: some services take no others
  // time
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(3);
  std::chrono::nanoseconds first_byte_timeout =
      std::chrono::seconds(20);  // upper bound; adapts down to max(4 s, 8 x P90)
  uint64_t stall_floor_bytes = 64 << 10;
  std::chrono::nanoseconds stall_window = std::chrono::seconds(10);
  std::chrono::nanoseconds operation_timeout =
      std::chrono::seconds(300);  // per part-sized request incl. retries; grows with size
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(20);
  // retry
  uint32_t max_attempts = 8;
  uint32_t retry_budget = 500;
  std::chrono::nanoseconds backoff_base = std::chrono::milliseconds(100);
  std::chrono::nanoseconds backoff_cap = std::chrono::seconds(20);
  bool hedge = true;
  // integrity
  Verify verify = Verify::kWhenSupported;
  ChecksumKind upload_checksum = ChecksumKind::kCrc64Nvme;  // kNone: when_required
  // files
  uint32_t file_threads = 8;
  bool io_uring = true;     // where the kernel allows it
  bool sync_writes = true;  // fdatasync and fsync of the folder before a write counts as done
};

}  // namespace s3dlio
