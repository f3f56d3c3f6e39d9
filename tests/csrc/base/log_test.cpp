#include "engine/base/log.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "sanitized.h"

using namespace s3dlio;

namespace {

// Fails when `secret` shows in what redact() makes of `text`.
void check_hidden(const std::string& text, const std::string& secret) {
  const std::string safe = redact(text);
  CHECK_MESSAGE(safe.find(secret) == std::string::npos, safe);
  CHECK_MESSAGE(safe.find("***") != std::string::npos, safe);
  CHECK_MESSAGE(redact(safe) == safe, "redacting twice changes the text: ", redact(safe));
}

struct SilentAtEnd {
  ~SilentAtEnd() { set_log_sink({}, LogLevel::kDebug); }
};

}  // namespace

TEST_CASE("text without secrets comes back as it was") {
  for (const std::string text :
       {"", "get s3://train/a.tar [0, 8388608): 3 attempts in 9.2 s, last 503 SlowDown; lower max_in_flight_bytes",
        "https://host:9000/bucket/key@2x.png?list-type=2&prefix=a%2Fb&continuation-token=abc", "http://[::1]:9000/a@b",
        "<Key>design: 50% done</Key> (signature does not match)", "user@example.org: hello"}) {
    CHECK(redact(text) == text);
  }
}

TEST_CASE("each named credential is hidden in each notation") {
  const std::string secret = "AKIA9+q/Zz.secret-VALUE_17";
  const std::vector<std::string> names = {"Authorization",
                                          "Proxy-Authorization",
                                          "x-amz-security-token",
                                          "X-Amz-Security-Token",
                                          "X-Amz-Signature",
                                          "X-Amz-Credential",
                                          "x-amz-server-side-encryption-customer-key",
                                          "X-Amz-S3session-Token",
                                          "x-amz-copy-source-server-side-encryption-customer-key",
                                          "sig",
                                          "X-Goog-Signature",
                                          "X-Goog-Credential",
                                          "aws_secret_access_key",
                                          "AWS_SESSION_TOKEN",
                                          "SecretAccessKey",
                                          "SessionToken",
                                          "AccountKey",
                                          "password",
                                          "access_token",
                                          "x-ms-encryption-key"};
  for (const std::string& name : names) {
    CAPTURE(name);
    check_hidden(name + ": " + secret, secret);
    check_hidden(name + ":" + secret + "\r\nhost: a", secret);
    check_hidden(name + "=" + secret, secret);
    check_hidden("https://h/b?a=1&" + name + "=" + secret + "&b=2", secret);
    check_hidden("{\"" + name + "\": \"" + secret + "\", \"x\": 1}", secret);
    check_hidden("{\\\"" + name + "\\\": \\\"" + secret + "\\\", \\\"x\\\": 1}", secret);
    check_hidden("{'" + name + "': '" + secret + "'}", secret);
    check_hidden("{b'" + name + "': b'" + secret + "'}", secret);
    check_hidden("{'" + name + "': ['" + secret + "']}", secret);
    check_hidden("[('" + name + "', '" + secret + "')]", secret);
    check_hidden("<" + name + ">" + secret + "</" + name + ">", secret);
    check_hidden("<" + name + ">\n" + secret + "\n</" + name + ">", secret);
    check_hidden("url=https%3A%2F%2Fh%3Fa%3D1%26" + name + "%3D" + secret + "%26b%3D2", secret);
    check_hidden("url=https%253a%252f%252Fh%253Fa%253d1%2526" + name + "%253d" + secret + "%2526b", secret);
  }
}

TEST_CASE("what is not the value stays readable") {
  CHECK(redact("GET /k?X-Amz-Signature=abc&partNumber=2 -> 403") == "GET /k?X-Amz-Signature=***&partNumber=2 -> 403");
  CHECK(redact("Authorization: AWS4-HMAC-SHA256 Credential=A/b, Signature=c\nHost: h") ==
        "Authorization: ***\nHost: h");
  CHECK(redact("{\"SessionToken\": \"a b,c\", \"Code\": \"Success\"}") ==
        "{\"SessionToken\": \"***\", \"Code\": \"Success\"}");
  CHECK(redact("AccountName=n;AccountKey=a+/=;EndpointSuffix=e") == "AccountName=n;AccountKey=***;EndpointSuffix=e");
  CHECK(redact("<SessionToken>a</SessionToken> hello") == "<SessionToken>***</SessionToken> hello");
}

TEST_CASE("credentials behind their scheme word are hidden") {
  check_hidden("sent Bearer eyJhbGciOi.J9 to h", "eyJhbGciOi.J9");
  check_hidden("SharedKey account:c2lnbmF0dXJl=", "c2lnbmF0dXJl=");
}

TEST_CASE("userinfo of a URL is hidden, also when its password holds delimiters") {
  CHECK(redact("http://user:pass@host:80/p") == "http://***@host:80/p");
  check_hidden("s3://AKIA:abc/d+f/gh@bucket/key", "abc");
  check_hidden("s3://AKIA:abc/d+f/gh@bucket/key", "d+f/gh");
  check_hidden("http://a:b?c@host/", "b?c");
  check_hidden("next=https%3A%2F%2Fuser%3Apass%40host%2Fx", "pass");
}

TEST_CASE("registered secrets are hidden in every spelling") {
  const std::string secret = "wJalr+XUtn/FEMI=K7MD~x";
  add_secret(secret);
  check_hidden("boom " + secret + " boom", secret);
  check_hidden("k=wJalr%2BXUtn%2FFEMI%3DK7MD~x", "FEMI");
  check_hidden("k=wJalr%2bXUtn/FEMI%3dK7MD%7Ex", "FEMI");
  check_hidden("k=wJalr%252BXUtn%252FFEMI%253DK7MD%257Ex", "FEMI");
  check_hidden("k=%77Jalr%2BXUtn%2FFEMI%3DK7MD~x", "FEMI");
  // base64 of "<lead>" + secret + "tail", made with Python's base64 module
  check_hidden("b64 d0phbHIrWFV0bi9GRU1JPUs3TUR+eA==", "WFV0bi9GRU1JPUs3TU");
  check_hidden("b64 dTp3SmFscitYVXRuL0ZFTUk9SzdNRH54", "YVXRuL0ZFTUk9SzdN");
  check_hidden("b64 dXNlcjp3SmFscitYVXRuL0ZFTUk9SzdNRH54", "YVXRuL0ZFTUk9SzdN");
  check_hidden("b64 YWI6d0phbHIrWFV0bi9GRU1JPUs3TUR+eHRhaWw=", "WFV0bi9GRU1JPUs3TU");
  check_hidden("b64 YWI6d0phbHIrWFV0bi9GRU1JPUs3TUR-eHRhaWw", "WFV0bi9GRU1JPUs3TU");
  check_hidden("b64 d0phbHIrWFV0bi9GRU1JPUs3TUR%2BeA%3D%3D", "WFV0bi9GRU1JPUs3TU");
}

TEST_CASE("overlapping secrets leave no fragment") {
  add_secret("Qwxyab");
  add_secret("abQQRt");
  CHECK(redact("<QwxyabQQRt>") == "<***>");
  add_secret("longer-Qwxyab");
  CHECK(redact("[longer-Qwxyab]") == "[***]");
}

TEST_CASE("a word of three letters is no secret") {
  add_secret("the");
  CHECK(redact("the end") == "the end");
}

TEST_CASE("random secrets in random notations never show") {
  std::mt19937 random(7);
  const std::string alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=_-.~%!$*";
  const std::vector<std::string> frames = {"",     "Authorization: ",         "http://u:", "a=", "%", "\"",
                                           "sig=", "x-amz-security-token: b'"};
  for (int round = 0; round < 2000; ++round) {
    std::string secret(4 + random() % 40, ' ');
    for (char& c : secret) c = alphabet[random() % alphabet.size()];
    add_secret(secret);
    const std::string text = frames[random() % frames.size()] + secret + frames[random() % frames.size()] + "tail";
    const std::string safe = redact(text);
    CHECK_MESSAGE(safe.find(secret) == std::string::npos, text, " -> ", safe);
  }
}

TEST_CASE("random bytes are never read past their end") {
  std::mt19937 random(11);
  const std::string pieces[] = {"%",  "%2", "%25", "%3D", "sig", "=",       ":",  "://", "@",
                                "\"", "'",  "\\",  "<",   ">",   "Bearer ", "b'", "[",   "\n"};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t i = random() % 12; i > 0; --i) text += pieces[random() % std::size(pieces)];
    const std::string exact(text.data(), text.size());
    redact(std::string_view(std::vector<char>(exact.begin(), exact.end()).data(), exact.size()));
  }
}

TEST_CASE("without a sink nothing is enabled; with one, what is low stays out and what passes is redacted") {
  const SilentAtEnd silent;
  CHECK(!log_enabled(LogLevel::kError));
  std::vector<std::string> heard;
  set_log_sink([&](LogLevel, std::string_view message) { heard.emplace_back(message); }, LogLevel::kInfo);
  CHECK(log_enabled(LogLevel::kInfo));
  CHECK(!log_enabled(LogLevel::kDebug));
  log(LogLevel::kDebug, "low");
  log(LogLevel::kWarning, "sig=abc&x");
  CHECK(heard == std::vector<std::string>{"sig=***&x"});
  set_log_sink([](LogLevel, std::string_view) { throw std::runtime_error("sink"); }, LogLevel::kInfo);
  log(LogLevel::kError, "survives a failing sink");
}

TEST_CASE("the sink may be replaced while others log") {
  const SilentAtEnd silent;
  std::atomic<bool> stop{false};
  std::atomic<int> heard{0};
  std::vector<std::jthread> loggers;
  set_log_sink([&](LogLevel, std::string_view) {}, LogLevel::kDebug);
  for (int i = 0; i < 3; ++i) {
    loggers.emplace_back([&] {
      while (!stop) log(LogLevel::kInfo, "hello");
    });
  }
  for (int round = 0; round < 500; ++round) {
    auto owned = std::make_shared<std::string>("state of sink " + std::to_string(round));
    set_log_sink([&heard, owned](LogLevel, std::string_view) { heard += owned->size() > 0; }, LogLevel::kDebug);
    if (round % 50 == 0) set_log_sink({}, LogLevel::kDebug);
    add_secret("secret-number-" + std::to_string(round));
  }
  while (heard == 0) log(LogLevel::kInfo, "once more");
  stop = true;
}

TEST_CASE("a child forked while others log and register secrets can log at once" * doctest::skip(kSanitized)) {
  const SilentAtEnd silent;
  std::atomic<bool> stop{false};
  set_log_sink([](LogLevel, std::string_view) {}, LogLevel::kDebug);
  std::jthread logger([&] {
    for (uint64_t i = 0; !stop; ++i) {
      log(LogLevel::kInfo, "busy");
      set_log_sink([](LogLevel, std::string_view) {}, LogLevel::kDebug);
      add_secret("forked-secret-" + std::to_string(i % 300));
    }
  });
  for (int round = 0; round < 50; ++round) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      alarm(10);  // a lock left behind by the parent's thread would hang here
      add_secret("of-the-child");
      set_log_sink([](LogLevel, std::string_view) {}, LogLevel::kDebug);
      log(LogLevel::kInfo, "of-the-child");
      _exit(redact("of-the-child") == "***" ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  stop = true;
}
