// A conversation held by one engine, on a virtual clock: session, conversation and a carrier that plays
// what it is sent. The engine and the tools are scripted; its wire is tested in tests/unit/provider.
#include "core/flow/realtime_conversation.hpp"

#include <algorithm>
#include <random>

#include "core/flow/replay.hpp"
#include "open_call.hpp"

using namespace call;
using namespace call::flow;
using namespace call::flow::test;

namespace {

/// Of the rest of Script: spare voice, tools, transfers, and the news of all.
struct EngineScript : Script {
  int begins = 0;
  int commits = 0;
  speech::RequestId understood = 0;  ///< turns
  std::size_t pushed = 0;            ///< samples since the last begin()
  std::vector<std::string> told;
  std::vector<std::string> asked;  ///< what it is to say; empty: its own answer
  speech::RequestId request = 0;
  std::vector<std::int64_t> interrupted;  ///< after so many ms
  std::vector<std::pair<std::string, std::string>> results;
  bool owes = false;  ///< an answer, or its rest

  void speak(const std::string& text) {
    for (std::size_t at = 0; at < text.size(); at += 5) {
      const auto piece = text.substr(at, 5);
      news.push_back(speech::ReplyText{request, piece});
      news.push_back(
          speech::SpokenAudio{request, audio::Mulaw(piece.size() * kMsPerLetter * 8, 0x20), {}});
    }
  }
  void reply(const std::string& text, std::vector<speech::ToolCall> calls = {}) {
    speak(text);
    news.push_back(speech::ReplyDone{request, std::move(calls), false});
    owes = false;
  }
  void fail() {
    news.push_back(speech::ReplyFailed{request, {Errc::closed, "gone"}});
    owes = false;
  }
  void understand(const std::string& text) { understand(++understood, text); }
  void understand(speech::RequestId turn, const std::string& text) {
    news.push_back(speech::FinalText{turn, 0, text, 1, {}});
  }
};

class ScriptedEngine final : public speech::Converser {
 public:
  explicit ScriptedEngine(EngineScript& script) : script_(script) {}
  void begin() override {
    ++script_.begins;
    script_.pushed = 0;
  }
  void push(audio::MulawView mulaw) override { script_.pushed += mulaw.size(); }
  void commit() override { ++script_.commits; }
  void tell(std::string_view text) override { script_.told.emplace_back(text); }
  void respond(speech::RequestId id, std::string_view say) override {
    script_.request = id;
    script_.asked.emplace_back(say);
    script_.owes = true;
  }
  void interrupt(std::chrono::milliseconds heard) override {
    script_.interrupted.push_back(heard.count());
    script_.owes = false;
  }
  void tool_result(const std::string& id, const std::string& content) override {
    script_.results.emplace_back(id, content);
  }

 private:
  EngineScript& script_;
};

RealtimeEngines engines_of(EngineScript& script) {
  RealtimeEngines all;
  all.engine = std::make_unique<ScriptedEngine>(script);
  all.spare_voice = std::make_unique<LetterVoice>(script, true);
  all.tools = std::make_unique<ScriptedTools>(script);
  return all;
}

const std::string kToml = dentist_toml("[realtime]\nprovider = \"openai\"\nmodel = \"m\"\n");

OpenAgent one_engine() {
  return parsed(kToml);
}

struct RealtimeCall : CallOf<RealtimeConversation, EngineScript> {
  explicit RealtimeCall(OpenAgent a = one_engine()) : CallOf(std::move(a)) {}
  explicit RealtimeCall(const std::string& text) : CallOf(text) {}

  void greeted() {
    script.reply("Hello there.");
    run(2000);
  }
  void say(int ms = 600) {
    run(ms, true);
    run(1000);
  }
  const record::Turn& last_turn() const { return report().turns.back(); }
};

}  // namespace

TEST_CASE("flow.realtime: greeting, question, answer, and where the time went") {
  RealtimeCall call;
  CHECK(call.script.asked == std::vector<std::string>{"Hello there."});
  call.greeted();
  call.run(600, true);
  CHECK(call.script.begins == 1);
  CHECK(call.script.pushed >= 600 * 8);  // with what came before the first voiced frame
  CHECK(call.script.commits == 0);
  call.run(1000);
  CHECK(call.script.commits == 1);
  REQUIRE(call.script.asked.size() == 2);
  CHECK(call.script.asked.back().empty());
  call.script.understand("do you have time");
  call.script.reply("Yes, we do. At ten?");
  call.run(3000);
  const auto& report = call.report();
  REQUIRE(report.turns.size() == 3);
  CHECK(report.turns[0].heard_text == "Hello there.");
  CHECK(report.turns[1].text == "do you have time");
  CHECK(report.turns[2].heard_text == "Yes, we do. At ten?");
  REQUIRE(report.waterfalls.size() == 1);
  const auto& fall = report.waterfalls[0];
  REQUIRE(fall.first_token_ms);
  CHECK(*fall.speech_end_ms < *fall.endpoint_ms);
  CHECK(*fall.endpoint_ms <= *fall.first_token_ms);
  CHECK(*fall.first_token_ms <= *fall.first_audio_sent_ms);
  CHECK(*fall.first_audio_sent_ms <= *fall.first_heard_ms);
}

TEST_CASE("flow.realtime: an interruption cuts the engine's memory to what was heard") {
  RealtimeCall call;
  call.greeted();
  call.say();
  const std::string answer = "First you come to us and then we have a look at all of it together.";
  const int before = call.carrier.heard_ms;
  call.script.speak(answer);  // and its end has not come yet
  call.run(1000);
  call.run(600, true);
  CHECK(call.carrier.clears == 1);
  CHECK(call.script.interrupted.empty());  // it may be a cough
  const int heard = call.carrier.heard_ms - before;
  call.run(1000);
  REQUIRE(call.script.interrupted.size() == 1);
  CHECK(std::abs(call.script.interrupted[0] - heard) <= 200);
  CHECK(call.script.commits == 2);
  const auto& cut = call.report().turns[2];
  CHECK(cut.interrupted);
  CHECK(answer.starts_with(cut.heard_text));
  CHECK(cut.heard_text.size() < answer.size() / 2 + 8);
  CHECK_FALSE(cut.heard_text.empty());
  // What still comes of the old answer is nobody's.
  const auto old = call.script.request - 1;
  call.script.news.push_back(speech::SpokenAudio{old, audio::Mulaw(8000, 0x20), {}});
  const int then = call.carrier.heard_ms;
  call.run(1000);
  CHECK(call.carrier.heard_ms == then);
}

TEST_CASE("flow.realtime: a false interruption is taken back, the engine hears nothing of it") {
  RealtimeCall call;
  call.greeted();
  call.say();
  const std::string answer = "First you come to us and then we have a look at all of it together.";
  call.script.reply(answer);
  call.run(1000);
  call.run(200, true);  // a cough
  CHECK(call.carrier.clears == 1);
  call.run(5000);
  CHECK(call.script.interrupted.empty());
  CHECK(call.script.commits == 1);
  CHECK(call.last_turn().heard_text == answer);
  CHECK(call.report().false_barge_ins == 1);
}

TEST_CASE("flow.realtime: words that come late are those of their own turn") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.say();
  call.script.understand(2, "second");
  call.script.understand(1, "first");
  call.run(20);
  const auto& turns = call.report().turns;
  REQUIRE(turns.size() == 3);
  CHECK(turns[1].text == "first");
  CHECK(turns[2].text == "second");
}

TEST_CASE("flow.realtime: tools run, their results go to the engine, and it goes on") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.script.reply("Let me see.",
                    {{"c1", "book", R"({"day":"monday"})"}, {"c2", "nothing", "{}"}});
  call.run(200);
  REQUIRE(call.script.tool_calls.size() == 1);
  REQUIRE(call.script.results.size() == 1);  // what is no tool is told at once
  CHECK(call.script.results[0].second.find("error") != std::string::npos);
  CHECK(call.script.asked.size() == 2);
  call.script.news.push_back(speech::ToolResult{1, "c1", R"({"ok":true})", true});
  call.run(100);
  CHECK(call.script.results.back() == std::pair<std::string, std::string>{"c1", R"({"ok":true})"});
  REQUIRE(call.script.asked.size() == 3);
  call.script.reply("It is booked.");
  call.run(3000);
  CHECK(call.last_turn().heard_text == "Let me see. It is booked.");
}

TEST_CASE("flow.realtime: an engine that calls tools without end is given up") {
  RealtimeCall call;
  call.greeted();
  call.say();
  for (int round = 0; round < 20 && call.script.asked.size() < 20; ++round) {
    const auto asked = call.script.asked.size();
    call.script.reply("", {{"c" + std::to_string(round), "schedule_callback", R"({"when":"x"})"}});
    call.run(40);
    if (call.script.asked.size() == asked) break;
  }
  CHECK(call.script.asked.size() <= 8);
  call.run(3000);
  CHECK(call.last_turn().heard_text == "Sorry, once more?");
}

TEST_CASE("flow.realtime: digits are collected and handed to the engine") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.script.reply("Please key it in.", {{"c1", "collect_dtmf", R"({"digits":4})"}});
  call.run(2000);
  CHECK(call.last_turn().heard_text == "Please key it in.");
  CHECK(call.script.results.empty());
  const auto by_count = GENERATE(true, false);
  call.press(by_count ? "1234" : "9*12#");
  REQUIRE(call.script.results.size() == 1);
  CHECK(call.script.results[0].first == "c1");
  CHECK(call.script.results[0].second ==
        (by_count ? R"({"digits":"1234"})" : R"({"digits":"12"})"));
  REQUIRE(call.script.asked.size() == 3);
  CHECK(call.script.asked.back().empty());
  const auto& turns = call.report().turns;
  CHECK(std::count_if(turns.begin(), turns.end(), [](const auto& t) { return t.digits; }) >= 4);
}

TEST_CASE("flow.realtime: a callee who keys in nothing, or speaks instead, is not waited for") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.script.reply("Please key it in.", {{"c1", "collect_dtmf", R"({"digits":4})"}});
  const bool speaks = GENERATE(true, false);
  if (speaks) {
    call.run(1000);
    call.say();
    CHECK(call.script.commits == 2);
  } else {
    call.run(11000);
  }
  REQUIRE(call.script.results.size() == 1);
  CHECK(call.script.results[0].second == R"({"digits":""})");
  CHECK(call.script.asked.size() == 3);
}

TEST_CASE("flow.realtime: a key that nobody asked for is told to the engine") {
  RealtimeCall call;
  call.greeted();
  call.press("5");
  CHECK(call.script.told == std::vector<std::string>{"[pressed the key 5]"});
  CHECK(call.script.asked.size() == 2);
}

TEST_CASE("flow.realtime: good-bye ends the call when its last word was heard, and is final") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.script.reply("Good bye and thank you.", {{"c1", "hang_up", R"({"reason":"done"})"}});
  call.run(200);
  CHECK(call.hung_up.empty());
  call.run(3000);
  CHECK(call.hung_up == "completed");
  CHECK(call.last_turn().heard_text == "Good bye and thank you.");
  CHECK(call.report().outcome == "completed");
  CHECK(call.script.asked.size() == 2);
}

TEST_CASE("flow.realtime: a callee who interrupts the good-bye keeps the line, once") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.script.reply("Good bye and thank you very much.", {{"c1", "hang_up", "{}"}});
  call.run(400);
  call.say();
  CHECK(call.hung_up.empty());
  REQUIRE(call.script.asked.size() == 3);
  CHECK(call.script.commits == 2);
  CHECK(call.report().outcome == "incomplete");
  call.script.reply("Good bye again and thank you very much.", {{"c2", "hang_up", "{}"}});
  call.run(400);
  call.say();
  CHECK(call.script.asked.size() == 3);
  CHECK(call.hung_up == "completed");
  CHECK(call.report().outcome == "completed");
}

TEST_CASE("flow.realtime: a cough over the good-bye does not break it off") {
  RealtimeCall call;
  call.greeted();
  call.say();
  const std::string bye = "Good bye and thank you very much for the call.";
  call.script.speak(bye);
  call.run(500);
  call.run(200, true);
  REQUIRE(call.carrier.clears == 1);
  // Just now the engine says that this was its last word.
  call.script.reply("", {{"c1", "hang_up", "{}"}});
  call.run(100);
  CHECK(call.hung_up.empty());
  call.run(5000);
  CHECK(call.hung_up == "completed");
  CHECK(call.last_turn().heard_text == bye);
}

TEST_CASE("flow.realtime: a short answer on the last word of a question is an answer") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.script.reply("Shall I book it for you on Monday?");
  call.run(820);
  call.say(240);
  CHECK(call.script.commits == 2);
  CHECK(call.script.asked.size() == 3);
}

TEST_CASE("flow.realtime: a transfer happens when the last word was heard") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.script.reply("I connect you.", {{"c1", "transfer", R"({"to":"reception"})"}});
  call.run(100);
  CHECK(call.script.transfers.empty());
  call.run(3000);
  CHECK(call.script.transfers == std::vector<std::string>{"+14155550100"});
  CHECK(call.hung_up == "transferred");
  CHECK(call.report().outcome == "transferred");
  CHECK(call.report().answers.at("transferred_to") == "reception");
}

TEST_CASE("flow.realtime: a transfer that fails is excused, and the record does not claim it") {
  RealtimeCall call;
  call.script.transfer_fails = true;
  call.greeted();
  call.say();
  call.script.reply("I connect you.", {{"c1", "transfer", R"({"to":"reception"})"}});
  call.run(5000);
  CHECK(call.last_turn().heard_text == "Sorry, once more?");
  CHECK(call.hung_up.empty());
  CHECK(call.report().outcome == "incomplete");
  CHECK(call.report().answers.empty());
}

TEST_CASE(
    "flow.realtime: never dead air: an engine that fails is excused, then the call is ended") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.script.speak("I am gl");
  call.script.fail();
  call.run(4000);
  CHECK(call.last_turn().heard_text.ends_with("Sorry, once more?"));
  CHECK(call.hung_up.empty());
  call.say();
  call.script.fail();
  call.run(4000);
  CHECK(call.last_turn().heard_text == "We call again.");
  CHECK(call.hung_up == "engine_failed");
  CHECK(call.report().outcome == "failed");
}

TEST_CASE("flow.realtime: never dead air: an empty answer is a failure") {
  RealtimeCall call;
  call.greeted();
  call.say();
  call.script.reply("");
  call.run(4000);
  CHECK(call.last_turn().heard_text == "Sorry, once more?");
}

TEST_CASE("flow.realtime: silence is asked after, then the agent says good-bye") {
  RealtimeCall call;
  call.greeted();
  for (int i = 0; i < 3; ++i) {
    call.run(9000);
    call.script.reply(call.script.asked.back());
    call.run(2000);
  }
  CHECK(call.script.asked ==
        std::vector<std::string>{"Hello there.", "Are you there?", "Are you there?", "Good bye."});
  CHECK(call.hung_up == "silence");
  CHECK(call.report().outcome == "silence");
}

TEST_CASE("flow.realtime: the good-bye of silence is not interrupted by a noise of any length") {
  RealtimeCall call;
  call.greeted();
  for (int i = 0; i < 2; ++i) {
    call.run(9000);
    call.script.reply(call.script.asked.back());
    call.run(2000);
  }
  call.run(9000);
  call.script.reply("I cannot hear you, so I will hang up. Good bye.");
  call.run(300);
  call.run(500, true);
  CHECK(call.carrier.clears == 0);
  call.run(3000);
  CHECK(call.hung_up == "silence");
}

TEST_CASE("flow.realtime: an agent that waits says nothing before a hello") {
  auto agent = one_engine();
  agent.turns.callee_first = true;
  RealtimeCall call(agent);
  call.run(2000);
  call.run(200, true);
  call.run(1000);
  CHECK(call.script.asked.empty());
  CHECK(call.script.commits == 0);
  call.run(500, true);
  call.run(400);
  CHECK(call.script.commits == 1);
  CHECK(call.script.asked == std::vector<std::string>{"Hello there."});
}

TEST_CASE("flow.realtime: a machine hears the farewell, or its message, and nothing else") {
  auto agent = one_engine();
  const bool message = GENERATE(true, false);
  if (message) {
    agent.turns.machine = TurnPolicy::Machine::leave_message;
    agent.turns.machine_message = "This is Anna, {name|you} may call us.";
  }
  RealtimeCall call(agent);
  call.greeted();
  call.run(6500, true);
  if (message) call.machine(true);
  const std::string words = message ? "This is Anna, Ada may call us." : "Sorry.";
  REQUIRE(call.script.asked.size() == 2);
  CHECK(call.script.asked.back() == words);
  const bool fails = GENERATE(true, false);
  if (fails) {
    call.script.fail();  // the embedded voice says it
  } else {
    call.script.reply(words);
  }
  call.run(3000);
  CHECK(call.last_turn().heard_text == words);
  CHECK(call.last_turn().state == "voicemail");
  CHECK(call.hung_up == (message ? "completed" : "machine"));
  CHECK(call.report().outcome == "machine");
  CHECK(call.script.commits == 0);
}

TEST_CASE("flow.realtime: a call is replayed without its engine, with the same decisions") {
  RealtimeCall call(kToml);
  call.greeted();
  call.say();
  call.script.reply("First you come to us and then we have a look at all of it.");
  call.run(900);
  call.say();
  call.script.reply("I look.", {{"c1", "book", "{}"}});
  call.run(200);
  call.script.news.push_back(speech::ToolResult{1, "c1", "{}", false});
  call.run(100);
  call.script.speak("It is b");
  call.script.fail();
  call.run(4000);
  call.say();
  call.script.reply("I connect you.", {{"c2", "transfer", R"({"to":"reception"})"}});
  call.run(4000);
  REQUIRE(call.hung_up == "transferred");
  const auto tape = call.tape_file();
  const auto replayed = replay(tape);
  REQUIRE(replayed);
  if (const auto& d = replayed->handler_difference) {
    FAIL(d->input << "\ntape: " << d->on_tape << "\nnow:  " << d->now);
  }
  CHECK(replayed->identical());
  CHECK(replayed->handler_complete);
  CHECK(replayed->handler_decisions > 50);
}

namespace {

/// One seed is one call, the same on every machine.
class World {
 public:
  explicit World(unsigned seed) : random_(seed), call_(toml()) {
    call_.engines_owe = [this] { return call_.script.owes || !call_.script.tool_calls.empty(); };
  }

  void run() {
    const int machine_at = chance(10) ? 20 : -1;
    const int gone_at = chance(15) ? 30 : -1;
    for (int step = 0; step < 120 && !call_.conversation.ended(); ++step) {
      if (step == machine_at) call_.machine(chance(50));
      if (step == gone_at) call_.carrier.end("peer_lost");
      act();
      call_.run(below(60) * 20 + 20, chance(35));
      check();
    }
    // Left alone, with an engine that has nothing to say but good-bye, it comes to its end.
    for (int i = 0; i < 40 && !call_.conversation.ended(); ++i) {
      while (!call_.script.tool_calls.empty()) answer_tool();
      if (call_.script.owes) call_.script.reply("Good bye.");
      call_.run(5000);
      check();
    }
    CHECK(call_.conversation.ended());
    if (machine_at < 0) check_replay();  // told by the test: the tape's session knows nothing of it
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool chance(int percent) { return below(100) < percent; }

  std::string toml() {
    auto text = kToml;
    text.insert(text.find("[voicemail]\n"),
                "first = \"" + std::string(chance(30) ? "callee" : "agent") +
                    "\"\nmax_resumes = " + std::to_string(chance(50) ? 1 : 2) + "\n");
    if (chance(50))
      text.insert(text.find("farewell"), "action = \"message\"\nmessage = \"Call us.\"\n");
    return text;
  }

  /// What the engine, its tools and the callee's fingers do.
  void act() {
    auto& script = call_.script;
    script.transfer_fails = chance(50);
    if (script.owes && chance(40)) script.speak("This is a part of it. And ");
    if (script.owes && chance(60)) chance(10) ? script.fail() : finish_reply();
    if (!script.tool_calls.empty() && chance(60)) answer_tool();
    if (chance(10)) call_.press("5");
    if (chance(20)) script.understand("some words");
  }
  void finish_reply() {
    std::vector<speech::ToolCall> tools;
    for (const char* name :
         {"book", "look", "collect_dtmf", "schedule_callback", "hang_up", "transfer", "nothing"}) {
      if (chance(8))
        tools.push_back(
            {"c" + std::to_string(++calls_), name, R"({"digits":2,"when":"x","to":"reception"})"});
    }
    call_.script.reply(chance(85) ? "this is an answer. It has two sentences." : "", tools);
  }
  void answer_tool() {
    auto& tools = call_.script.tool_calls;
    call_.script.news.push_back(speech::ToolResult{0, tools.back().id, "{}", chance(80)});
    tools.pop_back();
  }

  void check() {
    if (!call_.hung_up.empty()) {  // is final
      if (!asked_) asked_ = call_.script.asked.size();
      CHECK(call_.script.asked.size() == *asked_);
    }
    for (const auto& turn : call_.report().turns) {
      if (turn.who == record::Speaker::agent) CHECK(turn.text.starts_with(turn.heard_text));
    }
    const bool transferred = call_.report().outcome == "transferred";
    CHECK(transferred == (call_.hung_up == "transferred"));
  }
  void check_replay() {
    const auto replayed = replay(call_.tape_file());
    REQUIRE(replayed);
    if (const auto& d = replayed->handler_difference) {
      FAIL(d->input << "\ntape: " << d->on_tape << "\nnow:  " << d->now);
    }
    CHECK(replayed->identical());
    CHECK(replayed->handler_complete);
  }

  std::mt19937 random_;
  RealtimeCall call_;
  int calls_ = 0;
  std::optional<std::size_t> asked_;  ///< of the engine, until the agent hung up
};

}  // namespace

TEST_CASE("flow.realtime: whatever happens, the rules hold and the call ends") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    World(seed).run();
  }
}
