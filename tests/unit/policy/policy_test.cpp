#include "core/policy/policy.hpp"

#include <catch2/catch.hpp>

#include "core/base/strings.hpp"

namespace call::policy {
namespace {

std::string error_of(std::string_view toml) {
  const auto parsed = policy_from_toml(toml, "p.toml");
  REQUIRE_FALSE(parsed);
  return parsed.error().context;
}

Policy parsed(std::string_view toml) {
  const auto json = policy_from_toml(toml, "p.toml");
  if (!json) FAIL(json.error().to_string());
  auto policy = parse_policy(*json);
  if (!policy) FAIL(policy.error().to_string());
  return *std::move(policy);
}

}  // namespace

TEST_CASE("a policy from its file, by way of its stored form") {
  const auto policy = parsed(R"(
description = "evenings"
[hours]
mon-fri = ["17:00-20:30", "09:00-12:00"]
sat = []
[holidays]
"12-25" = "Christmas Day"
"2026-12-24" = { name = "Christmas Eve", hours = ["09:00-12:00"] }
[attempts]
per_number = [{ calls = 3, within = "24h" }, { calls = 7, within = "7d" }]
after_conversation = "7d"
after_abandoned = "72h"
[retry.busy]
after = ["5m", "1h"]
max_attempts = 4
[ring]
at_least = "20s"
[breaker]
failed_percent = 40
within = "5m"
least_calls = 20
[abandoned]
at_most_percent = 2.5
over = "30d"
[registry]
name = "us-ftc"
at_most_old = "31d"
)");
  CHECK(policy.description == "evenings");
  REQUIRE(policy.hours);
  CHECK(policy.hours->week[0].size() == 2);
  CHECK(policy.hours->week[0][0].from == 540);  // in order, whatever the file's
  CHECK(policy.hours->week[5].empty());
  CHECK(policy.hours->yearly.size() == 1);
  CHECK(policy.hours->holidays.begin()->second.open.size() == 1);
  CHECK(policy.caps.size() == 2);
  CHECK(policy.memory() == std::chrono::hours(24 * 7));
  CHECK(policy.retry.at("busy").after[1] == std::chrono::hours(1));
  CHECK(policy.retry.at("busy").max_attempts == 4);
  CHECK(policy.ring_at_least == std::chrono::seconds(20));
  CHECK(policy.breaker->least_calls == 20);
  CHECK(policy.abandoned->over == std::chrono::hours(720));
  CHECK(policy.registry->at_most_old == std::chrono::hours(24 * 31));
}

TEST_CASE("an empty policy allows everything") {
  const auto policy = parsed("");
  CHECK_FALSE(policy.hours);
  CHECK(policy.caps.empty());
  CHECK(policy.memory().count() == 0);
}

TEST_CASE("mistakes are named") {
  CHECK(error_of("colour = 1") ==
        "p.toml: a policy: \"colour\" is not known; known are description, hours, holidays, "
        "attempts, retry, ring, breaker, abandoned, registry");
  CHECK(error_of("[hours]\nmonday = []").find("\"monday\" is neither a day") != std::string::npos);
  CHECK(error_of("[hours]\nfri-mon = []").find("fri-mon") != std::string::npos);
  CHECK(error_of("[hours]\nmon-fri = [\"09:00-17:00\"]\nfri = [\"09:00-12:00\"]") ==
        "p.toml: hours: fri is given twice");
  CHECK(error_of("[hours]\nmon = [\"9-17\"]").find("hours.mon: \"9-17\" is no span") !=
        std::string::npos);
  CHECK(error_of("[holidays]\n\"12-25\" = \"x\"").find("without hours") != std::string::npos);
  CHECK(error_of("[hours]\n[holidays]\n\"2026-02-30\" = \"x\"").find("must be a date") !=
        std::string::npos);
  CHECK(error_of("[hours]\n[holidays]\n\"26-12-25\" = \"x\"").find("must be a date") !=
        std::string::npos);
  CHECK(error_of("[attempts]\nper_number = [{ calls = 0, within = \"1d\" }]").find("1 to 1000") !=
        std::string::npos);
  CHECK(error_of("[attempts]\nper_number = [{ calls = 1 }]").find("per_number") !=
        std::string::npos);
  CHECK(error_of("[attempts]\nafter_conversation = 7").find("a time such as") != std::string::npos);
  CHECK(error_of("[retry.completed]").find("\"completed\" is not known") != std::string::npos);
  CHECK(error_of("[abandoned]\nat_most_percent = 300").find("0 to 100") != std::string::npos);
  CHECK(error_of("[registry]\nname = \"x\"").find("registry must be") != std::string::npos);
  CHECK(error_of("[hours").find("p.toml:1") != std::string::npos);
}

TEST_CASE("each number of a preset says where it is from") {
  for (const auto& preset : presets()) {
    std::string comment;  // above the table, or within it
    bool table_has_one = true;
    for (const auto line : split(preset.toml, '\n')) {
      INFO(preset.name << ": " << line);
      if (line.starts_with('#')) {
        comment += line;
        table_has_one = true;
      } else if (line.starts_with('[')) {
        CHECK(table_has_one);
      } else if (line.empty()) {
        comment.clear();
        table_has_one = false;
      } else if (line.starts_with("least_calls")) {
        CHECK(comment.find("least_calls") != std::string::npos);
      }
    }
  }
}

TEST_CASE("the presets are policies") {
  CHECK(presets().size() == 6);
  for (const auto& preset : presets()) {
    INFO(preset.name);
    const auto policy = parsed(preset.toml);
    CHECK_FALSE(policy.description.empty());
    CHECK(policy.ring_at_least >= std::chrono::seconds(15));
    CHECK(policy.hours.has_value());
  }
  CHECK(find_preset("us-debt") != nullptr);
  CHECK(find_preset("atlantis") == nullptr);
}

}  // namespace call::policy
