// Taking turns as an agent's [turns] and [voicemail] say; docs/turn-taking.md has the rules.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/flow/spoken_call.hpp"

using namespace call;
using namespace call::flow;
using Call = call::flow::test::SpokenCall;

namespace {

const std::string kWaits = "\n[turns]\nfirst = \"callee\"\n";

const std::string kAccount = R"(start = "account"
give_up = "bye"
[intents]
skip = ["skip"]
[states.account]
say = "Please key in your number."
expect = "digits"
least = 4
most = 6
slot = "account"
next = "thanks"
on = { skip = "bye" }
no_match = "Four to six keys please."
[states.thanks]
say = "Thank you."
hang_up = true
outcome = "answered"
[states.bye]
say = "Good bye."
hang_up = true
outcome = "declined"
)";

}  // namespace

TEST_CASE("flow.turns: predecessor B11.16 an agent that waits says nothing before a hello") {
  Call call("Ada", kWaits);
  call.run(2000);
  call.answer("", 100);  // a click
  call.run(1000);
  CHECK(call.carrier.sent.empty());
  call.answer("", 500);  // a hello that the recogniser does not know
  call.run(400);
  CHECK_FALSE(call.carrier.sent.empty());
  const auto report = call.conversation.report();
  REQUIRE(report.turns.size() == 2);
  CHECK(report.turns[0].who == record::Speaker::callee);
  CHECK(report.turns[1].text.starts_with("Hello Ada."));
}

TEST_CASE("flow.turns: an understood word is a hello at any length") {
  Call call("Ada", kWaits);
  call.run(300);
  call.answer("hello", 200);
  call.run(400);
  CHECK(call.said().size() == 1);
}

TEST_CASE("flow.turns: whoever says nothing is greeted after the agent's patience") {
  Call call("Ada", kWaits);
  call.run(4900);
  CHECK(call.carrier.sent.empty());
  call.run(200);
  CHECK(call.said().size() == 1);
}

TEST_CASE("flow.turns: mhm and too few words make the agent go on where it was") {
  for (const char* words : {"I see.", "blue car"}) {
    Call call("Ada", "\n[turns]\nmin_words = 3\n");
    call.run(1500);
    call.answer(words, 400);
    call.run(1000);
    CHECK(call.carrier.clears == 1);
    call.listen();
    const auto report = call.conversation.report();
    CHECK(report.false_barge_ins == 1);
    CHECK(report.turns[0].heard_text == report.turns[0].text);
  }
  Call call("Ada", "\n[turns]\nmin_words = 3\n");
  call.run(1500);
  call.answer("the blue car there", 400);
  call.run(1000);
  const auto report = call.conversation.report();
  CHECK(report.false_barge_ins == 0);
  CHECK(report.turns.back().text.starts_with("Sorry, I did not understand."));
}

TEST_CASE("flow.turns: after its last resume an utterance is spoken to the end") {
  Call call("Ada", "\n[turns]\nmax_resumes = 1\n");
  for (int i = 0; i < 2; ++i) {
    call.run(1000);
    call.answer("", 400);
    call.run(800);
  }
  CHECK(call.carrier.clears == 1);
  CHECK(call.conversation.report().false_barge_ins == 1);
}

TEST_CASE("flow.turns: voice right behind the agent's first sound is its echo") {
  Call call;
  call.run(40);
  call.run(160, true);  // 140 ms of it are within the guard
  call.run(1000);
  CHECK(call.carrier.clears == 0);
  call.listen();
}

TEST_CASE("flow.turns: several keys are one answer, with #, with *, with a pause, and when full") {
  for (const char* keys : {"1234#", "99*1234#", "1234"}) {
    Call call("Ada", kAccount);
    call.listen();
    call.press(keys);
    call.run(3200);
    CHECK(call.conversation.report().answers.at("account") == "1234");
  }
  Call full("Ada", kAccount);
  full.run(200);
  full.press("123456");  // over the agent's voice
  CHECK(full.carrier.clears == 1);
  CHECK(full.conversation.report().answers.at("account") == "123456");
}

TEST_CASE("flow.turns: too few keys are asked for again, # alone skips") {
  Call call("Ada", kAccount);
  call.listen();
  call.press("12#");
  CHECK(call.said().back() == "Four to six keys please. Please key in your number.");
  Call skips("Ada", kAccount);
  skips.listen();
  skips.press("#");
  skips.run(3000);
  CHECK(skips.conversation.report().outcome == "declined");
}

TEST_CASE("flow.turns: predecessor B11.28 a machine costs no minutes") {
  Call beep;
  beep.run(1000);
  beep.conversation.on_event(media::MachineHeard{true, 1000});
  beep.deliver();
  CHECK(beep.carrier.session.end_reason() == "machine");
  CHECK(beep.conversation.report().outcome == "machine");
  Call greeting("Ada", "\n[voicemail]\nfarewell = \"\"\n");
  greeting.run(6200, true);
  CHECK(greeting.carrier.session.end_reason() == "machine");
}

TEST_CASE("flow.turns: whoever talks on and on is not hung up on in silence") {
  Call greeting("Ada", "\n[voicemail]\nfarewell = \"Sorry, {name|you}.\"\n");
  greeting.run(6200, true);
  CHECK_FALSE(greeting.carrier.session.ended());
  CHECK(greeting.said().back() == "Sorry, Ada.");
  greeting.run(1500, true);
  CHECK(greeting.carrier.session.end_reason() == "machine");
  CHECK(greeting.conversation.report().outcome == "machine");
  const auto turns = greeting.conversation.report().turns;
  CHECK(std::ranges::any_of(turns, [](const auto& t) { return t.heard_text == "Sorry, Ada."; }));
}

TEST_CASE("flow.turns: a message is left behind the beep, or after a while without one") {
  const std::string policy =
      "\n[voicemail]\naction = \"message\"\nmessage = \"This is Anna. {name|You} may call us.\"\n"
      "patience_s = 3\n";
  Call beep("Ada", policy);
  beep.run(1000);
  beep.conversation.on_event(media::MachineHeard{true, 1000});
  CHECK(beep.said().back() == "This is Anna. Ada may call us.");
  beep.run(3000);
  CHECK(beep.carrier.session.end_reason() == "completed");
  CHECK(beep.conversation.report().outcome == "machine");
  CHECK(beep.carrier.clears == 1);  // the greeting was said to nobody

  Call silent("Ada", policy);
  silent.run(6200, true);
  silent.run(2000);
  CHECK(silent.said().size() == 1);
  silent.run(3000);
  CHECK(silent.said().size() == 2);
  silent.run(3000);
  CHECK(silent.carrier.session.end_reason() == "completed");

  Call ignores("Ada", "\n[voicemail]\naction = \"ignore\"\n");
  ignores.run(8000, true);
  CHECK_FALSE(ignores.carrier.session.ended());
}

TEST_CASE("flow.turns: a callee's good-bye ends nothing, the agent's last word does") {
  Call call;
  call.listen();
  call.answer("good bye then", 600);
  call.run(1500);
  CHECK_FALSE(call.carrier.session.ended());
  call.listen();
  call.answer("no", 300);
  call.run(10000);
  CHECK(call.carrier.session.end_reason() == "completed");
  const auto report = call.conversation.report();
  CHECK(report.turns.back().heard_text == report.turns.back().text);
}
