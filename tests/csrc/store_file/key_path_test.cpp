#include "engine/store/file/key_path.h"

#include <doctest/doctest.h>

using namespace s3dlio;
using namespace s3dlio::file;

TEST_CASE("a key is split into its folder and its name") {
  CHECK(parse_key("a")->folder == "");
  CHECK(parse_key("a")->name == "a");
  CHECK(parse_key("a/b c/ü.tar")->folder == "a/b c");
  CHECK(parse_key("a/b c/ü.tar")->name == "ü.tar");
  CHECK(parse_key("..a/...")->name == "...");
  CHECK(parse_key(".hidden").ok());
  CHECK(parse_key(std::string(1024, 'x')).ok());
}

TEST_CASE("keys that are no path below the root are refused") {
  for (const std::string key : {"", "/", "/etc/passwd", "a/", "a//b", "..", "../a", "a/..", "a/../b", ".", "./a",
                                "a/./b", "a/.", "//", ".s3dlio-tmp-1", "a/.s3dlio-tmp-1", ".s3dlio-tmp-1/a"}) {
    CAPTURE(key);
    const auto parsed = parse_key(key);
    REQUIRE(!parsed.ok());
    CHECK(parsed.error().code == ErrorCode::kInvalidArgument);
  }
  CHECK(!parse_key(std::string("a\0b", 3)).ok());
  CHECK(!parse_key(std::string(1025, 'x')).ok());
}

TEST_CASE("a prefix no key can have is known as such") {
  for (const std::string prefix : {"/", "//", "../", "a//", "a/../", "./", ".s3dlio-tmp-/"}) {
    CAPTURE(prefix);
    CHECK(no_key_starts_with(prefix));
  }
  for (const std::string prefix : {"", "a", "a/", "a/b", "..", "a/.."}) {
    CAPTURE(prefix);
    CHECK(!no_key_starts_with(prefix));  // ".." may begin "..x"
  }
}
