#include "engine/credentials/fetch.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "engine/base/future.h"
#include "engine/net/event_loop.h"

namespace s3dlio {
namespace {

// Collects the answer and tells the one who waits.
class WholeAnswer final : public http::ResponseHandler {
 public:
  http::BodyTarget on_head(const http::ResponseHead& head) override {
    inner_answer_.status = head.status;
    return http::IntoString{};
  }
  void on_body(std::span<const std::byte> /*received*/) override {}
  void on_done(http::Outcome outcome) override {
    if (outcome.error) return inner_done_.set(std::move(*outcome.error));
    inner_answer_.body = std::move(outcome.text);
    inner_done_.set(std::move(inner_answer_));
  }
  Future<FetchAnswer> future() const { return inner_done_.future(); }

 private:
  FetchAnswer inner_answer_;
  Promise<FetchAnswer> inner_done_;
};

http::Request http_request_of(FetchRequest& wanted) {
  http::Request request;
  request.method = wanted.method;
  request.path = wanted.url.path;
  request.query = wanted.url.query;
  request.headers = std::move(wanted.headers);
  request.headers.set("Host", wanted.url.server.authority());
  request.document = std::move(wanted.body);
  return request;
}

Result<FetchAnswer> fetch(const std::string& ca_bundle, FetchRequest wanted) {
  auto started = net::LoopGroup::instance().start();
  if (!started) return started.error();
  http::ClientOptions options;
  options.ca_bundle = ca_bundle;
  options.connect_timeout = wanted.timeout;
  auto client = http::make_client(std::move(options));
  if (!client) return client.error();

  const auto handler = std::make_shared<WholeAnswer>();
  net::EventLoop& loop = net::LoopGroup::instance().next();
  http::ExchangeLimits limits;
  limits.first_byte_timeout = wanted.timeout;
  limits.deadline = net::Clock::now() + wanted.timeout;
  // The exchange is kept alive by its client, and the client by this function, which waits for the end.
  loop.post(
      [&] { static_cast<void>((*client)->start(loop, wanted.url.server, http_request_of(wanted), limits, handler)); });
  return handler->future().wait();
}

Error bad_url(const char* what) {
  return make_error(ErrorCode::kInvalidArgument,
                    std::string("the URL ") + what + "; expected http(s)://host[:port]/path");
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != '\x7F'; });
}

}  // namespace

Result<FetchUrl> parse_fetch_url(std::string_view url) {
  FetchUrl out;
  if (!is_plain(url)) return bad_url("holds a space, a control character or a letter that is not ASCII");
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    out.server.tls = false;
    out.server.port = 80;
    rest.remove_prefix(7);
  } else {
    return bad_url("does not begin with http:// or https://");
  }
  rest = rest.substr(0, rest.find('#'));
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, end);
  rest.remove_prefix(end);
  if (authority.find('@') != std::string_view::npos) return bad_url("holds a user name or password");
  const size_t question = rest.find('?');
  if (question != std::string_view::npos) out.query = rest.substr(question + 1);
  out.path = rest.substr(0, question);
  if (out.path.empty()) out.path = "/";

  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return bad_url("has an unclosed [");
    out.server.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    out.server.host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (out.server.host.empty()) return bad_url("has no host");
  if (!port.empty()) {
    port.remove_prefix(1);
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), out.server.port);
    if (parsed.ec != std::errc{} || parsed.ptr != port.data() + port.size() || out.server.port == 0) {
      return bad_url("has a port that is no number from 1 to 65535");
    }
  }
  return out;
}

Fetch fetch_over_http(std::string ca_bundle) {
  return [ca_bundle = std::move(ca_bundle)](FetchRequest request) { return fetch(ca_bundle, std::move(request)); };
}

}  // namespace s3dlio
