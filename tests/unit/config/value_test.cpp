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

TEST_CASE("config.value: nothing of a password is shown, however it is written") {
  for (const char* url :
       {"postgresql://u:hun/ter2@h/db", "postgresql://u:hun@ter2@h/db", "redis://:hun/ter2@h:1/0",
        "postgresql://u:hun?ter2@h/db", "postgresql://u@h/db?password=hun ter2&x=1",
        "host=h password=hun ter2", "host=h password = 'hun ter2' user=u",
        "password='hun\\'ter2' host=h", "password=hun\\ ter2 host=h", "host=h password=hun\tter2",
        "password='hun ter2", "sslpassword=hun password=ter2"}) {
    const auto shown = mask_password(url);
    CAPTURE(url, shown);
    CHECK(shown.find("hun") == std::string::npos);
    CHECK(shown.find("ter2") == std::string::npos);
  }
  CHECK(mask_password("password='a b' host=h") == "password=*** host=h");
}

TEST_CASE(
    "config.value: an address of PostgreSQL that libpq would take apart elsewhere is refused "
    "unquoted") {
  for (const char* url : {"postgresql:///calld", "postgresql://u:hun%2Fter2@h:5432/db",
                          "postgresql://u:hun?ter2@h/db", "postgresql://u:hun#ter2@h1:1,h2:2/db",
                          "host=/run/postgresql dbname=d@d", "host=h password='hun ter2'", ""}) {
    CAPTURE(url);
    CHECK(check_database_url(url).ok());
  }
  for (const char* url : {"postgresql://u:100%hunter2@h/db", "postgresql://u:hun/ter2@h/db",
                          "postgresql://u:hun@ter2@h/db", "postgresql://u:1/ter2@h/db",
                          "password=hun ter2", "password='hun ter2", "hunter2"}) {
    const auto refused = check_database_url(url);
    CAPTURE(url);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().context.find("hun") == std::string::npos);
    CHECK(refused.error().context.find("ter2") == std::string::npos);
  }
}

}  // namespace
}  // namespace call::config
