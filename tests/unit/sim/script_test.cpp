#include "core/sim/script.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::sim;
using namespace std::chrono_literals;

TEST_CASE("sim.script: callers take what they do not name from the defaults") {
  const auto script = Script::parse(R"(
[defaults]
ring_s = 0.5
voice = "slt"
lines = ["Hello."]

[[caller]]
number = "+12025550101"
label = "Ada"
pickup = "voicemail"
greeting = "Leave a message."
noise_dbov = -60

[[caller]]
number = "+12025550102"
lines = ["Yes.", { press = "1*#A" }, { say = "Wait!", interrupt_after_ms = 700 },
         { say = "I must", cut_after_ms = 200 }, { hang_up = true }]
)",
                                    "callers.toml");
  INFO((script.ok() ? "" : script.error().context));
  REQUIRE(script.ok());
  REQUIRE(script.value().callers() == 2);
  const auto& ada = script.value().for_number("+12025550101");
  REQUIRE(ada.pickup == Pickup::voicemail);
  REQUIRE(ada.ring == 500ms);
  REQUIRE(ada.voice.voice == speech::Voice::slt);
  REQUIRE(ada.noise_dbov == -60.0);
  REQUIRE(ada.lines.size() == 1);
  const auto& second = script.value().for_number("+12025550102");
  REQUIRE(second.lines.size() == 5);
  REQUIRE(second.lines[1].press == "1*#A");
  REQUIRE(second.lines[2].interrupt_after == 700ms);
  REQUIRE(second.lines[3].cut_after == 200ms);
  REQUIRE(second.lines[4].hang_up);
  REQUIRE(script.value().for_number("+19995550000").lines[0].say == "Hello.");
}

TEST_CASE("sim.script: an empty script answers silently") {
  const auto script = Script::parse("", "callers");
  REQUIRE(script.ok());
  REQUIRE(script.value().for_number("+12025550101").pickup == Pickup::answer);
  REQUIRE(script.value().for_number("+12025550101").lines.empty());
}

TEST_CASE("sim.script: mistakes name the file, the caller and the key") {
  const auto error = [](const std::string& text) {
    const auto script = Script::parse(text, "callers.toml");
    REQUIRE_FALSE(script.ok());
    REQUIRE(script.error().code == Errc::invalid_argument);
    return script.error().context;
  };
  using Catch::Contains;
  const std::string head = "[[caller]]\nnumber = \"+12025550101\"\n";
  CHECK_THAT(error("ring = "), Contains("callers.toml"));
  CHECK_THAT(error("[default]"), Contains("callers.toml") && Contains("'default'"));
  CHECK_THAT(error("[[caller]]\nring_s = 1"), Contains("caller 1") && Contains("number"));
  CHECK_THAT(error(head + "rings = 1"), Contains("(+12025550101)") && Contains("'rings'"));
  CHECK_THAT(error(head + "ring_s = -1"), Contains("ring_s must be 0 to 600"));
  CHECK_THAT(error(head + "ring_s = \"1\""), Contains("ring_s"));
  CHECK_THAT(error(head + "voice = \"bob\""), Contains("'bob'"));
  CHECK_THAT(error(head + "pickup = \"maybe\""), Contains("'maybe'"));
  CHECK_THAT(error(head + "lines = [1]"), Contains("string or a table"));
  CHECK_THAT(error(head + "lines = [{ say = \"a\", press = \"1\" }]"), Contains("exactly one"));
  CHECK_THAT(error(head + "lines = [\"\"]"), Contains("exactly one"));
  CHECK_THAT(error(head + "lines = [{ press = \"1x\" }]"), Contains("0-9"));
  CHECK_THAT(error(head + "lines = [{ hang_up = true, cut_after_ms = 1 }]"), Contains("needs say"));
  CHECK_THAT(error(head + "lines = [\"\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D\"]"),
             Contains("can be spoken"));
  CHECK_THAT(error(head + head), Contains("twice"));
}
