// Counters of the whole process, one relaxed atomic each: cheap enough to be always on. Python shows them as stats().
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace s3dlio {

// One line a counter: the name is the key in stats(). Every fault that is survived counts somewhere.
// clang-format off
#define S3DLIO_COUNTERS(X)                                                                          \
  X(requests)                 /* HTTP requests sent, retries included */                            \
  X(retries)                  /* requests sent again after a failure */                             \
  X(resumes)                  /* of these, requests for the missing tail of a broken body */        \
  X(stale_connections)        /* reused connections found closed; re-sent without cost */           \
  X(hedges)                   /* slow requests cancelled and reissued elsewhere */                  \
  X(throttled)                /* 503 SlowDown, 429 */                                               \
  X(server_errors)            /* other 5xx */                                                       \
  X(transport_errors)         /* resets, truncations, broken framing */                             \
  X(timeouts)                 /* connect, first byte, stall floor, deadline */                      \
  X(rejected_responses)       /* heads refused before a byte was written */                         \
  X(surplus_bodies)           /* bodies longer than needed; connection dropped */                   \
  X(checksum_mismatches)      /* bodies whose CRC differed */                                       \
  X(checksums_verified)       /* bodies whose CRC was compared and equal */                         \
  X(checksums_absent)         /* bodies the server gave no usable checksum for */                   \
  X(credential_refreshes)                                                                           \
  X(clock_corrections)                                                                              \
  X(redirects_followed)                                                                             \
  X(retry_budget_exhausted)   /* failures given up at once because the token bucket was empty */    \
  X(connections_opened)                                                                             \
  X(connections_reused)                                                                             \
  X(connect_failures)                                                                               \
  X(tls_handshakes)                                                                                 \
  X(tls_sessions_resumed)                                                                           \
  X(ktls_connections)                                                                               \
  X(dns_lookups)                                                                                    \
  X(addresses_marked_bad)                                                                           \
  X(bytes_received)           /* payload delivered to destinations */                               \
  X(bytes_sent)               /* payload sent */                                                    \
  X(bytes_discarded)          /* received in coalescing gaps and thrown away */                     \
  X(bytes_copied)             /* payload bytes memcpy'd in user space by the engine itself */       \
  X(ranges_coalesced)         /* ranges that shared a request with another */                       \
  X(uploads_aborted)                                                                                \
  X(upload_parts_resent)                                                                            \
  X(completions_recovered)                                                                          \
  X(file_reads)                                                                                     \
  X(file_writes)                                                                                    \
  X(direct_reads)                                                                                   \
  X(direct_writes)                                                                                  \
  X(direct_fallbacks)         /* O_DIRECT refused, buffered I/O used */                             \
  X(direct_bounce_bytes)      /* bytes that went through an aligned bounce */                       \
  X(io_uring_fallbacks)                                                                             \
  X(pool_hits)                                                                                      \
  X(pool_misses)                                                                                    \
  X(cancelled)                /* calls taken back by the caller */
// clang-format on

struct Counters {
#define S3DLIO_DECLARE(name) std::atomic<uint64_t> name{0};
  S3DLIO_COUNTERS(S3DLIO_DECLARE)
#undef S3DLIO_DECLARE
};

Counters& counters();

inline void count(std::atomic<uint64_t>& counter, uint64_t by = 1) { counter.fetch_add(by, std::memory_order_relaxed); }

// Name and value of each counter, in declaration order.
std::vector<std::pair<std::string, uint64_t>> counters_snapshot();
void counters_reset();

}  // namespace s3dlio
