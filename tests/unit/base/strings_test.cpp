#include "core/base/strings.hpp"

#include <catch2/catch.hpp>

using namespace call;

TEST_CASE("base.strings: UTF-8 validity") {
  CHECK(is_valid_utf8("שלום 🙂 é"));
  CHECK_FALSE(is_valid_utf8("\xc0\xaf"));      // overlong
  CHECK_FALSE(is_valid_utf8("\xed\xa0\x80"));  // surrogate
  CHECK_FALSE(is_valid_utf8("\xe9"));          // Latin-1
  CHECK(to_valid_utf8("a\xe9z") == "a\xef\xbf\xbdz");
}

TEST_CASE("base.strings: a cut never splits a character") {
  CHECK(truncate_utf8("aé", 2) == "a");
  CHECK(truncate_utf8("aé", 3) == "aé");
}

TEST_CASE("base.strings: numbers are whole or nothing") {
  CHECK(parse_number<int>("42") == 42);
  CHECK_FALSE(parse_number<int>("42x"));
  CHECK_FALSE(parse_number<int>(""));
  CHECK_FALSE(parse_number<unsigned char>("256"));
}
