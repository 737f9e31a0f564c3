#include "core/redis/endpoint.hpp"

#include <catch2/catch.hpp>

namespace redis = call::redis;

TEST_CASE("redis.endpoint: a full URL is taken apart") {
  const auto endpoint = redis::parse_url("redis://app:p%40ss@cache.example:6400/3");
  REQUIRE(endpoint);
  CHECK(endpoint->address.host == "cache.example");
  CHECK(endpoint->address.port == 6400);
  CHECK(endpoint->user == "app");
  CHECK(endpoint->password.reveal() == "p@ss");
  CHECK(endpoint->database == 3);
}

TEST_CASE("redis.endpoint: what is left out has Redis's own defaults") {
  const auto endpoint = redis::parse_url("redis://:secret@");
  REQUIRE(endpoint);
  CHECK(endpoint->address.host == "127.0.0.1");
  CHECK(endpoint->address.port == 6379);
  CHECK(endpoint->user.empty());
  CHECK(endpoint->password.reveal() == "secret");
  CHECK(redis::parse_url("redis://[::1]:1234")->address.host == "::1");
  CHECK(redis::parse_url("redis://[::1]")->address.port == 6379);
}

TEST_CASE("redis.endpoint: a socket path may have a password and a database") {
  const auto endpoint = redis::parse_url("unix://:pw@/run/redis/my%20redis.sock?db=2");
  REQUIRE(endpoint);
  CHECK(endpoint->unix_path == "/run/redis/my redis.sock");
  CHECK(endpoint->password.reveal() == "pw");
  CHECK(endpoint->database == 2);
}

TEST_CASE("redis.endpoint: sentinels and the primary that they watch") {
  const auto endpoint =
      redis::parse_url("redis+sentinel://app:p%40ss@s1,s2:26380,[::1]:26381/calls/3");
  REQUIRE(endpoint);
  REQUIRE(endpoint->sentinels.size() == 3);
  CHECK(to_string(endpoint->sentinels[0]) == "s1:26379");
  CHECK(to_string(endpoint->sentinels[1]) == "s2:26380");
  CHECK(to_string(endpoint->sentinels[2]) == "[::1]:26381");
  CHECK(endpoint->primary == "calls");
  CHECK(endpoint->database == 3);
  CHECK(endpoint->user == "app");
  CHECK(endpoint->password.reveal() == "p@ss");
  CHECK(describe(*endpoint) == "redis+sentinel://s1:26379,s2:26380,[::1]:26381/calls/3");
}

TEST_CASE("redis.endpoint: sentinels without a primary, or too many of them, are refused") {
  std::string many = "s0";
  for (int i = 1; i <= 16; ++i) many += ",s" + std::to_string(i);
  for (const std::string& rest :
       {std::string("s1"), std::string("s1/"), std::string("s1//2"), std::string("/calls"),
        std::string("s1,,s2/calls"), std::string("s1:x/calls"), std::string("s1/calls/x"),
        many + "/m"}) {
    INFO(rest);
    REQUIRE_FALSE(redis::parse_url("redis+sentinel://" + rest));
  }
}

TEST_CASE("redis.endpoint: a bad URL is refused without repeating its password") {
  for (const char* bad : {"", "http://h", "redis://:secret@h:0", "redis://:secret@h:70000",
                          "redis://:secret@h/x", "redis://:secret@h/-1", "redis://:secret%4@h",
                          "redis://:secret@[::1", "unix://relative", "unix://", "unix:///a?x=1"}) {
    const auto endpoint = redis::parse_url(bad);
    INFO(bad);
    REQUIRE_FALSE(endpoint);
    CHECK(endpoint.error().code == call::Errc::invalid_argument);
    CHECK(endpoint.error().context.find("secret") == std::string::npos);
  }
}

TEST_CASE("redis.endpoint: its description has no credentials") {
  CHECK(describe(*redis::parse_url("redis://u:p@h:1/2")) == "redis://h:1/2");
  CHECK(describe(*redis::parse_url("redis://u:p@[::1]:1")) == "redis://[::1]:1");
  CHECK(describe(*redis::parse_url("unix://:p@/s?db=4")) == "unix:///s?db=4");
}
