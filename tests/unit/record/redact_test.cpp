#include "core/record/redact.hpp"

#include <catch2/catch.hpp>

using namespace call::record;

namespace {

Turn callee(std::string text, std::int64_t start = 1000, std::int64_t end = 3000) {
  Turn turn;
  turn.who = Speaker::callee;
  turn.text = std::move(text);
  turn.start_ms = start;
  turn.end_ms = end;
  return turn;
}

Turn key(char digit, std::int64_t at) {
  Turn turn = callee(std::string(1, digit), at, at);
  turn.digits = true;
  return turn;
}

const Redaction kDigits{4, {}};

}  // namespace

TEST_CASE("record.redact: long numbers go, short ones stay") {
  CHECK(redact_text("my card is 4111 1111-1111.1111 thanks", kDigits) ==
        "my card is [redacted] thanks");
  CHECK(redact_text("a four", kDigits) == "a four");
  CHECK(redact_text("on a scale from 1 to 5, take 123", kDigits) ==
        "on a scale from 1 to 5, take 123");
  CHECK(redact_text("four one double two", kDigits) == "[redacted]");
  CHECK(redact_text("Twenty FORTY please", kDigits) == "[redacted] please");
  CHECK(redact_text("one; two; three; four", kDigits) == "one; two; three; four");
  CHECK(redact_text("", kDigits).empty());
  CHECK(redact_text("4111", Redaction{}) == "4111");
}

TEST_CASE("record.redact: words and phrases, whatever their case, never a part of a word") {
  const Redaction words{0, {"Smith", "mother's maiden name", "כהן"}};
  CHECK(redact_text("Mr. SMITH, not Smithers", words) == "Mr. [redacted], not Smithers");
  CHECK(redact_text("my Mother's  Maiden Name is Fox", words) == "my [redacted] is Fox");
  CHECK(redact_text("דנה כהן.", words) == "דנה [redacted].");
  CHECK(redact_text("“Smith”", words) == "“[redacted]”");
}

TEST_CASE("record.redact: with word times exactly the words are masked, else the turn") {
  CallRecord record;
  record.turns = {callee("it is nine eight seven six"), callee("five five five five", 5000, 6000)};
  record.turns[0].words = {{"it", 1000, 1100},    {"is", 1100, 1300},    {"nine", 1400, 1700},
                           {"eight", 1700, 2000}, {"seven", 2000, 2400}, {"six", 2400, 2900}};
  const auto spans = redact(record, kDigits);
  REQUIRE(spans.size() == 2);
  CHECK(spans[0] == Span{Speaker::callee, 1320, 2980});
  CHECK(spans[1] == Span{Speaker::callee, 4920, 6080});
  CHECK(record.turns[0].text == "it is [redacted]");
  CHECK(record.turns[0].words[1].text == "is");
  for (std::size_t i = 2; i < 6; ++i) CHECK(record.turns[0].words[i].text == kRedacted);
}

TEST_CASE("record.redact: words that are not all of the text do not say where the rest is") {
  const Redaction secret{0, {"fox"}};
  CallRecord record;
  record.turns = {callee("a fox, and another Fox"), callee("A fox it is.", 5000, 6000)};
  record.turns[0].words = {{"a", 1000, 1100}, {"fox,", 1200, 1500}};
  record.turns[1].words = {
      {"A", 5000, 5100}, {"Fox", 5200, 5300}, {"it", 5400, 5500}, {"is.", 5600, 5700}};
  const auto spans = redact(record, secret);
  REQUIRE(spans.size() == 2);
  CHECK(spans[0] == Span{Speaker::callee, 920, 3080});  // all of the turn
  CHECK(spans[1] == Span{Speaker::callee, 5120, 5380});
  CHECK(record.turns[0].words[1].text == kRedacted);
}

TEST_CASE("record.redact: what the agent repeats is masked on its track, heard or not") {
  CallRecord record;
  Turn agent;
  agent.text = "You said 4711. Right?";
  agent.heard_text = "You said 4711.";
  agent.start_ms = 7000;
  agent.end_ms = 8500;
  record.turns = {agent};
  record.answers = {{"pin", "4711"}, {"satisfaction", "4"}};
  const auto spans = redact(record, kDigits);
  REQUIRE(spans.size() == 1);
  CHECK(spans[0] == Span{Speaker::agent, 6920, 8580});
  CHECK(record.turns[0].text == "You said [redacted]. Right?");
  CHECK(record.turns[0].heard_text == "You said [redacted].");
  CHECK(record.answers.at("pin") == "[redacted]");
  CHECK(record.answers.at("satisfaction") == "4");
}

TEST_CASE("record.redact: keys one after another are a number, also with the agent between them") {
  CallRecord record;
  Turn agent;
  agent.text = "Go on.";
  record.turns = {key('1', 100), key('2', 500), agent, key('3', 900), key('4', 1300)};
  const auto spans = redact(record, kDigits);
  for (const auto i : {0, 1, 3, 4})
    CHECK(record.turns[static_cast<std::size_t>(i)].text == kRedacted);
  REQUIRE(spans.size() == 1);
  CHECK(spans[0] == Span{Speaker::callee, 0, 1600});
  record.turns = {key('1', 100), key('2', 500), callee("well"), key('3', 900), key('4', 1300)};
  CHECK(redact(record, kDigits).empty());
}
