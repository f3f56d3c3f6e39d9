// An S3 server that costs next to nothing: objects in memory, no signatures, a blocking thread per connection (a few
// hundred at most, all on loopback; one thread sleeps and wakes as cheaply as one epoll set, and the code reads top to
// bottom).
//
//   bench_server [--port N] [--cert FILE --key FILE] [--bucket NAME]... [--seed BUCKET/PREFIX,COUNT,SIZE]...
//                [--discard] [--verify] [--die-with-parent]
// Prints "ready PORT" when it listens. GET /-/ gives its counters as JSON.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "body.h"
#include "text.h"
#include "verbs.h"
#include "wire.h"

namespace s3dlio_bench {
namespace {

constexpr size_t kMaxHead = 64 << 10;

struct Seed {
  std::string bucket, prefix;
  size_t count = 0, size = 0;
};

struct Options {
  uint16_t port = 0;
  std::string cert, key;
  std::vector<std::string> buckets;
  std::vector<Seed> seeds;
  bool discard = false, verify = false, die_with_parent = false;
};

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "bench_server: %s\n", why.c_str());
  std::exit(2);
}

Seed parse_seed(std::string_view text) {
  const size_t slash = text.find('/');
  const size_t second = text.rfind(',');
  const size_t first = second == std::string_view::npos ? second : text.rfind(',', second - 1);
  if (slash == std::string_view::npos || first == std::string_view::npos || slash > first) {
    refuse("--seed takes BUCKET/PREFIX,COUNT,SIZE, got " + std::string(text));
  }
  const auto count = parse_number<size_t>(text.substr(first + 1, second - first - 1));
  const auto size = parse_number<size_t>(text.substr(second + 1));
  if (!count || !size) refuse("--seed: COUNT and SIZE are numbers, got " + std::string(text));
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1, first - slash - 1)), *count, *size};
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int at = 1; at < argc; ++at) {
    const std::string name = argv[at];
    const auto value = [&]() -> std::string {
      if (at + 1 >= argc) refuse(name + " needs a value");
      return argv[++at];
    };
    if (name == "--port") {
      options.port = parse_number<uint16_t>(value()).value_or(0);
    } else if (name == "--cert") {
      options.cert = value();
    } else if (name == "--key") {
      options.key = value();
    } else if (name == "--bucket") {
      options.buckets.push_back(value());
    } else if (name == "--seed") {
      options.seeds.push_back(parse_seed(value()));
    } else if (name == "--discard") {
      options.discard = true;
    } else if (name == "--verify") {
      options.verify = true;
    } else if (name == "--die-with-parent") {
      options.die_with_parent = true;
    } else {
      refuse("unknown option " + name);
    }
  }
  return options;
}

SSL_CTX* make_tls(const Options& options) {
  if (options.cert.empty()) return nullptr;
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context, options.cert.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    ERR_print_errors_fp(stderr);
    refuse("cannot read the certificate or its key");
  }
  return context;
}

int listen_on_loopback(uint16_t& port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 1024) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    refuse("cannot listen on port " + std::to_string(port) + ": " + std::strerror(errno));
  }
  port = ntohs(address.sin_port);
  return listener;
}

bool send_response(Wire& wire, const Response& response) {
  const std::string head = response.head();
  std::vector<std::span<const std::byte>> pieces{std::as_bytes(std::span(head)),
                                                 std::as_bytes(std::span(response.text))};
  for (const Slice& slice : response.slices) pieces.push_back(slice.bytes());
  return wire.write(pieces);
}

bool serve_one(Wire& wire, Verbs& verbs, bool discard) {
  const auto head = wire.read_until("\r\n\r\n", kMaxHead);
  if (!head) return false;
  auto request = parse_request(*head);
  if (!request) {
    send_response(wire, error_response(400, "BadRequest", "This is not a request"));
    return false;
  }
  if (lower(request->header("expect")) == "100-continue") {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const std::span<const std::byte> piece = std::as_bytes(std::span(kContinue));
    if (!wire.write({&piece, 1})) return false;
  }
  const bool carries_object = request->method == "PUT" && !request->key.empty();
  const BodyUse use = !carries_object ? BodyUse::kDocument : discard ? BodyUse::kDiscard : BodyUse::kKeep;
  if (!read_body(wire, *request, use)) return false;
  const bool last = lower(request->header("connection")) == "close";
  return send_response(wire, verbs.answer(*request)) && !last;
}

void serve(int fd, SSL_CTX* tls, Verbs& verbs, bool discard) {
  SSL* ssl = nullptr;
  if (tls != nullptr) {
    ssl = SSL_new(tls);
    SSL_set_fd(ssl, fd);
  }
  Wire wire(fd, ssl);
  if (ssl != nullptr && SSL_accept(ssl) != 1) return;
  ++verbs.stats.connections;
  while (serve_one(wire, verbs, discard)) {
  }
}

void accept_for_ever(int listener, SSL_CTX* tls, Verbs& verbs, bool discard) {
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread(serve, fd, tls, std::ref(verbs), discard).detach();
  }
}

}  // namespace
}  // namespace s3dlio_bench

int main(int argc, char** argv) {
  using namespace s3dlio_bench;
  const Options options = parse_options(argc, argv);
  signal(SIGPIPE, SIG_IGN);  // SSL_write to a closed connection
  if (options.die_with_parent) prctl(PR_SET_PDEATHSIG, SIGTERM);

  static Verbs verbs(options.verify);  // connection threads use it until the process ends
  for (const std::string& bucket : options.buckets) verbs.seed(bucket, "", 0, 1);
  for (const Seed& seed : options.seeds) verbs.seed(seed.bucket, seed.prefix, seed.count, seed.size);
  SSL_CTX* tls = make_tls(options);
  uint16_t port = options.port;
  const int listener = listen_on_loopback(port);
  std::printf("ready %u\n", port);
  std::fflush(stdout);
  accept_for_ever(listener, tls, verbs, options.discard);
}
