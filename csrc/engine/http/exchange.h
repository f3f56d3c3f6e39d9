// One request and its answer, from waiting for a slot to the last byte. Its steps stand in life order:
// begin, resolve, connect, handshake (exchange.cpp), send (exchange_send.cpp), head and body (exchange_receive.cpp),
// end. One loop thread. The pool's list keeps it alive until it is over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/http/chunked.h"
#include "engine/http/client.h"
#include "engine/http/connection.h"
#include "engine/http/head_parser.h"
#include "engine/http/pool.h"
#include "engine/http/segment_cursor.h"
#include "engine/net/connector.h"

namespace s3dlio::http {

class ActiveExchange final : public Exchange,
                             public Guest,
                             public ConnectionOwner,
                             public std::enable_shared_from_this<ActiveExchange> {
 public:
  ActiveExchange(std::shared_ptr<Shared> shared, LoopPool& pool, Endpoint endpoint, Request request,
                 const ExchangeLimits& limits, std::shared_ptr<ResponseHandler> handler);

  void cancel() override;
  void begin() override;
  net::Clock::time_point due() const override;
  void check(net::Clock::time_point now) override;
  void on_connection_ready(Connection& connection, uint32_t epoll_events) override;

 private:
  enum class Framing : uint8_t { kLength, kChunked, kUntilClose };

  // ---- to a connection ----
  void resolve();
  void on_resolved(Result<std::vector<net::Address>> addresses);
  void on_connected(Result<net::Connected> connected);
  void on_handshake();

  // ---- sending ----
  void start_sending();
  void send_some();
  size_t gather(std::span<iovec> pieces) const;
  void on_sent(size_t bytes);
  void on_all_sent();
  void on_send_failed();

  // ---- receiving ----
  void receive_some();
  void receive_later();
  bool has_more(const net::IoResult& result) const;
  bool receive_head(size_t& budget);  // these three: whether to go on reading
  bool receive_body(size_t& budget);
  bool receive_into_memory(size_t& budget);
  bool receive_into_scratch(size_t& budget);
  void on_head_complete(std::string_view leftover);
  void choose_framing(const ResponseHead& head);
  bool accept_target(BodyTarget target, const ResponseHead& head);
  bool take(std::string_view bytes);  // body with its framing; false when the exchange is over
  bool take_chunked(std::string_view bytes);
  bool deliver(std::string_view bytes);  // body without framing
  bool deliver_to_memory(std::string_view bytes);
  bool deliver_to_string(std::string_view bytes);
  bool report(uint64_t bytes);
  bool end_if_complete();
  void adjust_low_water();
  void on_input_ended();  // closed or broken

  // ---- time ----
  void start_window();
  bool window_is_over(net::Clock::time_point now) const;
  void check_first_byte(net::Clock::time_point now);
  void check_window();
  std::string doing() const;

  // ---- the end ----
  void succeed();
  void fail(Error error);
  void fail_stale(Error error);
  void refuse(Error error);
  void end_with(Error error, Outcome outcome);
  void finish(Outcome outcome);
  void deliver_outcome(Outcome outcome);
  void count_failure(const Error& error) const;
  void drop_connection() { connection_ = nullptr; }

  const std::shared_ptr<Shared> shared_;
  LoopPool& pool_;
  net::EventLoop& loop_;
  const Endpoint endpoint_;
  const Request request_;
  const ExchangeLimits limits_;
  std::shared_ptr<ResponseHandler> handler_;

  Stage stage_ = Stage::kWaiting;
  bool beginning_ = false;  // inside begin(): the end must be told later
  bool over_ = false;       // nothing happens any more, except perhaps telling
  std::unique_ptr<net::Connector> connector_;
  std::unique_ptr<Connection> connection_;
  std::string peer_;

  std::string head_;      // of the request, then the document
  size_t head_size_ = 0;  // of head_, the request line and headers
  size_t head_sent_ = 0;  // of head_
  size_t piece_ = 0;      // of the payload, being sent
  size_t piece_sent_ = 0;
  uint64_t written_before_ = 0;  // by earlier requests on this connection
  bool sent_any_ = false;
  bool cut_short_ = false;  // the answer came, or the connection broke, before the request was sent whole
  std::optional<Error> send_error_;

  HeadParser parser_;
  bool answered_ = false;  // a byte of the answer came
  bool keep_alive_ = false;
  bool peer_closing_ = false;  // its FIN was seen: good for this answer, not for another
  bool surplus_ = false;       // more came, or is known to come, than the body that was wanted
  Framing framing_ = Framing::kLength;
  uint64_t body_left_ = 0;  // kLength
  ChunkedDecoder chunked_;
  bool into_memory_ = false;
  SegmentCursor segments_;
  IntoString text_limits_;
  std::string text_;
  uint64_t body_bytes_ = 0;

  net::Clock::time_point began_;
  net::Clock::time_point stage_due_ = net::Clock::time_point::max();
  uint64_t window_bytes_ = 0;
  uint64_t unsent_ = 0;  // in the kernel's queue when last looked at, while sending and waiting for the first byte
};

}  // namespace s3dlio::http
