// Sends one request over a pooled connection and receives the answer's body straight into its destination.
// One exchange is one attempt: retrying, resuming and signing belong to transfer/.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/base/result.h"
#include "engine/http/message.h"
#include "engine/net/event_loop.h"

namespace s3dlio::http {

struct Endpoint {
  bool tls = true;
  std::string host;  // name, IPv4, or IPv6 without brackets
  uint16_t port = 443;
  std::string authority() const;  // for the Host header: the port only where it is not the scheme's own
  bool operator==(const Endpoint&) const = default;
};

struct ClientOptions {
  std::string
      ca_bundle;  // PEM file or folder; empty: AWS_CA_BUNDLE_PATH, AWS_CA_BUNDLE, SSL_CERT_FILE/DIR, system files
  std::string ca_bundle_fallback;  // used when nothing above exists (certifi's file, given by Python)
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(3);  // per address
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(20);    // an idle pooled connection is closed after this
  size_t max_connections = 64;                                         // over all loops; more exchanges wait their turn
  bool try_ktls = false;
};

struct ExchangeLimits {
  std::chrono::nanoseconds first_byte_timeout =
      std::chrono::seconds(20);      // from the last byte sent to the first received
  uint64_t floor_bytes = 64 * 1024;  // both ways: fewer bytes than this ...
  std::chrono::nanoseconds floor_window =
      std::chrono::seconds(10);  // ... within this means stalled; the time-out says so
  std::optional<net::Clock::time_point> deadline;
  bool fresh_connection = false;  // do not reuse an idle one, and prefer another address than the last failed one
};

// ---- where a body goes; the handler decides after seeing the head, before a byte is read ----
struct IntoMemory {  // in order; a segment with a null data() discards its size. Owner keeps it alive until the
                     // exchange is over
  std::vector<std::span<std::byte>> segments;
  // The body may be longer than the segments: what follows stays unread and the connection is closed.
  // A body shorter than the segments by its own Content-Length ends with on_done(ok) and fewer bytes delivered.
};
struct IntoString {  // control documents and error bodies; the exchange fails with kProtocol beyond max_bytes
  uint64_t max_bytes = 64 * 1024;
  bool truncate = false;  // error bodies: keep the first max_bytes, close the connection, no failure
};
struct Refuse {  // the head is not acceptable: close the connection, finish with this error
  Error error;
};
using BodyTarget = std::variant<IntoMemory, IntoString, Refuse>;

enum class Stage : uint8_t { kWaiting, kResolve, kConnect, kTls, kSend, kFirstByte, kHead, kBody, kDone };

struct Outcome {
  std::optional<Error> error;  // none: the body was received whole
  Stage stage = Stage::kDone;  // where it failed
  // A byte of it was sent. With stale_connection: the peer's kernel acknowledged some of it, so that only its
  // idempotence makes sending it again safe.
  bool request_may_have_arrived = false;
  // A reused idle connection turned out closed before any answer byte: send again at once, it costs nothing from the
  // budget.
  bool stale_connection = false;
  uint64_t body_bytes = 0;  // of the body, taken in order; those discarded in null segments count too
  std::string text;         // the body, for IntoString
  std::string peer;         // "10.0.0.1:443"
};

// All calls on the loop thread, never from inside start().
class ResponseHandler {
 public:
  virtual ~ResponseHandler() = default;
  // The head is complete and its framing is sound (one length, no length and chunked together, caps kept). 1xx never
  // get here.
  virtual BodyTarget on_head(const ResponseHead& head) = 0;
  // `received` was just written to an IntoMemory segment (discarded bytes are not reported); still hot in cache.
  virtual void on_body(std::span<const std::byte> received) = 0;
  // Called once; nothing touches the target or the payload afterwards. The connection is already back in its pool or
  // closed.
  virtual void on_done(Outcome outcome) = 0;
};

class Exchange {
 public:
  virtual ~Exchange() = default;
  // On the loop thread. Closes the connection; on_done is not called any more, and when cancel() returns nothing
  // touches the target or payload. Harmless after on_done.
  virtual void cancel() = 0;
};

// Connections of one store, all endpoints, all loops. Any thread, except where stated. The loops it was used on outlive
// it. A forked child makes its own.
class Client {
 public:
  virtual ~Client() = default;
  // On `loop`'s thread. Bodyless answers (HEAD, 204, 304) finish after on_head.
  virtual std::shared_ptr<Exchange> start(net::EventLoop& loop, const Endpoint& endpoint, Request request,
                                          const ExchangeLimits& limits, std::shared_ptr<ResponseHandler> handler) = 0;
  virtual void set_max_connections(size_t count) = 0;
};

// kInvalidArgument when the CA bundle cannot be read or holds no certificate.
Result<std::shared_ptr<Client>> make_client(ClientOptions options);

}  // namespace s3dlio::http
