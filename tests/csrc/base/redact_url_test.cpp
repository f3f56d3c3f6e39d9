#include "engine/base/redact_url.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

using s3dlio::redact_url;

TEST_CASE("of a service's URL scheme, host, port and path are shown") {
  for (const std::string url : {"http://host:9000", "https://s3.eu-west-1.amazonaws.com/base/path", "host:9000", "host",
                                "http://[::1]:9000/a", "s3://bucket/", "", "http://h:0/", "http://a..b"}) {
    CHECK(redact_url(url) == url);
  }
  CHECK(redact_url("https://user:pw@host:9000/base") == "https://***@host:9000/base");
  CHECK(redact_url("user:pw@host") == "***@host");
  CHECK(redact_url("https://host/base?X-Amz-Security-Token=t") == "https://host/base?***");
  CHECK(redact_url("https://user:pw") == "https://user:***");
  CHECK(redact_url("http://h\r\nX: y") == "http://h??X:***");
  CHECK(redact_url("http://" + std::string(5000, 'h')).size() == 200);
}

TEST_CASE("a secret is hidden wherever people put one in a URL") {
  std::mt19937 random(5);
  const std::string marks = "/@:?#&=%[]+.~ \\";
  for (int i = 0; i < 2000; ++i) {
    std::string noise;
    for (size_t n = random() % 6; n > 0; --n) noise += marks[random() % marks.size()];
    const std::string secret = "Zq9x" + noise + "Zq9x";
    for (const std::string& url : {"https://user:" + secret + "@host/x", "user:" + secret + "@host", secret + "@host:1",
                                   "https://host/p?token=" + secret, "https://host#" + secret, "host?" + secret}) {
      CAPTURE(url);
      CHECK(redact_url(url).find("Zq9x") == std::string::npos);
    }
  }
}
