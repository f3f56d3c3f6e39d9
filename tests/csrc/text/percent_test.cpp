#include "engine/text/percent.h"

#include <doctest/doctest.h>

using namespace s3dlio::text;

TEST_CASE("every byte but the unreserved ones is encoded") {
  CHECK(encoded("AZaz09-._~") == "AZaz09-._~");
  CHECK(encoded("a/b c+d") == "a%2Fb%20c%2Bd");
  CHECK(encoded("a//../b c", Slash::kKeep) == "a//../b%20c");
  CHECK(encoded("\u00fc\x7f") == "%C3%BC%7F");
  CHECK(encoded(std::string_view("\0\r\n", 3)) == "%00%0D%0A");
}

TEST_CASE("decoding gives any bytes back") {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(decoded(encoded(all)) == all);
  CHECK(decoded(encoded(all, Slash::kKeep), true) == all);
  CHECK(decoded("a+b%2b") == "a+b+");
  CHECK(decoded("a+b%2b", true) == "a b+");
}

TEST_CASE("a broken escape is an error") {
  for (const auto* text : {"%", "%4", "a%", "%zz", "%4g", "%%41"}) CHECK_FALSE(decoded(text));
}
