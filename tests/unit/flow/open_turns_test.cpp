// The tables [turns] and [voicemail] of an agent for an open conversation: the same rules as a script's.
#include <algorithm>

#include "open_call.hpp"

using namespace call;
using namespace call::flow;
using namespace call::flow::test;

namespace {

const std::string kLong =
    "First you come to us and then we have a look at all of it, and when we know what it is we "
    "talk "
    "about it together.";

OpenAgent waiting() {
  auto agent = dentist();
  agent.turns.callee_first = true;
  return agent;
}

OpenAgent with_message() {
  auto agent = dentist();
  agent.turns.machine = TurnPolicy::Machine::leave_message;
  agent.turns.machine_message = "This is Anna. {name|You} may call us.";
  agent.turns.machine_patience = std::chrono::milliseconds(3000);
  return agent;
}

}  // namespace

TEST_CASE("flow.open_turns: an agent that waits says nothing before a hello") {
  OpenCall call(waiting());
  call.run(3000);
  call.script.words.push_back("");
  call.run(200, true);  // a click
  call.run(1000);
  CHECK(call.said().empty());
  call.script.words.push_back("hello");
  call.run(500, true);
  call.run(400);  // at the pause: a hello needs no longer silence
  CHECK(call.said() == std::vector<std::string>{"Hello there."});
  CHECK(call.script.requests.empty());
  call.listen(3000);
  call.say("who is it");
  CHECK(call.asked(2) == "hello");
  CHECK(call.asked(1) == "Hello there.");
}

TEST_CASE("flow.open_turns: a hello that no recogniser understands is one by its length") {
  OpenCall call(waiting());
  call.script.listening_fails = Error{Errc::closed, "gone"};
  call.run(500, true);
  call.run(1000);
  CHECK(call.said() == std::vector<std::string>{"Hello there."});
}

TEST_CASE("flow.open_turns: whoever picks up and says nothing is greeted all the same") {
  OpenCall call(waiting());
  call.run(4900);
  CHECK(call.said().empty());
  call.run(300);
  CHECK(call.said() == std::vector<std::string>{"Hello there."});
}

TEST_CASE("flow.open_turns: without a greeting of its own the model answers the hello") {
  auto agent = waiting();
  agent.greeting.clear();
  OpenCall call(agent);
  call.say("practice miller good morning");
  REQUIRE(call.script.requests.size() == 1);
  CHECK(call.asked() == "practice miller good morning");
  call.script.reply("Good morning.");
  call.listen();
  CHECK(call.said() == std::vector<std::string>{"Good morning."});
}

TEST_CASE("flow.open_turns: words that say go on, and too few words, do not stop the agent") {
  auto agent = dentist();
  agent.turns.min_words = 3;
  OpenCall call(agent);
  call.listen(2000);
  call.say("how does it work");
  call.script.reply(kLong);
  call.run(900);
  call.say("okay, okay, mhm okay", 500);
  call.run(400);
  call.say("wait now", 500);
  call.listen();
  CHECK(call.script.requests.size() == 1);
  CHECK(call.report().false_barge_ins == 2);
}

TEST_CASE("flow.open_turns: after so many false interruptions the sentence is spoken to its end") {
  auto agent = dentist();
  agent.turns.max_resumes = 1;
  OpenCall call(agent);
  call.listen(2000);
  call.say("how does it work");
  call.script.reply(kLong);
  call.run(900);
  for (int i = 0; i < 3; ++i) call.say("", 500);
  CHECK(call.carrier.clears == 1);
  call.listen();
  CHECK(call.said().at(1) == kLong);
  CHECK(std::ranges::any_of(call.report().turns,
                            [](const auto& turn) { return turn.heard_text == kLong; }));
}

TEST_CASE("flow.open_turns: the length that stops the agent is the agent's") {
  auto agent = dentist();
  agent.turns.tuning.turn.barge_in = std::chrono::milliseconds(1500);
  OpenCall call(agent);
  call.listen(2000);
  call.say("how does it work");
  call.script.reply(kLong);
  call.run(900);
  call.script.words.push_back("");
  call.run(1000, true);
  CHECK(call.carrier.clears == 0);
}

TEST_CASE("flow.open_turns: a beep ends the call at once, and nobody is asked anything") {
  OpenCall call;
  call.run(300);
  call.machine(true);
  CHECK(call.hung_up == "machine");
  CHECK(call.report().outcome == "machine");
  CHECK(call.script.requests.empty());
}

TEST_CASE("flow.open_turns: whoever talks on and on is not hung up on in silence") {
  OpenCall call;
  call.listen(2000);
  call.script.partial = "you have reached the Lovelaces";
  call.run(6120, true);
  CHECK(call.hung_up.empty());
  CHECK(call.said().back() == "Sorry.");
  call.run(1500, true);
  CHECK(call.hung_up == "machine");
  const auto& report = call.report();
  CHECK(report.outcome == "machine");
  CHECK(report.turns.back().heard_text == "Sorry.");
}

TEST_CASE("flow.open_turns: a message is left behind the beep, or after a while without one") {
  OpenCall beep(with_message());
  beep.run(200);
  beep.machine(true);
  CHECK(beep.said().back() == "This is Anna. Ada may call us.");
  beep.run(4000);
  CHECK(beep.hung_up == "completed");
  CHECK(beep.report().outcome == "machine");
  CHECK(beep.report().turns.back().heard_text == "This is Anna. Ada may call us.");

  OpenCall silent(with_message());
  silent.script.words.push_back("you have reached the Lovelaces");
  silent.run(6500, true);
  silent.run(2000);
  CHECK(silent.said().size() == 1);
  silent.run(3000);
  CHECK(silent.said().size() == 2);
  silent.run(4000);
  CHECK(silent.hung_up == "completed");
  CHECK(silent.script.requests.empty());  // what the machine says is no question
}

TEST_CASE("flow.open_turns: a machine puts an end to whatever was going on") {
  OpenCall call(with_message());
  call.listen(2000);
  call.say("please leave a message");
  call.script.reply("I look.", {{"c1", "book", "{}"}});
  call.run(100);
  call.machine(true);
  CHECK(call.script.tools_cancelled == std::vector<std::string>{"c1"});
  call.script.news.push_back(speech::ToolResult{1, "c1", "{}", true});
  call.run(6000);
  CHECK(call.script.requests.size() == 1);
  CHECK(call.hung_up == "completed");
  CHECK(call.said().back() == "This is Anna. Ada may call us.");
}

TEST_CASE("flow.open_turns: an agent that ignores machines talks to them") {
  auto agent = dentist();
  agent.turns.machine = TurnPolicy::Machine::ignore;
  agent.turns.tuning.voicemail.enabled = false;
  OpenCall call(agent);
  call.script.words.push_back("you have reached the Lovelaces");
  call.run(6500, true);
  call.run(1000);
  CHECK(call.hung_up.empty());
  CHECK(call.script.requests.size() == 1);
}

TEST_CASE("flow.open_turns: behind the last key the agent waits as long as it is told") {
  auto agent = dentist();
  agent.turns.key_pause = std::chrono::milliseconds(1500);
  OpenCall call(agent);
  call.listen(2000);
  call.say("i have a code");
  call.script.reply("Please key it in.", {{"c1", "collect_dtmf", R"({"digits":9})"}});
  call.listen(2000);
  call.press("12*34");
  call.run(1300);
  CHECK(call.script.requests.size() == 1);
  call.run(300);
  REQUIRE(call.script.requests.size() == 2);
  CHECK(call.asked() == R"({"digits":"34"})");
}

TEST_CASE("flow.open_turns: a failure about an older pause is no failure of the newer one") {
  OpenCall call;
  call.listen(2000);
  call.script.deaf = true;
  call.say("hello");
  const auto flush = call.script.last_flush;
  call.script.news.push_back(
      speech::ListeningFailed{call.script.utterance, flush - 1, {Errc::timeout, "slow"}});
  call.run(100);
  CHECK(call.said().size() == 1);  // the greeting
  call.script.news.push_back(speech::FinalText{call.script.utterance, flush, "is it open", 1, {}});
  call.run(100);
  REQUIRE(call.script.requests.size() == 1);
  CHECK(call.asked() == "is it open");
}
