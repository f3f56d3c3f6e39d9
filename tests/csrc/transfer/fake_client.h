// An http::Client without sockets: a function answers each request, and the answer arrives as scripted.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/http/client.h"

namespace s3dlio::test {

struct Reply {
  int status = 200;
  http::Headers headers;
  std::string body;
  std::optional<uint64_t> content_length;  // other than the body's size
  bool chunked = false;
  bool no_length = false;  // neither a length nor chunks: until the connection ends
  bool is_head = false;    // no body follows, whatever the length says

  // ---- how it arrives ----
  std::chrono::nanoseconds delay = std::chrono::milliseconds(1);  // to the head
  double bytes_per_second = 0;                                    // 0: at once
  std::optional<uint64_t> cut_after;                              // bytes of the body, then a reset
  bool never = false;                                             // no first byte
  bool stale = false;                                             // the reused connection was closed
  std::optional<Error> failure;                                   // instead of a head
  http::Stage failure_stage = http::Stage::kFirstByte;
};

struct Seen {
  http::Request request;
  std::string body;
  http::Endpoint endpoint;
  http::ExchangeLimits limits;
  net::Clock::time_point at;
};

class FakeClient final : public http::Client {
 public:
  using Serve = std::function<Reply(const Seen&)>;

  std::shared_ptr<http::Exchange> start(net::EventLoop& loop, const http::Endpoint& endpoint, http::Request request,
                                        const http::ExchangeLimits& limits,
                                        std::shared_ptr<http::ResponseHandler> handler) override {
    Seen one;
    one.body = request.document;
    if (request.document.empty()) {
      for (const auto& span : request.payload) one.body.append(reinterpret_cast<const char*>(span.data()), span.size());
    }
    one.request = std::move(request);
    one.request.payload.clear();
    one.endpoint = endpoint;
    one.limits = limits;
    one.at = loop.now();
    auto exchange = std::make_shared<FakeExchange>(*this, loop, limits, std::move(handler), serve(one));
    seen.push_back(std::move(one));
    ++running;
    most_running = std::max(most_running, running);
    exchange->begin();
    return exchange;
  }
  void set_max_connections(size_t) override {}

  Serve serve;
  std::vector<Seen> seen;
  int running = 0;
  int most_running = 0;
  size_t chunk = 64 << 10;

 private:
  class FakeExchange final : public http::Exchange, public std::enable_shared_from_this<FakeExchange> {
   public:
    FakeExchange(FakeClient& client, net::EventLoop& loop, http::ExchangeLimits limits,
                 std::shared_ptr<http::ResponseHandler> handler, Reply reply)
        : client_(client), loop_(loop), limits_(limits), handler_(std::move(handler)), reply_(std::move(reply)) {}

    void begin() {
      const auto deadline_in = limits_.deadline ? *limits_.deadline - loop_.now() : std::chrono::hours(1000);
      later(deadline_in, [this] { fail(make_error(ErrorCode::kTimeout, "deadline"), stage_); });
      if (reply_.stale) {
        return later(reply_.delay, [this] {
          fail(make_error(ErrorCode::kConnection, "closed while idle"), http::Stage::kSend, true);
        });
      }
      if (reply_.failure) return later(reply_.delay, [this] { fail(*reply_.failure, reply_.failure_stage); });
      if (reply_.never || reply_.delay > limits_.first_byte_timeout) {
        return later(limits_.first_byte_timeout,
                     [this] { fail(make_error(ErrorCode::kTimeout, "no first byte"), http::Stage::kFirstByte); });
      }
      later(reply_.delay, [this] { head(); });
    }

    void cancel() override {
      if (over_) return;
      end();
    }

   private:
    void later(net::Clock::duration delay, std::function<void()> task) {
      timers_.push_back(loop_.call_after(delay, [weak = weak_from_this(), task = std::move(task)] {
        if (const auto self = weak.lock(); self && !self->over_) task();
      }));
    }

    void head() {
      http::ResponseHead head;
      head.status = reply_.status;
      head.headers = reply_.headers;
      head.chunked = reply_.chunked;
      if (!reply_.chunked && !reply_.no_length)
        head.content_length = reply_.content_length.value_or(reply_.body.size());
      if (reply_.is_head) reply_.body.clear();
      stage_ = http::Stage::kBody;
      http::BodyTarget target = handler_->on_head(head);
      if (over_) return;
      if (auto* refusal = std::get_if<http::Refuse>(&target)) return fail(refusal->error, http::Stage::kHead);
      if (auto* text = std::get_if<http::IntoString>(&target)) {
        into_text_ = true;
        text_limit_ = text->max_bytes;
        truncate_ = text->truncate;
      } else {
        segments_ = std::get<http::IntoMemory>(target).segments;
        for (const auto& segment : segments_) room_ += segment.size();
      }
      deliver();
    }

    void deliver() {
      const auto self = shared_from_this();
      while (!over_) {
        if (!into_text_ && taken_ == room_) return finish();
        if (reply_.cut_after && taken_ >= *reply_.cut_after) {
          return fail(make_error(ErrorCode::kConnection, "reset by peer"), http::Stage::kBody);
        }
        if (taken_ == reply_.body.size()) {
          const bool short_body = reply_.content_length && *reply_.content_length > taken_ && !reply_.is_head;
          if (short_body) return fail(make_error(ErrorCode::kConnection, "closed by the server"), http::Stage::kBody);
          return finish();
        }
        uint64_t size = std::min<uint64_t>(client_.chunk, reply_.body.size() - taken_);
        if (reply_.cut_after) size = std::min(size, *reply_.cut_after - taken_);
        take(size);
        if (over_ || reply_.bytes_per_second <= 0) continue;
        const auto delay =
            std::chrono::nanoseconds(static_cast<int64_t>(static_cast<double>(size) / reply_.bytes_per_second * 1e9));
        const double in_window = reply_.bytes_per_second * std::chrono::duration<double>(limits_.floor_window).count();
        if (in_window < static_cast<double>(limits_.floor_bytes)) {
          return later(limits_.floor_window,
                       [this] { fail(make_error(ErrorCode::kTimeout, "stalled"), http::Stage::kBody); });
        }
        return later(delay, [this] { deliver(); });
      }
    }

    void take(uint64_t size) {
      const auto* from = reinterpret_cast<const std::byte*>(reply_.body.data()) + taken_;
      if (into_text_) {
        text_.append(reinterpret_cast<const char*>(from), size);
        taken_ += size;
        if (text_.size() > text_limit_ && !truncate_)
          fail(make_error(ErrorCode::kProtocol, "body too long"), http::Stage::kBody);
        return;
      }
      while (size > 0 && !segments_.empty() && !over_) {
        auto& segment = segments_.front();
        const uint64_t piece = std::min<uint64_t>(size, segment.size());
        taken_ += piece;
        size -= piece;
        const auto into = segment.first(piece);
        const bool kept = segment.data() != nullptr;
        if (kept) std::memcpy(into.data(), from, piece);
        from += piece;
        segment = kept ? segment.subspan(piece)
                       : std::span<std::byte>(static_cast<std::byte*>(nullptr), segment.size() - piece);
        if (segment.empty()) segments_.erase(segments_.begin());
        if (kept && piece > 0) handler_->on_body(into);
      }
    }

    void end() {
      over_ = true;
      for (const net::TimerId timer : timers_) loop_.cancel_timer(timer);
      --client_.running;
      handler_keep_ = std::move(handler_);
      loop_.post([self = shared_from_this()] { self->handler_keep_.reset(); });
    }
    void finish() {
      http::Outcome outcome;
      outcome.request_may_have_arrived = true;
      outcome.text = text_.substr(0, text_limit_);
      outcome.body_bytes = taken_;
      outcome.peer = "10.0.0.1:80";
      end();
      handler_keep_->on_done(std::move(outcome));
    }
    void fail(Error error, http::Stage stage, bool stale = false) {
      http::Outcome outcome;
      outcome.error = std::move(error);
      outcome.stage = stage;
      outcome.stale_connection = stale;
      outcome.request_may_have_arrived = !stale && stage >= http::Stage::kSend;
      outcome.body_bytes = taken_;
      outcome.text = text_;
      end();
      handler_keep_->on_done(std::move(outcome));
    }

    FakeClient& client_;
    net::EventLoop& loop_;
    http::ExchangeLimits limits_;
    std::shared_ptr<http::ResponseHandler> handler_, handler_keep_;
    Reply reply_;
    std::vector<std::span<std::byte>> segments_;
    http::Stage stage_ = http::Stage::kFirstByte;
    uint64_t room_ = 0, taken_ = 0, text_limit_ = 0;
    std::string text_;
    std::vector<net::TimerId> timers_;
    bool into_text_ = false, truncate_ = false, over_ = false;
  };
};

}  // namespace s3dlio::test
