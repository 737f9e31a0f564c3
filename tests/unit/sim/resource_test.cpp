// The simulator's documents against Twilio's published description (schema api.v2010.account.call
// of 2010-04-01).
#include "core/sim/resource.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "core/json/json.hpp"

using namespace call;
using namespace call::sim;

namespace {

const std::string kAccount = "AC" + std::string(32, '1');

/// Field names and types; every field may be null.
enum class Type { text, sid, time, status, uris };
const std::vector<std::pair<std::string, Type>> kSchema{
    {"sid", Type::sid},
    {"date_created", Type::time},
    {"date_updated", Type::time},
    {"parent_call_sid", Type::sid},
    {"account_sid", Type::sid},
    {"to", Type::text},
    {"to_formatted", Type::text},
    {"from", Type::text},
    {"from_formatted", Type::text},
    {"phone_number_sid", Type::sid},
    {"status", Type::status},
    {"start_time", Type::time},
    {"end_time", Type::time},
    {"duration", Type::text},
    {"price", Type::text},
    {"price_unit", Type::text},
    {"direction", Type::text},
    {"answered_by", Type::text},
    {"api_version", Type::text},
    {"forwarded_from", Type::text},
    {"group_sid", Type::sid},
    {"caller_name", Type::text},
    {"queue_time", Type::text},
    {"trunk_sid", Type::sid},
    {"uri", Type::text},
    {"subresource_uris", Type::uris},
};
const std::set<std::string> kStatuses{"queued", "ringing", "in-progress", "completed",
                                      "busy",   "failed",  "no-answer",   "canceled"};

void check_resource(const Json& call) {
  REQUIRE(call.is_object());
  for (const auto& [name, type] : kSchema) {
    INFO(name);
    REQUIRE(call.contains(name));
    const auto& value = call[name];
    if (value.is_null()) continue;
    if (type == Type::uris) {
      REQUIRE(value.is_object());
      for (const auto& [key, uri] : value.items())
        REQUIRE(uri.get<std::string>().starts_with("/2010-04-01/"));
      continue;
    }
    REQUIRE(value.is_string());
    const auto text = value.get<std::string>();
    if (type == Type::sid) REQUIRE(text.size() == 34);
    if (type == Type::time) REQUIRE(parse_rfc2822(text));
    if (type == Type::status) REQUIRE(kStatuses.count(text) == 1);
  }
  REQUIRE(call.size() == kSchema.size());
}

CallState example() {
  CallState call;
  call.sid = "CA" + std::string(32, 'b');
  call.request.to = "+12025550101";
  call.request.from = "+972501234567";
  call.created = call.updated = *parse_rfc3339("2026-11-23T21:56:03Z");
  return call;
}

Json parsed(const std::string& text) {
  return json::parse(text).value();
}

}  // namespace

TEST_CASE(
    "sim.resource: a call has every field of Twilio's schema, with its type, in every state") {
  auto call = example();
  for (const auto status : {carrier::CallStatus::queued, carrier::CallStatus::initiated,
                            carrier::CallStatus::ringing, carrier::CallStatus::in_progress,
                            carrier::CallStatus::busy, carrier::CallStatus::completed}) {
    call.status = status;
    check_resource(parsed(call_resource(call, kAccount)));
  }
}

TEST_CASE(
    "sim.resource: durations are whole seconds in a string, times RFC 2822, numbers formatted") {
  auto call = example();
  call.status = carrier::CallStatus::completed;
  call.answered = call.created + std::chrono::milliseconds(1000);
  call.ended = call.created + std::chrono::milliseconds(17100);
  call.queue_time = std::chrono::milliseconds(1500);
  call.answered_by = carrier::AnsweredBy::human;
  const auto json = parsed(call_resource(call, kAccount));
  REQUIRE(json["duration"] == "17");
  REQUIRE(json["queue_time"] == "1500");
  REQUIRE(json["answered_by"] == "human");
  REQUIRE(json["direction"] == "outbound-api");
  REQUIRE(json["date_created"] == "Mon, 23 Nov 2026 21:56:03 +0000");
  REQUIRE(json["to_formatted"] == "(202) 555-0101");
  REQUIRE(json["from_formatted"] == "+972501234567");
  REQUIRE(json["uri"] == "/2010-04-01/Accounts/" + kAccount + "/Calls/" + call.sid + ".json");
}

TEST_CASE("sim.resource: an initiated call is queued for the REST API") {
  auto call = example();
  call.status = carrier::CallStatus::initiated;
  REQUIRE(parsed(call_resource(call, kAccount))["status"] == "queued");
}

TEST_CASE("sim.resource: a page has the fields of Twilio's lists") {
  Page page;
  page.calls = {std::make_shared<CallState>(example())};
  page.first_uri = page.this_uri = "/2010-04-01/x";
  const auto json = parsed(page_resource(page, kAccount));
  for (const char* number : {"end", "page", "page_size", "start"})
    REQUIRE(json[number].is_number_integer());
  REQUIRE(json["first_page_uri"].is_string());
  REQUIRE(json["uri"].is_string());
  REQUIRE(json["next_page_uri"].is_null());
  REQUIRE(json["previous_page_uri"].is_null());
  REQUIRE(json.size() == 9);
  check_resource(json["calls"][0]);
}

TEST_CASE("sim.resource: the report adds calls up and gives percentiles") {
  auto one = example();
  one.status = carrier::CallStatus::completed;
  one.summary.gaps = 2;
  one.summary.longest_gap_ms = 80;
  one.summary.turn_gap_ms = {100, 300};
  one.summary.warnings = {{31921, "closed"}};
  auto two = example();
  two.status = carrier::CallStatus::busy;
  two.summary.turn_gap_ms = {200};
  two.summary.longest_gap_ms = 60;
  const auto json = parsed(
      report({std::make_shared<CallState>(one), std::make_shared<CallState>(two)}, {100, 1, 12}));
  REQUIRE(json["calls"] == 2);
  REQUIRE(json["by_status"]["completed"] == 1);
  REQUIRE(json["by_status"]["busy"] == 1);
  REQUIRE(json["gaps"] == 2);
  REQUIRE(json["longest_gap_ms"] == 80);
  REQUIRE(json["turn_gap_ms"]["p50"] == 200);
  REQUIRE(json["turn_gap_ms"]["max"] == 300);
  REQUIRE(json["barge_in_stop_ms"].is_null());
  REQUIRE(json["warnings"]["31921"] == 1);
  REQUIRE(json["clock"]["late_frames"] == 1);
}
