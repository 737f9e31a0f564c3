#include "core/flow/agent.hpp"

#include <catch2/catch.hpp>

#include "core/flow/catalog.hpp"
#include "core/flow/toml_lines.hpp"

using namespace call;
using namespace call::flow;

namespace {

const std::string kAgent = R"(start = "ask"
give_up = "bye"

[states.ask]
say = "Yes or no?"
expect = "yes_no"
yes = "bye"
no = "bye"

[states.bye]
say = "Good bye."
hang_up = true
)";

std::string with(std::string from, const std::string& to) {
  auto text = kAgent;
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string why(const std::string& toml) {
  const auto agent = parse_agent(toml, "test", "test.toml");
  REQUIRE_FALSE(agent);
  CHECK(agent.error().code == Errc::invalid_argument);
  return agent.error().context;
}

}  // namespace

TEST_CASE("flow.agent: the built-in survey is a good agent") {
  const auto agent = parse_agent(builtin_survey(), "survey", "survey.toml");
  REQUIRE(agent);
  CHECK(agent->states.at("greeting").expect == Expect::yes_no);
  CHECK(agent->states.at("rating").most == 5);
  CHECK_FALSE(agent->states.at("without_callback").interruptible);
  CHECK(agent->states.at("without_callback").hang_up);
}

TEST_CASE("flow.agent: a fault is named with file, line and key") {
  CHECK(why(with("give_up = \"bye\"", "give_up = \"nowhere\"")) ==
        "test.toml:2: give_up: no state \"nowhere\"");
  CHECK(why(with("no = \"bye\"", "no = \"nowhere\"")) ==
        "test.toml:8: states.ask.no: no state \"nowhere\"");
  CHECK(why(with("no = \"bye\"", "")) == "test.toml:4: states.ask: a yes_no question needs \"no\"");
  CHECK(why(with("hang_up", "hang_upp")) == "test.toml:12: states.bye.hang_upp: unknown key");
  CHECK(why(with("\"yes_no\"", "\"maybe\"")) ==
        "test.toml:6: states.ask.expect: must be nothing, yes_no, number, digits or choice");
  CHECK(why(with("Yes or no?", "{name}?"))
            .starts_with("test.toml:5: states.ask.say: say what to use without it"));
  CHECK(why(with("Good bye.", "")) == "test.toml:10: states.bye: has nothing to say");
  CHECK(why(with("hang_up = true", "")) ==
        "test.toml:10: states.bye: needs \"next\" or \"hang_up\"");
  CHECK(why(with("hang_up = true", "next = \"ask\"")) ==
        "test.toml:2: give_up: must be a state that hangs up");
  CHECK(why(with("\"yes_no\"", "7")).starts_with("test.toml:6: states.ask.expect: "));
  CHECK(why("start = ").starts_with("test.toml:1"));
  CHECK(why("").starts_with("test.toml:1: states: there are no states"));
}

TEST_CASE("flow.agent: states that never wait must not lead in a circle") {
  const auto circle = with("expect = \"yes_no\"\nyes = \"bye\"\nno = \"bye\"", "next = \"ask\"");
  CHECK(why(circle) ==
        "test.toml:4: states.ask: leads in a circle without ever waiting for an answer");
}

TEST_CASE("flow.agent: an intent that is used must have phrases") {
  const auto used = with("no = \"bye\"", "no = \"bye\"\non = { shout = \"bye\" }");
  CHECK(why(used).find("no intent \"shout\"") != std::string::npos);
  CHECK(parse_agent("[intents]\nshout = [\"hey\"]\n", "x", "x").error().context.find("states") !=
        std::string::npos);
}

TEST_CASE("flow.agent: the line of a key is found below its own table") {
  const std::string_view toml = "a = 1\n[x]\na = 2\n[x.y]\n# a = 0\na = 3\n";
  CHECK(line_of(toml, "a") == 1);
  CHECK(line_of(toml, "x.a") == 3);
  CHECK(line_of(toml, "x.y.a") == 6);
  CHECK(line_of(toml, "x.y.missing") == 4);
  CHECK(line_of(toml, "missing") == 1);
}
