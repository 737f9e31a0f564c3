#include "core/flow/turn_policy.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/files.hpp"
#include "core/flow/agent.hpp"
#include "core/flow/keys.hpp"
#include "core/flow/open_agent.hpp"

using namespace call;
using namespace call::flow;
using std::chrono::milliseconds;

namespace {

Result<TurnPolicy> read(const char* json) {
  return read_turn_policy(nlohmann::json::parse(json), [](auto path, auto why) {
    return Error{Errc::invalid_argument, fmt::format("{}: {}", path, why)};
  });
}

std::string why(const char* json) {
  const auto policy = read(json);
  REQUIRE_FALSE(policy);
  return policy.error().context;
}

}  // namespace

namespace {

/// A row of docs/turn-taking.md: key, default, and behind it a reason.
void check_row(const std::string& page, std::string_view name, const std::string& value) {
  CAPTURE(name);
  CHECK(page.find(fmt::format("| `{}` | {} | ", name, value)) != std::string::npos);
}

template <class T>
void check_keys(const std::string& page, std::span<const NumberKey<T>> keys) {
  for (const auto& key : keys) {
    check_row(page, key.name, std::to_string(key.get(T{})));
    CHECK(key.get(T{}) >= key.least);
    CHECK(key.get(T{}) <= key.most);
    for (const auto bound : {key.least, key.most}) {
      T changed;
      key.set(changed, bound);
      CHECK(key.get(changed) == bound);
    }
  }
}

}  // namespace

TEST_CASE("flow.turn_policy: each key is written in the manual with its default and a reason") {
  const auto page = read_file(std::string(CALL_SOURCE_DIR) + "/docs/turn-taking.md", 1U << 20);
  REQUIRE(page);
  check_keys(*page, turn_keys());
  check_keys(*page, conversation_keys());
  check_keys(*page, state_keys());
  check_row(*page, "turns.vad", "`neural`");
  check_row(*page, "reprompts", std::to_string(Agent{}.reprompts));
  check_row(*page, "interruptible", AgentState{}.interruptible ? "true" : "false");
  check_row(*page, "conversation.speculative", OpenAgent{}.speculative ? "true" : "false");
}

TEST_CASE("flow.turn_policy: an agent's file sets what it names and keeps the rest") {
  const auto policy =
      read(R"({"turns":{"first":"callee","barge_in_ms":500,"min_words":3,"max_call_s":60,
      "back_channel":["si","claro"],"vad":"energy","start_percent":60},
      "voicemail":{"action":"message","message":"Call us."}})");
  REQUIRE(policy);
  CHECK(policy->callee_first);
  CHECK(policy->tuning.turn.barge_in == milliseconds(500));
  CHECK(policy->tuning.max_duration == milliseconds(60000));
  CHECK(policy->min_words == 3);
  CHECK(policy->tuning.vad == media::CallTuning::Vad::energy);
  CHECK(policy->tuning.turn.endpointer.start_threshold == Approx(0.6));
  CHECK(policy->machine == TurnPolicy::Machine::leave_message);
  CHECK(policy->tuning.turn.pause == TurnPolicy{}.tuning.turn.pause);
  CHECK(is_back_channel(*policy, "Claro!"));
  CHECK_FALSE(is_back_channel(*policy, "okay"));
  CHECK_FALSE(read(R"({"voicemail":{"action":"ignore"}})")->tuning.voicemail.enabled);
}

TEST_CASE("flow.turn_policy: faults are named") {
  CHECK(why(R"({"turns":{"barge_in":1}})") == "turns.barge_in: unknown key");
  CHECK(why(R"({"turns":{"barge_in_ms":1}})") == "turns.barge_in_ms: must be between 60 and 3000");
  CHECK(why(R"({"turns":{"barge_in_ms":"x"}})") == "turns.barge_in_ms: must be a whole number");
  CHECK(why(R"({"turns":{"first":"both"}})") == "turns.first: must be agent or callee");
  CHECK(why(R"({"turns":{"vad":"both"}})") == "turns.vad: must be neural or energy");
  CHECK(why(R"({"turns":{"start_percent":30}})") ==
        "turns.stop_percent: must not be greater than turns.start_percent");
  CHECK(why(R"({"turns":3})") == "turns: must be a table");
  CHECK(why(R"({"voicemail":{"action":"shout"}})") ==
        "voicemail.action: must be hang_up, message or ignore");
  CHECK(why(R"({"voicemail":{"action":"message"}})") == "voicemail.message: is missing");
}

TEST_CASE("flow.turn_policy: back-channels are whole words, once or more") {
  const TurnPolicy policy;
  CHECK(is_back_channel(policy, "Mhm."));
  CHECK(is_back_channel(policy, "okay, okay"));
  CHECK(is_back_channel(policy, "uh-huh right"));
  CHECK_FALSE(is_back_channel(policy, "okay but wait"));
  CHECK_FALSE(is_back_channel(policy, "rightly"));
  CHECK_FALSE(is_back_channel(policy, ""));
  CHECK(count_words("  One, two -- three! ") == 3);
  CHECK(count_words("...") == 0);
}

TEST_CASE("flow.keys: several keys make one answer") {
  using Outcome = KeyCollector::Outcome;
  KeyCollector keys(3, 5);
  CHECK(keys.press('1') == Outcome::more);
  CHECK(keys.press('*') == Outcome::more);  // anew
  for (const char key : {'4', '5', '6'}) CHECK(keys.press(key) == Outcome::more);
  CHECK(keys.press('A') == Outcome::more);
  CHECK(keys.press('#') == Outcome::complete);
  CHECK(keys.take() == "456");
  for (const char key : {'1', '2', '3', '4'}) CHECK(keys.press(key) == Outcome::more);
  CHECK(keys.press('5') == Outcome::complete);  // no room for more
  CHECK(keys.take() == "12345");
  CHECK(keys.press('#') == Outcome::skipped);
  CHECK(keys.press('7') == Outcome::more);
  CHECK(keys.press('#') == Outcome::too_short);
  CHECK(keys.empty());
  CHECK(keys.pause() == Outcome::more);
  CHECK(keys.press('7') == Outcome::more);
  CHECK(keys.pause() == Outcome::too_short);
  for (const char key : {'7', '8', '9'}) keys.press(key);
  CHECK(keys.pause() == Outcome::complete);
}
