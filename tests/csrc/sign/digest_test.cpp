#include "engine/sign/digest.h"

#include <doctest/doctest.h>

using namespace s3dlio::sign;

TEST_CASE("SHA-256 of the standard's messages") {
  CHECK(hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(sha256(bytes_of("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 pieces;
  for (int i = 0; i < 1000000; ++i) pieces.update("a");
  CHECK(hex(pieces.digest()) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("HMAC of RFC 4231, short, block-sized and long keys") {
  CHECK(hex(HmacKey("Jefe").sign("what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(HmacKey(std::string(20, '\x0b')).sign("Hi There")) ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(hex(HmacKey(std::string(131, '\xaa')).sign("Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("a key signs any number of messages") {
  const HmacKey key("Jefe");
  const auto first = key.sign("x");
  CHECK(key.sign("y") != first);
  CHECK(key.sign("x") == first);
}

TEST_CASE("MD5 and base64") {
  CHECK(md5_base64({}) == "1B2M2Y8AsgTpgAmY7PhCfg==");
  CHECK(md5_base64(bytes_of("abc")) == "kAFQmDzST7DWlj99KOF/cg==");
  CHECK(base64(bytes_of("f")) == "Zg==");
  CHECK(base64(bytes_of("foobar")) == "Zm9vYmFy");
  CHECK(base64({}).empty());
}
