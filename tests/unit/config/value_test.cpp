#include "core/config/value.hpp"

#include <catch2/catch.hpp>

namespace call::config {
namespace {

TEST_CASE("config.value: durations need a unit") {
  CHECK(parse_duration("500ms") == Millis(500));
  CHECK(parse_duration("30s") == Millis(30000));
  CHECK(parse_duration("5m") == Millis(300000));
  CHECK(parse_duration("2h") == Millis(7200000));
  CHECK(parse_duration("1d") == Millis(86400000));
  for (const char* bad : {"", "5", "s", "-1s", "1.5s", "1 s", "99999999999999999999s", "5w"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
}

TEST_CASE("config.value: sizes are bytes or powers of 1024") {
  CHECK(parse_size("512") == 512);
  CHECK(parse_size("64K") == 65536);
  CHECK(parse_size("2G") == std::int64_t{2} << 30);
  for (const char* bad : {"", "K", "-1", "1k", "9999999999999G", "1.5M"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_size(bad));
  }
}

TEST_CASE("config.value: addresses need host and port") {
  CHECK(parse_listen("127.0.0.1:0")->port == 0);
  CHECK(parse_listen("[::1]:65535")->to_string() == "[::1]:65535");
  CHECK(parse_listen("localhost:80")->is_loopback());
  CHECK_FALSE(parse_listen("0.0.0.0:80")->is_loopback());
  CHECK_FALSE(parse_listen("127.evil.example:80")->is_loopback());
  for (const char* bad : {"", ":80", "host", "host:", "host:65536", "::1:80", "ho st:1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_listen(bad));
  }
}

TEST_CASE("config.value: passwords in URLs are not shown") {
  CHECK(mask_password("redis://:hunter2@host:6379/0") == "redis://:***@host:6379/0");
  CHECK(mask_password("postgresql://u:p@ss@h/db") == "postgresql://u:***@h/db");
  CHECK(mask_password("postgresql:///calld") == "postgresql:///calld");
  CHECK(mask_password("redis://host:6379") == "redis://host:6379");
  CHECK(mask_password("host=x password=y user=z") == "host=x password=*** user=z");
  CHECK(mask_password("postgresql:///db?user=a&password=y&x=1") ==
        "postgresql:///db?user=a&password=***&x=1");
}

}  // namespace
}  // namespace call::config
