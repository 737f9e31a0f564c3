#include "core/record/call_record.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::record;

namespace {

CallRecord sample() {
  CallRecord record;
  record.call_sid = "CA1";
  record.stream_sid = "MZ1";
  record.tenant = "default";
  record.list = "3";
  record.entry = "14";
  record.attempt = "0a0b";
  record.agent = "survey";
  record.started_at = parse_rfc3339("2026-11-23T21:56:03.125Z");
  record.ended_at = parse_rfc3339("2026-11-23T21:57:03Z");
  record.end_reason = "completed";
  record.outcome = "answered";
  record.duration_ms = 60123;
  record.answers = {{"satisfaction", "4"}, {"callback", "yes"}};
  Turn agent;
  agent.text = "Hello \u05d3\u05e0\u05d4.";
  agent.heard_text = "Hello";
  agent.heard_ms = 640;
  agent.end_ms = 640;
  agent.interrupted = true;
  agent.state = "greeting";
  Turn callee;
  callee.who = Speaker::callee;
  callee.text = "yes";
  callee.confidence = 0.93;
  callee.start_ms = 700;
  callee.end_ms = 980;
  callee.intent = "yes";
  callee.words = {{"yes", 720, 960}};
  record.turns = {agent, callee};
  Waterfall waterfall;
  waterfall.turn = 1;
  waterfall.speech_end_ms = 980;
  waterfall.first_token_ms = 1200;
  waterfall.first_heard_ms = 1450;
  record.waterfalls = {waterfall};
  record.counters.frames_in = 3000;
  record.counters.drops["mark_lost"] = 2;
  record.counters.lateness[3] = 7;
  record.recording.samples = 480984;
  record.recording.lost_samples = 8000;
  record.recording.masked = {{Speaker::agent, 100, 900}};
  return record;
}

}  // namespace

TEST_CASE("record: a record survives the way to JSON and back") {
  const auto read = from_json_text(to_json_text(sample()));
  REQUIRE(read);
  CHECK(to_json_text(*read) == to_json_text(sample()));
  CHECK(read->turns.at(1).words.at(0).end_ms == 960);
  CHECK(read->waterfalls.at(0).first_token_ms == 1200);
  CHECK(read->recording.samples == 480984);
  CHECK(read->recording.masked.at(0) == Span{Speaker::agent, 100, 900});
  CHECK(read->turns.at(0).interrupted);
  CHECK(read->turns.at(1).who == Speaker::callee);
  CHECK(read->turns.at(1).confidence == 0.93);
  CHECK(read->counters.lateness[3] == 7);
  CHECK(read->counters.drops.at("mark_lost") == 2);
  CHECK(to_rfc3339(*read->started_at, 3) == "2026-11-23T21:56:03.125Z");
  CHECK_FALSE(read->answered_at);
  CHECK(turn_gap_ms(read->waterfalls.at(0)) == 470);
}

TEST_CASE("record: a record of a newer version is refused") {
  const auto read = from_json_text(R"({"version": 2, "call_sid": "CA1"})");
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::protocol);
}

TEST_CASE("record: a member of a wrong type is named") {
  const auto read = from_json_text(R"({"version": 1, "call_sid": "CA1", "turns": [{"who": 7}]})");
  REQUIRE_FALSE(read);
  CHECK(read.error().context.find("who") != std::string::npos);
}

TEST_CASE("record: a count that cannot be one is named") {
  for (const auto* damaged :
       {R"("counters": {"frames_out": -10})", R"("counters": {"lateness": {"counts": [-1]}})",
        R"("recording": {"samples": -1})", R"("recording": {"lost_samples": -1})",
        R"("waterfalls": [{"turn": -1}])", R"("waterfalls": [{"turn": 4294967296}])"}) {
    const auto read =
        from_json_text(std::string(R"({"version": 1, "call_sid": "CA1", )") + damaged + "}");
    INFO(damaged);
    REQUIRE_FALSE(read);
    CHECK(read.error().to_string().find("no count") != std::string::npos);
  }
}

TEST_CASE("record: missing members keep their defaults") {
  const auto read = from_json_text(R"({"version": 1, "call_sid": "CA1"})");
  REQUIRE(read);
  CHECK(read->turns.empty());
  CHECK(read->counters.frames_in == 0);
}

TEST_CASE("record: the transcript shows times, interruptions and confidence") {
  const std::string text = transcript_text(sample());
  CHECK(text.find(
            "00:00.0  agent   Hello \u05d3\u05e0\u05d4.  [interrupted after 0.6 s: \"Hello\"]") !=
        std::string::npos);
  CHECK(text.find("00:00.7  callee  yes  [confidence 0.93]") != std::string::npos);
  CHECK(text.find("Answer   satisfaction = 4") != std::string::npos);
}

TEST_CASE("record: text that is not UTF-8 does not spoil the file") {
  CallRecord record = sample();
  record.turns[0].text = "bad \xff byte";
  const auto read = from_json_text(to_json_text(record));
  REQUIRE(read);
  CHECK(read->turns[0].text == "bad \uFFFD byte");
}
