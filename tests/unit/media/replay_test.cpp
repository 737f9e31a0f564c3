#include "core/media/replay.hpp"

#include <catch2/catch.hpp>

#include "core/media/tape_text.hpp"
#include "core/record/tape.hpp"
#include "tests/unit/media/virtual_carrier.hpp"

using namespace call;
using namespace call::media;
using test::VirtualCarrier;

namespace {

/// A call with everything in it: a greeting, an interruption, an answer, a key, nonsense, a gap.
std::string eventful_call(VirtualCarrier& carrier) {
  carrier.start();
  carrier.say(1, 3000);
  carrier.run(1000);
  carrier.run(600, true);
  carrier.run(1500);
  carrier.say(2, 700);
  carrier.run(2000);
  carrier.text(
      R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}})");
  carrier.text("no JSON at all");
  carrier.timestamp_ms += 400;
  carrier.run(500, true);
  carrier.command(SetEndpointing{std::chrono::milliseconds(300)});
  carrier.command(FinishTurn{});
  carrier.run(900);
  carrier.text(R"({"event":"stop","streamSid":"MZ1","stop":{}})");
  return carrier.taped.take_tape(1);
}

}  // namespace

TEST_CASE("media.replay: a call is decided again as it was, bit for bit") {
  VirtualCarrier carrier({}, true);
  const auto tape = eventful_call(carrier);
  REQUIRE(carrier.session.ended());
  const auto replayed = replay_session(tape);
  REQUIRE(replayed);
  if (replayed->difference) {
    FAIL(replayed->difference->input << " / " << replayed->difference->on_tape << " / "
                                     << replayed->difference->now);
  }
  CHECK(replayed->ended);
  CHECK(replayed->inputs > 300);
  CHECK(replayed->decisions > 50);
  CHECK(replayed->start.call_sid == "CA1");
  REQUIRE(replayed->events.size() == carrier.events.size());
  for (std::size_t i = 0; i < carrier.events.size(); ++i) {
    CHECK(describe(replayed->events[i]) == describe(carrier.events[i]));
  }
}

TEST_CASE("media.replay: other options decide otherwise, and the first difference is shown") {
  VirtualCarrier carrier({}, true);
  std::string tape = eventful_call(carrier);
  const std::string option = "\"barge_in\":100";
  const auto at = tape.rfind(option);  // those with which the call was accepted count
  REQUIRE(at != std::string::npos);
  tape.replace(at, option.size(), "\"barge_in\":400");
  const auto replayed = replay_session(tape);
  REQUIRE(replayed);
  REQUIRE(replayed->difference);
  CHECK(replayed->difference->on_tape.find("clear") != std::string::npos);
  CHECK(replayed->difference->now.find("clear") == std::string::npos);
  CHECK(replayed->difference->at_ns > 1'000'000'000);
}

TEST_CASE("media.replay: one bit of one frame is a difference") {
  VirtualCarrier carrier({}, true);
  std::string tape = eventful_call(carrier);
  const auto at = tape.find("\"payload\":\"ICAg", tape.size() / 4);  // a frame of speech
  REQUIRE(at != std::string::npos);
  tape[at + 12] = 'Q';
  const auto replayed = replay_session(tape);
  REQUIRE(replayed);
  CHECK(replayed->difference);
}

TEST_CASE(
    "media.replay: a tape that stops in the middle of the call is the same as far as it goes") {
  VirtualCarrier carrier({}, true);
  const std::string tape = eventful_call(carrier);
  for (const std::size_t cut : {tape.size() / 3, tape.size() / 2, tape.size() - 7}) {
    const auto replayed = replay_session(std::string_view(tape).substr(0, cut));
    REQUIRE(replayed);
    CHECK_FALSE(replayed->difference);
  }
}

TEST_CASE("media.replay: damage is an error, not a difference") {
  CHECK(replay_session("").error().code == Errc::protocol);
  record::TapeWriter writer;
  writer.put('O', 0, "{}");
  writer.put('C', 0, "\x63");
  CHECK(replay_session(writer.take()).error().code == Errc::protocol);
}

TEST_CASE("media.replay: commands survive the way onto the tape") {
  const std::vector<Command> commands = {
      BeginSpeech{7, false}, AddSpeech{7, audio::Mulaw{0, 127, 255}},
      EndSpeech{7},          CancelSpeech{},
      FinishTurn{},          SetEndpointing{std::chrono::milliseconds(432)},
      HangUp{"silence"},     StreamEndMeans{"transferred"}};
  for (const auto& command : commands) {
    const auto read = decode_command(encode_command(command));
    REQUIRE(read);
    CHECK(describe(*read) == describe(command));
  }
  const auto speech = decode_command(encode_command(commands[1]));
  CHECK(std::get<AddSpeech>(*speech).mulaw == audio::Mulaw{0, 127, 255});
  for (const auto& command : {commands[0], commands[2], commands[3], commands[5]})
    CHECK_FALSE(decode_command(encode_command(command) + "x"));
  CHECK_FALSE(decode_command(encode_command(SetEndpointing{std::chrono::milliseconds::max()})));
  CHECK_FALSE(decode_command(""));
  CHECK_FALSE(decode_command("\x01"));
}

TEST_CASE("media.replay: options survive the way onto the tape") {
  SessionOptions options;
  options.tuning.turn.pause = std::chrono::milliseconds(333);
  options.tuning.turn.endpointer.start_threshold = 0.62F;
  options.max_refused_messages = 5;
  options.tuning.vad = CallTuning::Vad::energy;
  const auto read = options_from_text(options_text(options));
  REQUIRE(read);
  CHECK(options_text(*read) == options_text(options));
  CHECK(read->tuning.turn.endpointer.start_threshold == 0.62F);
  CHECK(read->tuning.vad == CallTuning::Vad::energy);
  for (const auto* damaged : {"[]", "{", R"({"pause":-1})", R"({"pause":1e300})", R"({"vad":2})",
                              R"({"lead":"long"})", R"({"pause":9223372036854775807})",
                              R"({"max_refused_messages":-5})", R"({"stop_threshold":1e39})"})
    CHECK_FALSE(options_from_text(damaged));
  CHECK(options_from_text(R"({"pause":1,"of a later version":2})"));
}
