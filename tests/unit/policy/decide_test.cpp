#include "core/policy/decide.hpp"

#include "tests/unit/policy/times.hpp"

namespace call::policy::test {
namespace {

Policy policy_of(std::string_view toml) {
  const auto json = policy_from_toml(toml, "test");
  if (!json) FAIL(json.error().to_string());
  return *parse_policy(*json);
}

Facts facts(const char* now, const char* number = "+12125550123") {
  Facts out;
  out.now = utc(now);
  out.number = number;
  return out;
}

const char* const kDaytime = "[hours]\nmon-sun = [\"08:00-21:00\"]\n";

}  // namespace

TEST_CASE("without rules everything goes") {
  CHECK(decide(Policy(), facts("2026-06-01T03:00:00Z")).verdict == Verdict::go);
}

TEST_CASE("outside the hours it waits for the callee's morning") {
  const auto decision = decide(policy_of(kDaytime), facts("2026-06-01T03:00:00Z"));
  CHECK(decision.verdict == Verdict::wait);
  CHECK(decision.reason == "window");
  CHECK(text(decision.at) == "2026-06-01T12:00:00Z");
  CHECK(decision.detail.find("Sun 23:00 America/New_York (closed)") != std::string::npos);
  CHECK(decision.detail.find("zone by the number") != std::string::npos);
}

TEST_CASE("a zone that is known of the callee beats the number's") {
  auto moved = facts("2026-06-01T03:00:00Z");  // 23:00 in New York, 20:00 in Los Angeles
  moved.zone = "America/Los_Angeles";
  CHECK(decide(policy_of(kDaytime), moved).verdict == Verdict::go);
}

TEST_CASE("a number without a zone is never called under hours, nor one with a zone that is none") {
  const auto policy = policy_of(kDaytime);
  const auto satellite = decide(policy, facts("2026-06-01T15:00:00Z", "+999123456789"));
  CHECK(satellite.verdict == Verdict::never);
  CHECK(satellite.reason == "zone_unknown");
  auto wrong = facts("2026-06-01T15:00:00Z");
  wrong.zone = "Mars/Olympus";
  CHECK(decide(policy, wrong).reason == "zone_unknown");
}

TEST_CASE("a toll-free number waits until all of its country is awake") {
  const auto decision = decide(policy_of(kDaytime), facts("2026-06-01T15:00:00Z", "+18005550123"));
  CHECK(decision.verdict == Verdict::wait);
  CHECK(text(decision.at) == "2026-06-01T22:00:00Z");  // 8:00 on Guam
}

TEST_CASE("do not call is for ever, whatever else holds") {
  auto listed = facts("2026-06-01T15:00:00Z");
  listed.dnc = "+1212*";
  const auto decision = decide(policy_of(kDaytime), listed);
  CHECK(decision.verdict == Verdict::never);
  CHECK(decision.reason == "dnc");
}

TEST_CASE("caps count in a rolling window") {
  const auto policy = policy_of(
      "[attempts]\nper_number = [{calls = 2, within = \"24h\"}, {calls = 3, within = \"7d\"}]");
  auto known = facts("2026-06-05T12:00:00Z");
  known.calls = {{utc("2026-06-05T09:00:00Z")}};
  CHECK(decide(policy, known).verdict == Verdict::go);
  known.calls.push_back({utc("2026-06-04T13:00:00Z")});
  auto decision = decide(policy, known);
  CHECK(decision.reason == "cap");
  CHECK(text(decision.at) == "2026-06-05T13:00:00Z");
  known.calls.push_back({utc("2026-06-01T10:00:00Z")});
  decision = decide(policy, known);
  CHECK(text(decision.at) == "2026-06-08T10:00:00Z");  // the longer wait
  known.now = utc("2026-06-05T12:59:59Z");
  CHECK(decide(policy, known).verdict == Verdict::wait);
  known.now = utc("2026-06-08T10:00:00Z");
  CHECK(decide(policy, known).verdict == Verdict::go);
}

TEST_CASE("rest after a conversation and after an abandoned call") {
  const auto policy =
      policy_of("[attempts]\nafter_conversation = \"7d\"\nafter_abandoned = \"72h\"");
  auto known = facts("2026-06-05T12:00:00Z");
  known.calls = {{utc("2026-06-05T11:00:00Z")}, {utc("2026-06-01T10:00:00Z"), true, false}};
  auto decision = decide(policy, known);
  CHECK(decision.reason == "after_conversation");
  CHECK(text(decision.at) == "2026-06-08T10:00:00Z");
  known.calls = {{utc("2026-06-04T12:00:00Z"), false, true}};
  decision = decide(policy, known);
  CHECK(decision.reason == "after_abandoned");
  CHECK(text(decision.at) == "2026-06-07T12:00:00Z");
}

TEST_CASE("a rest that ends at night goes on until the morning") {
  const auto policy = policy_of(std::string(kDaytime) + "[attempts]\nafter_conversation = \"12h\"");
  auto known = facts("2026-06-01T15:00:00Z");
  known.calls = {{utc("2026-06-01T14:00:00Z"), true, false}};  // until 22:00 in New York
  const auto decision = decide(policy, known);
  CHECK(decision.reason == "after_conversation");
  CHECK(text(decision.at) == "2026-06-02T12:00:00Z");
}

TEST_CASE("a registry that was never read, or long ago, stops everything") {
  const auto policy = policy_of("[registry]\nname = \"us-ftc\"\nat_most_old = \"31d\"");
  auto known = facts("2026-06-05T12:00:00Z");
  CHECK(decide(policy, known).reason == "registry_stale");
  known.registry_read_at = utc("2026-05-04T12:00:00Z");
  CHECK(decide(policy, known).verdict == Verdict::wait);
  known.registry_read_at = utc("2026-05-06T12:00:00Z");
  CHECK(decide(policy, known).verdict == Verdict::go);
}

TEST_CASE("a holiday says that it is one") {
  const auto policy =
      policy_of(std::string(kDaytime) + "[holidays]\n\"12-25\" = \"Christmas Day\"");
  const auto decision = decide(policy, facts("2026-12-25T15:00:00Z"));
  CHECK(decision.reason == "holiday");
  CHECK(decision.detail.find("Christmas Day") != std::string::npos);
  CHECK(text(decision.at) == "2026-12-26T13:00:00Z");
}

TEST_CASE("hours that never meet are a refusal, not an endless wait") {
  const auto decision = decide(policy_of("[hours]\nmon = [\"09:00-09:30\"]"),
                               facts("2026-06-01T15:00:00Z", "+18005550123"));
  CHECK(decision.verdict == Verdict::never);
  CHECK(decision.reason == "no_hours");
}

}  // namespace call::policy::test
