// An open conversation with faults of every engine, taped and run again without any of them.
#include <algorithm>

#include "core/flow/replay.hpp"
#include "open_call.hpp"

using namespace call;
using namespace call::flow;
using namespace call::flow::test;

namespace {

std::string tape_of_a_bad_day() {
  OpenCall call(dentist_toml());
  call.listen(2000);
  call.script.words.push_back("do you have time");
  call.script.partial = "do you";
  call.run(700, true);
  call.run(1000);
  call.script.partial.clear();
  call.script.news.push_back(speech::ReplyText{call.request().id, "Yes, we"});
  call.script.news.push_back(speech::ReplyFailed{call.request().id, {Errc::timeout, "no answer"}});
  call.listen(3000);
  call.script.listening_fails = Error{Errc::closed, "gone"};
  call.script.partial.clear();
  call.say("monday");
  call.script.listening_fails.reset();
  call.listen(3000);
  REQUIRE(call.hung_up == "engine_failed");
  return call.tape_file();
}

std::string tape_of_a_long_call() {
  OpenCall call(dentist_toml() + "max_failures = 9\n");
  call.listen(2000);
  call.say("do you have time");
  call.script.voice_fails = true;
  call.script.reply("First you come to us and then we have a look at all of it.");
  call.run(900);
  call.say("", 400);  // a cough: it resumes
  call.script.voice_fails = false;
  call.run(1000);
  call.say("wait a moment");  // cut off
  call.script.reply("I look.", {{"c1", "look", "{}"}, {"c2", "book", R"({"day":"monday"})"}});
  call.run(300);
  call.script.news.push_back(speech::ToolResult{1, "c1", R"({"ok":true})", true});
  call.script.news.push_back(speech::ToolResult{1, "c2", R"({"error":"slow"})", false});
  call.run(200);
  call.script.news.push_back(speech::ReplyFailed{call.request().id, {Errc::timeout, "no answer"}});
  call.listen(3000);
  call.script.listening_fails = Error{Errc::closed, "gone"};
  call.say("hello");
  call.script.listening_fails.reset();
  call.listen(3000);
  call.say("i have a code");
  call.script.reply("Key it in.", {{"c3", "collect_dtmf", R"({"digits":3})"}});
  call.listen(2000);
  call.press("123");
  call.script.transfer_fails = true;
  call.script.reply("I connect you.", {{"c4", "transfer", R"({"to":"reception"})"}});
  call.listen(4000);
  call.say("good bye then");
  call.script.reply("Good bye.", {{"c5", "hang_up", "{}"}});
  call.listen();
  REQUIRE(call.hung_up == "completed");
  REQUIRE(call.script.transfers.size() == 1);
  REQUIRE_FALSE(call.script.spare_said.empty());
  REQUIRE(call.report().false_barge_ins == 1);
  REQUIRE(std::ranges::any_of(call.report().waterfalls,
                              [](const auto& fall) { return fall.first_token_ms.has_value(); }));
  return call.tape_file();
}

std::string changed(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  REQUIRE(from.size() == to.size());
  return text.replace(at, from.size(), to);
}

media::Difference difference(const std::string& tape) {
  const auto replayed = replay(tape);
  REQUIRE(replayed);
  CHECK_FALSE(replayed->session.difference);
  CHECK_FALSE(replayed->identical());
  REQUIRE(replayed->handler_difference);
  return *replayed->handler_difference;
}

}  // namespace

TEST_CASE("flow.open_replay: a conversation with faults decides again what it decided") {
  for (const auto& tape : {tape_of_a_long_call(), tape_of_a_bad_day()}) {
    const auto replayed = replay(tape);
    REQUIRE(replayed);
    if (const auto& d = replayed->handler_difference) {
      FAIL(d->input << "\ntape: " << d->on_tape << "\nnow:  " << d->now);
    }
    CHECK(replayed->identical());
    CHECK(replayed->handler_complete);
    CHECK(replayed->handler_inputs > 40);
    CHECK(replayed->handler_decisions > 35);
  }
}

TEST_CASE("flow.open_replay: other words of the callee are another question to the model") {
  // On the tape twice: told by the recogniser, asked of the model.
  const auto d = difference(changed(tape_of_a_long_call(), "wait a moment", "wait a minute"));
  CHECK(d.input.find("final words") != std::string::npos);
  CHECK(d.on_tape.find("the last \"wait a moment\"") != std::string::npos);
  CHECK(d.now.find("the last \"wait a minute\"") != std::string::npos);
}

TEST_CASE("flow.open_replay: another answer of the model is another sentence to the voice") {
  const auto d = difference(changed(tape_of_a_long_call(), "Key i", "Tip i"));
  CHECK(d.input.find("reply") != std::string::npos);
  CHECK(d.now.find("voice: say \"Tip it in. \"") != std::string::npos);
}

TEST_CASE("flow.open_replay: another agent is another decision, and it is shown") {
  const auto d = difference(changed(tape_of_a_long_call(), "Hello there.", "Hello World."));
  CHECK(d.input == "begin");
  CHECK(d.on_tape.find("Hello there.") != std::string::npos);
  CHECK(d.now.find("Hello World.") != std::string::npos);
}

TEST_CASE("flow.open_replay: without its end the tape is replayed as far as it goes") {
  const auto tape = tape_of_a_long_call();
  const auto replayed = replay(std::string_view(tape).substr(0, tape.size() - 5000));
  REQUIRE(replayed);
  CHECK(replayed->identical());
  CHECK_FALSE(replayed->handler_complete);
}
