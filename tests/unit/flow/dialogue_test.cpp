#include "core/flow/dialogue.hpp"

#include <catch2/catch.hpp>

#include "core/flow/catalog.hpp"

using namespace call;
using namespace call::flow;

namespace {

struct Bench {
  Agent agent = *parse_agent(builtin_survey(), "survey", "survey.toml");
  speech::IntentMatcher matcher = *speech::IntentMatcher::create(agent.phrases);

  Dialogue dialogue(Variables variables = {{"first_name", "Ada"}}) const {
    return {agent, matcher, std::move(variables)};
  }
};

Reply answer(Dialogue& dialogue, std::string_view words) {
  const auto understood = dialogue.understand(words);
  INFO(words);
  REQUIRE(understood);
  return dialogue.accept(*understood);
}

}  // namespace

TEST_CASE("flow.dialogue: the survey from the greeting to the good-bye") {
  const Bench bench;
  auto dialogue = bench.dialogue();
  CHECK(dialogue.begin().text.starts_with("Hello Ada."));
  CHECK(answer(dialogue, "yes").state == "rating");
  CHECK(answer(dialogue, "i would say four").state == "callback");
  const auto bye = answer(dialogue, "no thank you");
  CHECK(bye.hang_up);
  CHECK_FALSE(bye.interruptible);
  CHECK(bye.text.find("You gave 4 out of five") != std::string::npos);
  CHECK(bye.text.find("Good bye") != std::string::npos);
  CHECK(dialogue.answers() ==
        std::map<std::string, std::string>{{"satisfaction", "4"}, {"callback", "no"}});
  CHECK(dialogue.outcome() == "answered");
}

TEST_CASE("flow.dialogue: every number in its range is understood, others are not") {
  const Bench bench;
  auto dialogue = bench.dialogue();
  dialogue.begin();
  answer(dialogue, "yes");
  const std::map<std::string, std::string> words = {
      {"one", "1"}, {"two", "2"}, {"three", "3"}, {"four", "4"}, {"five", "5"}};
  for (const auto& [word, value] : words) {
    const auto understood = dialogue.understand(word);
    INFO(word);
    REQUIRE(understood);
    CHECK(understood->value == value);
  }
  for (const char* word : {"zero", "six", "nine", "twelve"}) CHECK_FALSE(dialogue.understand(word));
}

TEST_CASE("flow.dialogue: keys answer like words") {
  const Bench bench;
  auto dialogue = bench.dialogue();
  dialogue.begin();
  CHECK_FALSE(dialogue.understand_key('5'));
  dialogue.accept(*dialogue.understand_key('1'));
  CHECK(dialogue.state().name == "rating");
  for (const char key : {'0', '6', '#', '*', 'A'}) CHECK_FALSE(dialogue.understand_key(key));
  dialogue.accept(*dialogue.understand_key('3'));
  CHECK(dialogue.answers().at("satisfaction") == "3");
  CHECK(dialogue.accept(*dialogue.understand_key('2')).hang_up);
  CHECK(dialogue.answers().at("callback") == "no");
  CHECK_FALSE(dialogue.understand_key('1'));
}

TEST_CASE("flow.dialogue: two reprompts, then a graceful good-bye") {
  const Bench bench;
  auto dialogue = bench.dialogue();
  dialogue.begin();
  const auto first = dialogue.no_match();
  CHECK(first.text.starts_with("Sorry, I did not understand."));
  CHECK(first.text.find("good time") != std::string::npos);
  CHECK(dialogue.silence().text.starts_with("Are you still there?"));
  const auto bye = dialogue.no_match();
  CHECK(bye.hang_up);
  CHECK(dialogue.outcome() == "not_understood");
}

TEST_CASE("flow.dialogue: an answer gives new patience") {
  const Bench bench;
  auto dialogue = bench.dialogue();
  dialogue.begin();
  dialogue.no_match();
  dialogue.no_match();
  answer(dialogue, "yes");
  CHECK_FALSE(dialogue.no_match().hang_up);
  CHECK_FALSE(dialogue.no_match().hang_up);
  CHECK(dialogue.no_match().hang_up);
}

TEST_CASE("flow.dialogue: a further intent leads away and is not kept as the answer") {
  const Bench bench;
  auto dialogue = bench.dialogue();
  dialogue.begin();
  answer(dialogue, "yes");
  CHECK(answer(dialogue, "pardon").state == "rating");
  CHECK(answer(dialogue, "please stop call me again").hang_up);
  CHECK(dialogue.answers().empty());
  CHECK(dialogue.outcome() == "do_not_call");
}

TEST_CASE("flow.dialogue: silence and noise are no answer") {
  const Bench bench;
  auto dialogue = bench.dialogue();
  dialogue.begin();
  CHECK_FALSE(dialogue.understand(""));
  CHECK_FALSE(dialogue.understand("five"));
}
