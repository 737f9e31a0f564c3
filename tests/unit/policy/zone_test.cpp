#include "core/policy/zone.hpp"

#include "tests/unit/policy/times.hpp"

namespace call::policy::test {

using std::chrono::hours;
using std::chrono::seconds;

namespace {

LocalTime local(std::string_view text) {
  return LocalTime(utc(text).time_since_epoch());
}
std::string first(std::string_view zone_name, std::string_view wall_clock) {
  return text(zone(zone_name)->first_instant(local(wall_clock)));
}

}  // namespace

TEST_CASE("clocks go forward and back on the days of the law") {
  CHECK(wall("America/New_York", "2026-03-08T06:59:59Z") == "2026-03-08T01:59:59Z");
  CHECK(wall("America/New_York", "2026-03-08T07:00:00Z") == "2026-03-08T03:00:00Z");
  CHECK(wall("America/New_York", "2026-11-01T05:59:59Z") == "2026-11-01T01:59:59Z");
  CHECK(wall("America/New_York", "2026-11-01T06:00:00Z") == "2026-11-01T01:00:00Z");
  CHECK(wall("Asia/Jerusalem", "2026-03-27T00:00:00Z") == "2026-03-27T03:00:00Z");
  CHECK(wall("Asia/Jerusalem", "2026-03-26T23:59:59Z") == "2026-03-27T01:59:59Z");
  CHECK(wall("Australia/Sydney", "2026-01-01T00:00:00Z") == "2026-01-01T11:00:00Z");
  CHECK(wall("Australia/Sydney", "2026-07-01T00:00:00Z") == "2026-07-01T10:00:00Z");
  CHECK(wall("Asia/Kathmandu", "2026-07-01T00:00:00Z") == "2026-07-01T05:45:00Z");
  CHECK(wall("UTC", "2026-07-01T00:00:00Z") == "2026-07-01T00:00:00Z");
}

TEST_CASE("the rule at the end of a zone's file goes on for ever") {
  CHECK(wall("America/New_York", "2099-07-01T12:00:00Z") == "2099-07-01T08:00:00Z");
  CHECK(wall("America/New_York", "2099-12-01T12:00:00Z") == "2099-12-01T07:00:00Z");
  CHECK(wall("Australia/Sydney", "2099-12-01T12:00:00Z") == "2099-12-01T23:00:00Z");
  CHECK(wall("Asia/Jerusalem", "2099-07-01T12:00:00Z") == "2099-07-01T15:00:00Z");
}

TEST_CASE("an hour that comes twice counts from its first pass, one left out from the change") {
  CHECK(first("America/New_York", "2026-11-01T01:30:00Z") == "2026-11-01T05:30:00Z");
  CHECK(first("America/New_York", "2026-03-08T02:30:00Z") == "2026-03-08T07:00:00Z");
  CHECK(first("America/New_York", "2026-06-01T09:00:00Z") == "2026-06-01T13:00:00Z");
  CHECK(first("Asia/Jerusalem", "2026-03-27T02:15:00Z") == "2026-03-27T00:00:00Z");
  CHECK(first("Pacific/Apia", "2011-12-30T12:00:00Z") == "2011-12-30T10:00:00Z");  // no such day
}

TEST_CASE("local time and back is the same instant, every hour of two years") {
  for (const auto* name : {"America/St_Johns", "Europe/London", "Asia/Jerusalem", "Asia/Kolkata",
                           "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago"}) {
    const auto there = zone(name);
    for (auto at = utc("2026-01-01T00:00:00Z"); at < utc("2028-01-01T00:00:00Z"); at += hours(1)) {
      const auto back = there->first_instant(there->local(at));
      const bool same_or_first_pass = back == at || (back < at && at - back <= hours(1));
      if (!same_or_first_pass || there->local(back) != there->local(at)) {
        FAIL(name << " at " << text(at) << " came back as " << text(back));
      }
    }
  }
}

TEST_CASE("POSIX rules") {
  const auto rule = parse_posix_rule("EST5EDT,M3.2.0,M11.1.0");
  REQUIRE(rule);
  CHECK(rule->standard == -5 * 3600);
  CHECK(rule->daylight == -4 * 3600);
  CHECK(rule->begin->time == 7200);
  const auto odd = parse_posix_rule("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0");
  REQUIRE(odd);
  CHECK(odd->standard == 37800);
  CHECK(odd->daylight == 39600);
  const auto israel = parse_posix_rule("IST-2IDT,M3.4.4/26,M10.5.0");
  REQUIRE(israel);
  CHECK(israel->begin->time == 26 * 3600);
  CHECK(parse_posix_rule("<-03>3")->standard == -3 * 3600);
  CHECK(parse_posix_rule("CET-1CEST,J60,J300/3")->begin->kind == DstRule::Kind::julian);
  for (const auto* text : {"", "E5", "EST", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M13.2.0,M11.1.0",
                           "EST5EDT,M3.6.0,M11.1.0", "EST5EDT,M3.2.0,M11.1.0x", "<+03"}) {
    INFO(text);
    CHECK_FALSE(parse_posix_rule(text));
  }
}

TEST_CASE("a zone that does not exist, and names that would leave the database") {
  for (const auto* name : {"Mars/Olympus", "", "/etc/passwd", "../../etc/passwd", "America",
                           "America/New_York/", "zone.tab"}) {
    INFO(name);
    const auto found = find_zone(name);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == Errc::not_found);
  }
}

TEST_CASE("broken zone files are refused, however they are cut") {
  CHECK_FALSE(Zone::parse("", "x"));
  CHECK_FALSE(Zone::parse("TZif", "x"));
  CHECK_FALSE(Zone::parse(std::string("TZif1") + std::string(39, '\0'), "x"));
  std::string claims_more = "TZif2" + std::string(15, '\0');
  for (int i = 0; i < 6; ++i) claims_more += std::string("\x7f\xff\xff\xff", 4);
  CHECK_FALSE(Zone::parse(claims_more, "x"));
}

}  // namespace call::policy::test
