#include "core/policy/hours.hpp"

#include "tests/unit/policy/times.hpp"

namespace call::policy::test {
namespace {

using std::chrono::April;
using std::chrono::day;
using std::chrono::December;
using std::chrono::year;

Hours every_day(const char* span) {
  Hours hours;
  for (auto& spans : hours.week) spans = {*parse_span(span)};
  return hours;
}

std::string opens(const Hours& hours, std::initializer_list<const char*> names, const char* from) {
  Zones zones;
  for (const auto* name : names) zones.push_back(zone(name));
  const auto found = next_open(hours, zones, utc(from));
  return found ? text(*found) : "never";
}

}  // namespace

TEST_CASE("a span holds its first minute and not its last") {
  const auto hours = every_day("08:00-21:00");
  const auto new_york = zone("America/New_York");
  CHECK_FALSE(is_open(hours, *new_york, utc("2026-06-01T11:59:59Z")));
  CHECK(is_open(hours, *new_york, utc("2026-06-01T12:00:00Z")));
  CHECK(is_open(hours, *new_york, utc("2026-06-02T00:59:59Z")));
  CHECK_FALSE(is_open(hours, *new_york, utc("2026-06-02T01:00:00Z")));
}

TEST_CASE("the next opening is the callee's morning, on both sides of a change of the clocks") {
  const auto hours = every_day("08:00-21:00");
  CHECK(opens(hours, {"America/New_York"}, "2026-03-07T02:00:00Z") == "2026-03-07T13:00:00Z");
  CHECK(opens(hours, {"America/New_York"}, "2026-03-08T02:00:00Z") == "2026-03-08T12:00:00Z");
  CHECK(opens(hours, {"America/New_York"}, "2026-10-31T02:00:00Z") == "2026-10-31T12:00:00Z");
  CHECK(opens(hours, {"America/New_York"}, "2026-11-01T02:00:00Z") == "2026-11-01T13:00:00Z");
}

TEST_CASE("a span inside the hour that is left out opens on the next day") {
  const auto hours = every_day("02:00-02:45");
  CHECK(opens(hours, {"America/New_York"}, "2026-03-08T06:00:00Z") == "2026-03-09T06:00:00Z");
}

TEST_CASE("an hour that comes twice is open twice") {
  const auto hours = every_day("01:00-02:00");
  const auto new_york = zone("America/New_York");
  CHECK(is_open(hours, *new_york, utc("2026-11-01T05:30:00Z")));
  CHECK(is_open(hours, *new_york, utc("2026-11-01T06:30:00Z")));
  CHECK_FALSE(is_open(hours, *new_york, utc("2026-11-01T07:00:00Z")));
}

TEST_CASE("several zones are open only when all of them are") {
  const auto hours = every_day("08:00-21:00");
  // 8:00 in Los Angeles is 11:00 in New York; 21:00 in New York ends both.
  CHECK(opens(hours, {"America/New_York", "America/Los_Angeles"}, "2026-06-01T12:30:00Z") ==
        "2026-06-01T15:00:00Z");
  CHECK(opens(hours, {"America/New_York", "America/Los_Angeles"}, "2026-06-02T01:30:00Z") ==
        "2026-06-02T15:00:00Z");
  CHECK(text(closes_at(hours, {zone("America/New_York"), zone("America/Los_Angeles")},
                       utc("2026-06-01T16:00:00Z"))) == "2026-06-02T01:00:00Z");
  // Nine to ten here and there never meet.
  CHECK(opens(every_day("09:00-10:00"), {"Asia/Jerusalem", "America/New_York"},
              "2026-06-01T00:00:00Z") == "never");
}

TEST_CASE("days without hours are passed over") {
  Hours hours;
  hours.week[0] = {*parse_span("09:00-12:00"), *parse_span("13:00-17:00")};  // Mondays
  CHECK(opens(hours, {"Europe/London"}, "2026-06-02T00:00:00Z") == "2026-06-08T08:00:00Z");
  CHECK(opens(hours, {"Europe/London"}, "2026-06-08T11:00:00Z") == "2026-06-08T12:00:00Z");
  CHECK(opens(Hours(), {"Europe/London"}, "2026-06-02T00:00:00Z") == "never");
}

TEST_CASE("holidays close, of one year or of every year, and may keep shorter hours") {
  auto hours = every_day("09:00-17:00");
  hours.yearly[December / day(25)] = {"Christmas Day", {}};
  hours.yearly[December / day(24)] = {"Christmas Eve", {*parse_span("09:00-12:00")}};
  hours.holidays[year(2026) / April / day(6)] = {"Easter Monday", {}};
  CHECK(opens(hours, {"Europe/London"}, "2026-12-24T13:00:00Z") == "2026-12-26T09:00:00Z");
  CHECK(opens(hours, {"Europe/London"}, "2027-12-25T00:00:00Z") == "2027-12-26T09:00:00Z");
  CHECK(opens(hours, {"Europe/London"}, "2026-04-06T09:00:00Z") == "2026-04-07T08:00:00Z");
  CHECK(opens(hours, {"Europe/London"}, "2027-04-06T09:00:00Z") == "2027-04-06T09:00:00Z");
  hours.holidays[year(2028) / December / day(25)] = {"not this year", {*parse_span("10:00-11:00")}};
  CHECK(opens(hours, {"Europe/London"}, "2028-12-25T00:00:00Z") == "2028-12-25T10:00:00Z");
}

TEST_CASE("spans that are none") {
  for (const auto* text : {"", "9-17", "09:00", "09:00-09:00", "17:00-09:00", "09:00-24:01",
                           "09:60-10:00", "09:00-10:00 ", "aa:bb-cc:dd"}) {
    INFO(text);
    CHECK_FALSE(parse_span(text));
  }
  CHECK(to_string(*parse_span("00:00-24:00")) == "00:00-24:00");
}

}  // namespace call::policy::test
