#include "core/flow/open_conversation.hpp"

#include <random>

#include "core/flow/replay.hpp"
#include "open_call.hpp"

using namespace call;
using namespace call::flow;
using namespace call::flow::test;
using Role = speech::ChatMessage::Role;

namespace {

/// Providers refuse a conversation that breaks these.
void check_messages(const std::vector<speech::ChatMessage>& messages) {
  REQUIRE_FALSE(messages.empty());
  CHECK(messages.front().role == Role::system);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& message = messages[i];
    if (message.role == Role::tool) CHECK_FALSE(message.call_id.empty());
    for (std::size_t n = 0; n < message.calls.size(); ++n) {
      REQUIRE(i + 1 + n < messages.size());
      CHECK(messages[i + 1 + n].role == Role::tool);
    }
    if (message.role == Role::assistant && message.calls.empty()) CHECK_FALSE(message.text.empty());
  }
}

record::Turn turn_of(const media::HandlerReport& report, record::Speaker who, std::size_t n) {
  for (const auto& turn : report.turns) {
    if (turn.who == who && n-- == 0) return turn;
  }
  FAIL("no such turn");
  return {};
}

}  // namespace

TEST_CASE("flow.open: greeting, question, answer, and what the model is told of it") {
  OpenCall call;
  call.listen(2000);
  call.say("do you have time on monday");
  REQUIRE(call.script.requests.size() == 1);
  CHECK(call.request().messages.size() == 3);
  CHECK(call.request().messages[0].text == "You are Anna.");
  CHECK(call.asked(1) == "Hello there.");
  CHECK(call.asked() == "do you have time on monday");
  call.script.reply("Yes, we do. At ten?");
  call.listen();
  call.say("ten is fine");
  CHECK(call.asked(1) == "Yes, we do. At ten?");
  CHECK(call.asked() == "ten is fine");
  const auto report = call.conversation.report();
  CHECK(turn_of(report, record::Speaker::agent, 1).heard_text == "Yes, we do. At ten?");
  REQUIRE_FALSE(report.waterfalls.empty());
  const auto& fall = report.waterfalls[0];
  REQUIRE(fall.first_heard_ms);
  CHECK(*fall.speech_end_ms <= *fall.endpoint_ms);
  CHECK(*fall.endpoint_ms <= *fall.final_transcript_ms);
  REQUIRE(fall.first_token_ms);
  CHECK(*fall.final_transcript_ms <= *fall.first_token_ms);
  CHECK(*fall.first_token_ms <= *fall.reply_ready_ms);
  CHECK(*fall.reply_ready_ms <= *fall.first_audio_sent_ms);
}

TEST_CASE("flow.open: the record has the words' times on the call's clock") {
  OpenCall call;
  call.listen(2000);
  const auto from = call.carrier.session.sample_clock_ms(call.carrier.now);
  call.say("do you have time", 600);
  const auto& turn = call.conversation.report().turns.back();
  REQUIRE(turn.who == record::Speaker::callee);
  REQUIRE(turn.words.size() == 1);
  CHECK(turn.words[0].text == "do you have time");
  CHECK(turn.words[0].start_ms <= from);  // with the audio before the first voiced frame
  CHECK(turn.words[0].start_ms >= from - 400);
  CHECK(turn.words[0].end_ms >= from + 600);
  CHECK(turn.words[0].end_ms <= from + 1200);
}

TEST_CASE("flow.open: the voice begins while the model still writes") {
  OpenCall call;
  call.listen(2000);
  call.say("tell me all");
  const auto id = call.request().id;
  call.script.news.push_back(speech::ReplyText{id, "This is the first sentence. And this"});
  call.run(1000);
  CHECK(call.carrier.heard_ms > 12 * kMsPerLetter + 500);
  call.script.news.push_back(speech::ReplyText{id, " is the second one."});
  call.script.news.push_back(speech::ReplyDone{id, {}, false});
  call.listen();
  const auto report = call.conversation.report();
  CHECK(turn_of(report, record::Speaker::agent, 1).heard_text ==
        "This is the first sentence. And this is the second one.");
}

TEST_CASE("flow.open: an interruption cancels, and the history keeps what was heard") {
  OpenCall call;
  call.listen(2000);
  call.say("how does it work");
  const auto id = call.request().id;
  const std::string sentence = "First you come to us and then we have a look at all of it.";
  call.script.news.push_back(speech::ReplyText{id, sentence + " Then"});
  call.run(1000);
  const int before = call.carrier.heard_ms;
  call.script.partial = "wait a moment";
  call.script.words.push_back("wait a moment");
  call.run(700, true);
  CHECK(call.carrier.clears == 1);
  CHECK(call.script.cancels >= 1);
  CHECK(call.carrier.heard_ms < before + 500);
  call.run(1000);
  REQUIRE(call.script.requests.size() == 2);
  CHECK(call.asked() == "wait a moment");
  const auto heard = call.asked(1);
  CHECK(sentence.starts_with(heard));
  const int truth = call.carrier.heard_ms - 12 * kMsPerLetter;  // less the greeting
  CHECK(static_cast<int>(heard.size()) * kMsPerLetter <= truth + 200);
  CHECK(static_cast<int>(heard.size() + 8) * kMsPerLetter >= truth - 200);  // a word less at most
}

TEST_CASE("flow.open: an interruption without words is a false one, the agent goes on") {
  OpenCall call;
  call.listen(2000);
  call.say("how does it work");
  call.script.reply("First you come to us and then we have a look at all of it together.");
  call.run(900);
  call.script.words.push_back("");
  call.run(400, true);
  CHECK(call.carrier.clears == 1);
  call.listen();
  CHECK(call.script.requests.size() == 1);
  const auto report = call.conversation.report();
  CHECK(report.false_barge_ins == 1);
  CHECK(turn_of(report, record::Speaker::agent, 1).heard_text ==
        "First you come to us and then we have a look at all of it together.");
}

TEST_CASE("flow.open: a mhm over the agent's voice does not stop it") {
  OpenCall call;
  call.listen(2000);
  call.say("how does it work");
  call.script.reply(
      "First you come to us and then we have a look at all of it, and when we know what it is we "
      "talk about it together.");
  call.run(900);
  call.say("Mhm.", 80);
  CHECK(call.carrier.clears == 0);
  call.say("Okay", 500);  // long enough to cut it off: it resumes
  call.listen();
  CHECK(call.script.requests.size() == 1);
  CHECK(turn_of(call.conversation.report(), record::Speaker::agent, 1)
            .heard_text.ends_with("together."));
}

TEST_CASE("flow.open: a word that says go on, on the last word of what was said, is an answer") {
  const auto [said, after_ms] = GENERATE(table<std::string, int>(
      {{"Shall I book it for you on Monday?", 820},
       {"I book it for you on Monday then.", 820},
       {"Good. Shall I book it for you on Monday at half past four in the afternoon?", 1500}}));
  CAPTURE(said);
  OpenCall call;
  call.listen(2000);
  call.say("monday is fine");
  call.script.reply(said);
  call.run(after_ms);
  call.say("Okay", 300);
  CHECK(call.carrier.clears == 1);
  REQUIRE(call.script.requests.size() == 2);
  CHECK(call.asked() == "Okay");
  CHECK(call.report().false_barge_ins == 0);
}

TEST_CASE("flow.open: a word that says go on answers no question that has not been asked yet") {
  OpenCall call;
  call.listen(2000);
  call.say("monday is fine");
  const std::string said = "Then I write that down for you now. Shall I book it for you on Monday?";
  call.script.reply(said);
  call.run(700);
  call.say("Okay", 300);
  CHECK(call.carrier.clears == 1);
  call.listen();
  CHECK(call.script.requests.size() == 1);
  CHECK(turn_of(call.report(), record::Speaker::agent, 1).heard_text == said);
}

TEST_CASE("flow.open: the model starts at the pause, and its answer waits for the turn's end") {
  OpenCall call;
  call.listen(2000);
  const int before = call.carrier.heard_ms;
  call.script.words.push_back("what time is it");
  call.script.partial = "What time is it?";
  call.run(500, true);
  call.run(360);
  REQUIRE(call.script.requests.size() == 1);
  call.script.reply("It is noon.");
  call.run(100);
  CHECK(call.carrier.heard_ms == before);
  call.listen();
  CHECK(call.script.requests.size() == 1);
  CHECK(call.carrier.heard_ms > before);
  // It is told as it was: the first token came before the turn was over.
  const auto& fall = call.conversation.report().waterfalls.at(0);
  REQUIRE(fall.first_token_ms);
  CHECK(*fall.first_token_ms < *fall.endpoint_ms);
  CHECK(*fall.endpoint_ms <= *fall.reply_ready_ms);
}

TEST_CASE("flow.open: a callee who goes on is answered once, to all of it") {
  OpenCall call;
  call.listen(2000);
  const int before = call.carrier.heard_ms;
  call.script.words = {"my number is", "five five five"};
  call.run(500, true);
  call.run(400);  // a pause, not the end
  REQUIRE(call.script.requests.size() == 1);
  call.script.reply("Too early.");
  call.run(500, true);
  call.run(1000);
  REQUIRE(call.script.requests.size() == 2);
  CHECK(call.asked() == "my number is five five five");
  CHECK(call.carrier.heard_ms == before);
  call.script.reply("Thank you.");
  call.listen();
  CHECK(turn_of(call.conversation.report(), record::Speaker::agent, 1).text == "Thank you.");
}

TEST_CASE("flow.open: words that come while the model thinks belong to the same question") {
  auto agent = dentist();
  agent.speculative = false;
  OpenCall call(agent);
  call.listen(2000);
  call.say("i want to come");
  REQUIRE(call.script.requests.size() == 1);
  call.say("on friday");
  REQUIRE(call.script.requests.size() == 2);
  CHECK(call.asked() == "i want to come on friday");
  call.script.reply("Friday it is.");
  call.listen();
  CHECK(turn_of(call.conversation.report(), record::Speaker::agent, 1).text == "Friday it is.");
}

TEST_CASE("flow.open: tools run, their results go back, the call goes on in one breath") {
  OpenCall call;
  call.listen(2000);
  call.say("book me in");
  call.script.reply("Let me see.", {{"c1", "book", R"({"day":"monday"})"}});
  call.run(200);
  REQUIRE(call.script.tool_calls.size() == 1);
  call.script.news.push_back(speech::ToolResult{1, "c1", R"({"ok":true})", true});
  call.run(100);
  REQUIRE(call.script.requests.size() == 2);
  check_messages(call.request().messages);
  CHECK(call.asked() == R"({"ok":true})");
  call.script.reply("It is booked.");
  call.listen();
  CHECK(turn_of(call.conversation.report(), record::Speaker::agent, 1).heard_text ==
        "Let me see. It is booked.");
}

TEST_CASE(
    "flow.open: a tool that is overtaken by the callee is cancelled or waited for, as it is set") {
  const bool stops = GENERATE(true, false);
  OpenCall call;
  call.listen(2000);
  call.say("find something");
  call.script.reply("", {{"c1", stops ? "look" : "book", "{}"}});
  call.run(200);
  call.say("no leave it");
  if (stops) {
    CHECK(call.script.tools_cancelled == std::vector<std::string>{"c1"});
    REQUIRE(call.script.requests.size() == 2);
  } else {
    CHECK(call.script.requests.size() == 1);
    call.script.news.push_back(speech::ToolResult{1, "c1", "{}", true});
    call.run(100);
    REQUIRE(call.script.requests.size() == 2);
  }
  check_messages(call.request().messages);
  CHECK(call.asked() == "no leave it");
}

TEST_CASE("flow.open: hanging up waits for the last word, and is final") {
  OpenCall call;
  call.listen(2000);
  call.say("that was all");
  call.script.reply("Good bye and thank you.", {{"c1", "hang_up", R"({"reason":"done"})"}});
  call.run(200);
  CHECK(call.hung_up.empty());
  call.listen();
  CHECK(call.hung_up == "completed");
  CHECK(call.conversation.ended());
  CHECK(call.script.requests.size() == 1);
  const auto report = call.conversation.report();
  CHECK(report.outcome == "completed");
  CHECK(turn_of(report, record::Speaker::agent, 1).heard_text == "Good bye and thank you.");
}

TEST_CASE(
    "flow.open: a callee who wants more than the good-bye is answered once, then it is final") {
  OpenCall call;
  call.listen(2000);
  call.say("that was all");
  call.script.reply("Good bye and thank you very much.", {{"c1", "hang_up", "{}"}});
  call.run(400);
  call.say("wait one more question");
  REQUIRE(call.script.requests.size() == 2);
  check_messages(call.request().messages);
  call.script.reply("Good bye again and thank you very much.", {{"c2", "hang_up", "{}"}});
  call.run(400);
  call.say("and another thing");
  CHECK(call.script.requests.size() == 2);
  CHECK(call.hung_up == "completed");
}

TEST_CASE("flow.open: a cough over the good-bye does not break it off") {
  OpenCall call;
  call.listen(2000);
  call.say("that was all");
  const std::string bye = "Good bye and thank you very much for the call.";
  const auto id = call.request().id;
  call.script.news.push_back(speech::ReplyText{id, bye + " "});
  call.run(500);
  call.script.words.push_back("");
  call.run(200, true);
  REQUIRE(call.carrier.clears == 1);
  // Just now the model says that this was its last word.
  call.script.news.push_back(speech::ReplyDone{id, {{"c1", "hang_up", "{}"}}, false});
  call.run(100);
  CHECK(call.hung_up.empty());
  call.listen();
  CHECK(call.hung_up == "completed");
  CHECK(turn_of(call.report(), record::Speaker::agent, 1).heard_text == bye);
}

TEST_CASE("flow.open: the record's outcome is what happened, not what was meant to") {
  OpenCall call;
  call.listen(2000);
  call.say("that was all");
  call.script.reply("Good bye and thank you very much.",
                    {{"c1", "hang_up", R"({"reason":"all said"})"}});
  call.run(400);
  const bool recalled = GENERATE(true, false);
  if (recalled) call.say("wait one more question");
  call.carrier.text(R"({"event":"stop","streamSid":"MZ1","stop":{}})");
  call.run(100);
  REQUIRE(call.conversation.ended());
  // Who hangs up in the middle of the good-bye has had it.
  CHECK(call.report().outcome == (recalled ? "incomplete" : "completed"));
  CHECK(call.report().answers.contains("hang_up_reason") != recalled);
}

TEST_CASE("flow.open: a model that only calls tools is made to speak, or given up") {
  OpenCall call;
  call.listen(2000);
  call.say("hello");
  for (int round = 0; round < 20 && call.script.requests.size() < 30; ++round) {
    const auto asked = call.script.requests.size();
    call.script.reply("",
                      {{"c" + std::to_string(round), "schedule_callback", R"({"when":"now"})"}});
    call.run(40);
    check_messages(call.request().messages);
    if (call.script.requests.size() == asked) break;
  }
  CHECK(call.script.requests.size() <= 8);
  CHECK_FALSE(call.request().tools_allowed);
  call.listen();
  CHECK(turn_of(call.conversation.report(), record::Speaker::agent, 1).text == "Sorry, once more?");
}

TEST_CASE(
    "flow.open: never dead air: a model that fails is excused once, then the call is ended "
    "politely") {
  OpenCall call;
  call.listen(2000);
  call.say("hello");
  call.script.news.push_back(speech::ReplyFailed{call.request().id, {Errc::timeout, "no answer"}});
  call.listen(2000);
  call.say("hello again");
  CHECK(call.hung_up.empty());
  call.script.news.push_back(speech::ReplyFailed{call.request().id, {Errc::timeout, "no answer"}});
  call.listen();
  CHECK(call.hung_up == "engine_failed");
  const auto report = call.conversation.report();
  CHECK(report.outcome == "failed");
  CHECK(turn_of(report, record::Speaker::agent, 1).heard_text == "Sorry, once more?");
  CHECK(turn_of(report, record::Speaker::agent, 2).heard_text == "We call again.");
}

TEST_CASE("flow.open: never dead air: a recogniser that fails is excused") {
  OpenCall call;
  call.listen(2000);
  call.script.listening_fails = Error{Errc::closed, "gone"};
  call.say("hello");
  call.script.listening_fails.reset();
  call.listen(2000);
  CHECK(turn_of(call.conversation.report(), record::Speaker::agent, 1).heard_text ==
        "Sorry, once more?");
}

TEST_CASE("flow.open: never dead air: a voice that fails is replaced in the middle of the text") {
  OpenCall call;
  call.listen(2000);
  call.script.voice_fails = true;
  call.say("hello");
  call.script.reply("I am glad that you call.");
  call.listen();
  REQUIRE_FALSE(call.script.spare_said.empty());
  CHECK(call.script.spare_said[0] == "that you call. ");
  CHECK(turn_of(call.conversation.report(), record::Speaker::agent, 1).heard_text ==
        "I am glad that you call.");
}

TEST_CASE("flow.open: never dead air: a filler when the model is slow, and the answer follows it") {
  OpenCall call;
  call.listen(2000);
  call.say("hello");
  call.run(3000);
  call.script.reply("Here I am.");
  call.listen();
  CHECK(turn_of(call.conversation.report(), record::Speaker::agent, 1).heard_text ==
        "One moment. Here I am.");
}

TEST_CASE("flow.open: silence is asked after, then the agent says good-bye") {
  OpenCall call;
  call.run(60000);
  CHECK(call.hung_up == "silence");
  const auto report = call.conversation.report();
  CHECK(report.outcome == "silence");
  CHECK(turn_of(report, record::Speaker::agent, 1).text == "Are you there?");
  CHECK(turn_of(report, record::Speaker::agent, 3).heard_text == "Good bye.");
}

TEST_CASE("flow.open: digits are collected and handed to the model") {
  OpenCall call;
  call.listen(2000);
  call.say("i have a code");
  call.script.reply("Please key it in.", {{"c1", "collect_dtmf", R"({"digits":4})"}});
  call.listen(2000);
  for (const char digit : {'1', '2', '3', '4'}) {
    call.carrier.text(
        std::string(
            R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":")") +
        digit + "\"}}");
    call.run(100);
  }
  REQUIRE(call.script.requests.size() == 2);
  CHECK(call.asked() == R"({"digits":"1234"})");
  check_messages(call.request().messages);
}

TEST_CASE("flow.open: keys before the prompt's end: the model is told how much of it was heard") {
  OpenCall call;
  call.listen(2000);
  call.say("i have a code");
  const std::string prompt = "Please key in the four digits that stand on the back of your card.";
  call.script.reply(prompt, {{"c1", "collect_dtmf", R"({"digits":4})"}});
  call.run(600);
  call.press("1234");
  REQUIRE(call.script.requests.size() == 2);
  CHECK(call.asked() == R"({"digits":"1234"})");
  const auto heard = call.asked(1);
  CHECK(prompt.starts_with(heard));
  CHECK(heard.size() < prompt.size() - 10);
  CHECK_FALSE(heard.empty());
}

TEST_CASE("flow.open: a transfer happens when the last word was heard; one that fails is excused") {
  const bool fails = GENERATE(false, true);
  OpenCall call;
  call.script.transfer_fails = fails;
  call.listen(2000);
  call.say("a person please");
  call.script.reply("I connect you.", {{"c1", "transfer", R"({"to":"reception"})"}});
  call.run(200);
  CHECK(call.script.transfers.empty());
  call.listen();
  CHECK(call.script.transfers == std::vector<std::string>{"+14155550100"});
  CHECK(call.hung_up == (fails ? "" : "transferred"));
  CHECK(call.report().outcome == (fails ? "incomplete" : "transferred"));
  CHECK(call.report().answers.contains("transferred_to") != fails);
}

TEST_CASE("flow.open: a reply that is too long is said up to its limit, and the rest counted") {
  auto agent = dentist();
  agent.max_reply_bytes = 200;
  OpenCall call(agent);
  call.listen(2000);
  call.say("tell me all");
  std::string text;
  for (int i = 0; i < 20; ++i) text += "This is a sentence of it. ";
  call.script.reply(text);
  call.listen(10000);
  CHECK(turn_of(call.report(), record::Speaker::agent, 1).text.size() <= 200);
  CHECK(call.report().drops.at("reply_text") > 0);
}

TEST_CASE("flow.open: what is no tool, or no JSON, is told to the model") {
  OpenCall call;
  call.listen(2000);
  call.say("do something");
  call.script.reply("", {{"a", "format_disk", "{}"},
                         {"b", "transfer", "not json"},
                         {"c", "transfer", R"({"to":"moon"})"}});
  call.run(100);
  REQUIRE(call.script.requests.size() == 2);
  check_messages(call.request().messages);
  for (std::size_t back = 0; back < 3; ++back)
    CHECK(call.asked(back).find("error") != std::string::npos);
}

TEST_CASE("flow.open: whatever happens, the rules hold and the call ends") {
  for (unsigned seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto chance = [&](int percent) {
      return std::uniform_int_distribution<int>(0, 99)(random) < percent;
    };
    auto toml = dentist_toml() + (chance(70) ? "" : "speculative = false\n");
    toml.insert(toml.find("[voicemail]\n"),
                "first = \"" + std::string(chance(30) ? "callee" : "agent") +
                    "\"\nmin_words = " + std::to_string(chance(30) ? 2 : 1) +
                    "\nmax_resumes = " + std::to_string(chance(50) ? 1 : 2) + "\n");
    if (chance(50))
      toml.insert(toml.find("farewell"), "action = \"message\"\nmessage = \"Call us.\"\n");
    OpenCall call(toml);
    const int machine_at = chance(10) ? 20 : -1;
    const int gone_at = chance(15) ? 30 : -1;
    int calls = 0;
    bool hung_up_before = false;
    call.script.on_ask = [&](const speech::ChatRequest& request) {
      check_messages(request.messages);
      CHECK_FALSE(hung_up_before);
    };
    std::size_t answered = 0;
    call.engines_owe = [&] {
      return call.script.requests.size() > answered || !call.script.tool_calls.empty();
    };
    for (int step = 0; step < 120 && !call.conversation.ended(); ++step) {
      if (step == machine_at) call.machine(chance(50));
      if (step == gone_at) call.carrier.end("peer_lost");
      const bool speaks = chance(35);
      if (speaks && chance(80)) call.script.words.push_back(chance(20) ? "mhm" : "some words");
      if (speaks && chance(5)) call.script.listening_fails = Error{Errc::closed, "gone"};
      call.script.partial = chance(50) ? "some words" : "";
      call.script.voice_fails = chance(10);
      call.script.transfer_fails = chance(50);
      call.run(std::uniform_int_distribution<int>(1, 60)(random) * 20, speaks);
      call.script.listening_fails.reset();
      if (call.script.requests.size() > answered && chance(80)) {
        answered = call.script.requests.size();
        std::vector<speech::ToolCall> tools;
        for (const char* name : {"book", "look", "collect_dtmf", "schedule_callback", "hang_up",
                                 "transfer", "nothing"}) {
          if (chance(8))
            tools.push_back({"c" + std::to_string(++calls), name,
                             R"({"digits":2,"when":"x","to":"reception"})"});
        }
        if (chance(10)) {
          call.script.news.push_back(
              speech::ReplyFailed{call.request().id, {Errc::timeout, "slow"}});
        } else {
          call.script.reply(chance(85) ? "This is an answer. It has two sentences." : "", tools);
        }
      }
      while (!call.script.tool_calls.empty() && chance(60)) {
        call.script.news.push_back(
            speech::ToolResult{0, call.script.tool_calls.back().id, "{}", chance(80)});
        call.script.tool_calls.pop_back();
      }
      if (chance(10)) {
        call.carrier.text(
            R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}})");
      }
      hung_up_before = !call.hung_up.empty();
    }
    // Left alone, with engines that say nothing more, it comes to its end.
    for (const auto& tool : call.script.tool_calls)
      call.script.news.push_back(speech::ToolResult{0, tool.id, "{}", true});
    call.script.tool_calls.clear();
    for (int i = 0; i < 40 && !call.conversation.ended(); ++i) {
      if (call.script.requests.size() > answered) {
        answered = call.script.requests.size();
        call.script.reply("Good bye.");
      }
      call.run(5000);
    }
    if (!call.conversation.ended()) {
      for (const auto& turn : call.conversation.report().turns)
        UNSCOPED_INFO(turn.start_ms << " " << turn.state << ": " << turn.text << " | "
                                    << turn.heard_text);
      UNSCOPED_INFO("due " << call.conversation.next_due_ms().value_or(-1) << " clock "
                           << call.carrier.session.sample_clock_ms(call.carrier.now) << " requests "
                           << call.script.requests.size());
    }
    CHECK(call.conversation.ended());
    for (const auto& turn : call.conversation.report().turns) {
      if (turn.who == record::Speaker::agent) CHECK(turn.text.starts_with(turn.heard_text));
    }
    if (machine_at >= 0) continue;  // told by the test: the tape's session knows nothing of it
    // And again, from its tape.
    const auto replayed = replay(call.tape_file());
    REQUIRE(replayed);
    if (const auto& d = replayed->handler_difference) {
      FAIL(d->input << "\ntape: " << d->on_tape << "\nnow:  " << d->now);
    }
    CHECK(replayed->identical());
    CHECK(replayed->handler_complete);
  }
}
