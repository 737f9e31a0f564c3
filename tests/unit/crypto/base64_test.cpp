#include "core/crypto/base64.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <utility>

using namespace call::crypto;

TEST_CASE("crypto.base64: the vectors of RFC 4648 in both directions") {
  using Vector = std::pair<const char*, const char*>;
  for (const auto& [plain, coded] :
       {Vector{"", ""}, Vector{"f", "Zg=="}, Vector{"fo", "Zm8="}, Vector{"foo", "Zm9v"},
        Vector{"foob", "Zm9vYg=="}, Vector{"fooba", "Zm9vYmE="}, Vector{"foobar", "Zm9vYmFy"}}) {
    CAPTURE(plain);
    CHECK(base64_encode(plain) == coded);
    CHECK(base64_decode(coded) == plain);
  }
}

TEST_CASE("crypto.base64: every byte value survives, at every length up to a block and beyond") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes += static_cast<char>(i);
    REQUIRE(base64_decode(base64_encode(bytes)) == bytes);
    REQUIRE(base64url_decode(base64url_encode(bytes)) == bytes);
  }
}

TEST_CASE("crypto.base64: wrong text is refused") {
  for (const auto* text : {"Z", "Zg", "Zg=", "Zg===", "====", "Z===", "Zm9v=", "Zm9 ", "Zm9v\n",
                           "=Zg=", "Zh==", "Zm9=", "Zm-_", "Zg==Zg=="}) {
    CAPTURE(text);
    CHECK_FALSE(base64_decode(text));
  }
}

TEST_CASE("crypto.base64: the URL alphabet has no padding and does not mix with the other") {
  CHECK(base64url_encode("\xfb\xff\xfe") == "-__-");
  CHECK(base64_encode("\xfb\xff\xfe") == "+//+");
  CHECK(base64url_encode("f") == "Zg");
  CHECK(base64url_decode("Zg") == "f");
  CHECK_FALSE(base64url_decode("Zg=="));
  CHECK_FALSE(base64url_decode("+//+"));
  CHECK_FALSE(base64url_decode("Z"));
}

TEST_CASE("crypto.base64: a buffer is reused") {
  std::string out = "x";
  base64_append(out, "foo");
  CHECK(out == "xZm9v");
  REQUIRE(base64_decode_into(out, "Zg=="));
  CHECK(out == "f");
  CHECK_FALSE(base64_decode_into(out, "Zg"));
}
