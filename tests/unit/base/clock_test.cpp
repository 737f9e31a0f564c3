#include "core/base/clock.hpp"

#include <catch2/catch.hpp>

using namespace call;

TEST_CASE("base.clock: RFC 3339 text survives the round trip") {
  const auto time = parse_rfc3339("2026-11-23T21:56:03.123456Z");
  REQUIRE(time);
  CHECK(to_rfc3339(*time, 6) == "2026-11-23T21:56:03.123456Z");
  CHECK(to_rfc3339(*time) == "2026-11-23T21:56:03Z");
}

TEST_CASE("base.clock: an offset is taken into account") {
  CHECK(to_rfc3339(*parse_rfc3339("2026-11-23T23:56:03+02:00")) == "2026-11-23T21:56:03Z");
}

TEST_CASE("base.clock: nonsense is refused") {
  for (const auto* text : {"", "2026", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
                           "2026-11-23T25:00:00Z", "2026-11-23T21:56:03", "x026-11-23T21:56:03Z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_rfc3339(text));
  }
}

TEST_CASE("base.clock: RFC 2822, as Twilio writes it") {
  const auto time = parse_rfc2822("Tue, 31 Aug 2010 20:36:28 +0000");
  REQUIRE(time);
  CHECK(to_rfc2822(*time) == "Tue, 31 Aug 2010 20:36:28 +0000");
}
