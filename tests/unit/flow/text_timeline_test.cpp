#include "core/flow/text_timeline.hpp"

#include <catch2/catch.hpp>

using namespace call::flow;

TEST_CASE("flow.text_timeline: what was heard is told to the word, between marks and behind them") {
  const std::string text = "one two three four ";
  TextTimeline line;
  line.add({8, 800});
  line.add({14, 2000});
  CHECK(line.heard(text, 0).empty());
  CHECK(line.heard(text, 250).empty());
  CHECK(line.heard(text, 400) == "one");
  CHECK(line.heard(text, 800) == "one two");
  CHECK(line.heard(text, 1500) == "one two");
  CHECK(line.heard(text, 2000) == "one two three");
  CHECK(line.heard(text, 60000) == "one two three four");
}

TEST_CASE(
    "flow.text_timeline: marks out of order are ignored, without any a usual pace is assumed") {
  TextTimeline line;
  line.add({10, 1000});
  line.add({5, 1500});
  line.add({20, 500});
  CHECK(line.last().chars == 10);
  CHECK(TextTimeline().heard("hello there everybody", 1000) == "hello there");
}
