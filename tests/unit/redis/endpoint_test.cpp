#include "core/redis/endpoint.hpp"

#include <catch2/catch.hpp>

namespace redis = call::redis;

TEST_CASE("redis.endpoint: a full URL is taken apart") {
  const auto endpoint = redis::parse_url("redis://app:p%40ss@cache.example:6400/3");
  REQUIRE(endpoint);
  CHECK(endpoint->host == "cache.example");
  CHECK(endpoint->port == 6400);
  CHECK(endpoint->user == "app");
  CHECK(endpoint->password.reveal() == "p@ss");
  CHECK(endpoint->database == 3);
}

TEST_CASE("redis.endpoint: what is left out has Redis's own defaults") {
  const auto endpoint = redis::parse_url("redis://:secret@");
  REQUIRE(endpoint);
  CHECK(endpoint->host == "127.0.0.1");
  CHECK(endpoint->port == 6379);
  CHECK(endpoint->user.empty());
  CHECK(endpoint->password.reveal() == "secret");
  CHECK(redis::parse_url("redis://[::1]:1234")->host == "::1");
  CHECK(redis::parse_url("redis://[::1]")->port == 6379);
}

TEST_CASE("redis.endpoint: a socket path may have a password and a database") {
  const auto endpoint = redis::parse_url("unix://:pw@/run/redis/my%20redis.sock?db=2");
  REQUIRE(endpoint);
  CHECK(endpoint->unix_path == "/run/redis/my redis.sock");
  CHECK(endpoint->password.reveal() == "pw");
  CHECK(endpoint->database == 2);
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
