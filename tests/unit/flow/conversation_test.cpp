// The whole conversation on a virtual clock: session, conversation, dialogue and a carrier that
// plays what it is sent. Only the speech engines are scripted.
#include "tests/unit/flow/spoken_call.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::flow;
using call::flow::test::kMsPerLetter;
using Call = call::flow::test::SpokenCall;

TEST_CASE(
    "flow.conversation: the survey ends with a good-bye that was heard, then the agent hangs up") {
  Call call;
  call.listen();
  call.run(500);
  call.answer("yes");
  call.listen();
  call.run(500);
  call.answer("four");
  call.listen();
  call.run(500);
  call.answer("no");
  call.listen();
  call.run(200);
  CHECK(call.carrier.session.end_reason() == "completed");
  const auto report = call.conversation.report();
  CHECK(report.answers.at("satisfaction") == "4");
  CHECK(report.answers.at("callback") == "no");
  CHECK(report.outcome == "answered");
  REQUIRE(report.turns.size() == 7);
  CHECK(report.turns[0].text.starts_with("Hello Ada."));
  CHECK(report.turns[6].heard_text == report.turns[6].text);
  CHECK(report.turns[6].heard_ms ==
        static_cast<std::int64_t>(report.turns[6].text.size()) * kMsPerLetter);
  CHECK(report.turns[1].end_ms - report.turns[1].start_ms == 500);
  REQUIRE(report.waterfalls.size() == 3);
  for (const auto& w : report.waterfalls) {
    REQUIRE(w.first_heard_ms);
    CHECK(*w.speech_end_ms < *w.endpoint_ms);
    CHECK(*w.endpoint_ms <= *w.final_transcript_ms);
    CHECK(*w.final_transcript_ms <= *w.reply_ready_ms);
    CHECK(*w.reply_ready_ms <= *w.first_audio_sent_ms);
    CHECK(*w.first_audio_sent_ms <= *w.first_heard_ms + 20);
    CHECK(*record::turn_gap_ms(w) <
          500);  // decided at the pause, not at the end of the long silence
  }
  CHECK(call.carrier.session.counters().underruns == 0);
}

TEST_CASE("flow.conversation: a callee without a pronounceable name is greeted neutrally") {
  Call call("\u05d3\u05e0\u05d4 \u05db\u05d4\u05df");
  call.listen();
  CHECK(call.conversation.report().turns[0].text.starts_with("Hello there."));
}

TEST_CASE("flow.conversation: interrupting the question with its answer is an answer") {
  Call call;
  call.run(1500);
  call.answer("yes", 600);
  call.run(1200);
  CHECK(call.carrier.clears == 1);
  const auto report = call.conversation.report();
  REQUIRE(report.turns.size() >= 3);
  CHECK(report.turns[0].interrupted);
  CHECK(report.turns[0].heard_ms > 1500);
  CHECK(report.turns[0].heard_ms < 2000);
  CHECK(report.turns[0].text.starts_with(report.turns[0].heard_text));
  CHECK(report.turns[0].heard_text.size() > 20);
  CHECK(report.turns[0].heard_text.size() < report.turns[0].text.size());
  CHECK(report.turns[2].state == "rating");
  CHECK(report.false_barge_ins == 0);
}

TEST_CASE("flow.conversation: a cough makes the agent resume what it was saying") {
  Call call;
  call.run(1500);
  call.answer("", 400);
  call.run(1000);
  CHECK(call.carrier.clears == 1);
  call.listen();
  const auto report = call.conversation.report();
  CHECK(report.false_barge_ins == 1);
  REQUIRE(report.turns.size() == 1);
  CHECK_FALSE(report.turns[0].interrupted);
  CHECK(report.turns[0].heard_text == report.turns[0].text);
  // The sentence, plus what was said twice.
  const auto whole = static_cast<int>(report.turns[0].text.size()) * kMsPerLetter;
  CHECK(call.carrier.heard_ms >= whole);
  CHECK(call.carrier.heard_ms <= whole + 600);
}

TEST_CASE("flow.conversation: a short answer over the agent's last words counts") {
  Call call;
  call.run(2000);
  call.answer("yes", 160);
  call.run(1000);
  CHECK(call.conversation.report().turns.at(2).state == "rating");
}

TEST_CASE("flow.conversation: a murmur over the agent's voice does not stop it") {
  Call call;
  call.run(1000);
  call.answer("five", 80);  // nothing that was asked for
  call.listen();
  CHECK(call.carrier.clears == 0);
  const auto report = call.conversation.report();
  REQUIRE(report.turns.size() == 2);
  CHECK(report.turns[1].intent.empty());
  CHECK_FALSE(report.turns[0].interrupted);
}

TEST_CASE("flow.conversation: words that are not understood are asked for again, twice") {
  Call call;
  for (int i = 0; i < 3; ++i) {
    call.listen();
    call.run(300);
    call.answer("twelve");
  }
  call.listen();
  call.run(200);
  CHECK(call.carrier.session.end_reason() == "completed");
  const auto report = call.conversation.report();
  CHECK(report.outcome == "not_understood");
  CHECK(report.turns.back().state == "unreachable");
}

TEST_CASE("flow.conversation: a silent line is asked, asked again, and left") {
  Call call;
  call.run(60000);
  CHECK(call.carrier.session.end_reason() == "completed");
  CHECK(call.carrier.session.received_ms() < 45000);
  const auto report = call.conversation.report();
  CHECK(report.turns.size() == 4);
  CHECK(report.outcome == "not_understood");
}

TEST_CASE("flow.conversation: a click on the line is no answer") {
  Call call;
  call.listen();
  call.answer("", 100);
  call.run(2000);
  CHECK(call.conversation.report().turns.size() == 1);
}

TEST_CASE("flow.conversation: keys answer, also over the agent's voice") {
  Call call;
  call.run(500);
  call.carrier.text(R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"1"}})");
  call.deliver();
  CHECK(call.carrier.clears == 1);
  call.listen();
  call.carrier.text(R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"4"}})");
  call.deliver();
  call.listen();
  const auto report = call.conversation.report();
  CHECK(report.answers.at("satisfaction") == "4");
  CHECK(report.turns[0].interrupted);
  CHECK(std::abs(report.turns[0].heard_ms - 500) <= 40);
  CHECK(report.turns[1].digits);
}

TEST_CASE("flow.conversation: a callee who goes on after a pause is heard as a whole") {
  Call call;
  call.listen();
  call.words = {"", "yes"};  // at the pause nothing is understood yet
  call.run(400, true);
  call.run(400);
  call.run(400, true);
  call.run(400);
  CHECK(call.carrier.all<media::SpeechPaused>().size() == 2);
  CHECK(call.conversation.report().turns.at(2).state == "rating");
}

TEST_CASE("flow.conversation: a hang-up in every state leaves a report of what was heard") {
  for (int state = 0; state < 5; ++state) {
    Call call;
    if (state >= 1) call.run(1000);
    if (state >= 2) call.listen();
    if (state >= 3) call.answer("yes", 400);
    if (state >= 4) call.run(1000);
    call.stop();
    CHECK(call.conversation.ended());
    const auto report = call.conversation.report();
    REQUIRE_FALSE(report.turns.empty());
    CHECK(report.outcome == "incomplete");
    const auto& last = report.turns.back();
    if (state == 1) {
      CHECK(last.interrupted);
      CHECK(std::abs(last.heard_ms - 1000) <= 40);
      CHECK_FALSE(last.heard_text.empty());
    }
  }
}

TEST_CASE("flow.conversation: the good-bye is not cut off by the callee's own") {
  Call call;
  call.listen();
  call.answer("no");
  call.run(1500);
  call.answer("bye bye", 800);
  call.run(10000);
  CHECK(call.carrier.clears == 0);
  CHECK(call.carrier.session.end_reason() == "completed");
  CHECK(call.conversation.report().outcome == "declined");
}
