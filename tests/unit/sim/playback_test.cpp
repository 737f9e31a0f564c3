#include "core/sim/playback.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::sim;
using namespace std::chrono_literals;

namespace {

audio::Mulaw sound(std::chrono::milliseconds length, std::uint8_t code = 0x10) {
  return audio::Mulaw(audio::samples_in(length), code);
}

/// Plays for `span`; returns the gaps found.
std::vector<Playback::Gap> run(Playback& playback, std::chrono::milliseconds span) {
  std::vector<Playback::Gap> gaps;
  for (auto left = span; left > 0ms; left -= audio::kFrameDuration)
    if (auto gap = playback.tick().gap) gaps.push_back(*gap);
  return gaps;
}

}  // namespace

TEST_CASE("sim.playback: bytes sound in order, 160 a tick, padded with silence") {
  Playback playback;
  audio::Mulaw bytes(250);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  REQUIRE(playback.enqueue(bytes) == 250);
  const auto first = playback.tick();
  REQUIRE(first.played == 160);
  REQUIRE(std::equal(first.frame.begin(), first.frame.end(), bytes.begin()));
  const auto second = playback.tick();
  REQUIRE(second.played == 90);
  REQUIRE(second.frame[89] == 249);
  REQUIRE(second.frame[90] == audio::kMulawSilence);
  REQUIRE(playback.tick().played == 0);
  REQUIRE(playback.now() == 60ms);
}

TEST_CASE("sim.playback: a mark is echoed at once only when nothing is queued or sounding") {
  Playback playback;
  REQUIRE(playback.mark("idle"));
  playback.enqueue(sound(20ms));
  REQUIRE_FALSE(playback.mark("a"));
  REQUIRE(playback.tick().marks.empty());  // its 20 ms sound now
  REQUIRE_FALSE(playback.mark("b"));       // queue empty, but still sounding
  REQUIRE(playback.tick().marks == std::vector<std::string>{"a", "b"});
  REQUIRE(playback.mark("idle again"));
}

TEST_CASE("sim.playback: marks come when everything before them has sounded, in order") {
  Playback playback;
  playback.enqueue(sound(30ms));
  REQUIRE_FALSE(playback.mark("at 30"));
  playback.enqueue(sound(30ms));
  REQUIRE_FALSE(playback.mark("at 60"));
  REQUIRE(playback.tick().marks.empty());                               // 0 to 20
  REQUIRE(playback.tick().marks.empty());                               // 20 to 40
  REQUIRE(playback.tick().marks == std::vector<std::string>{"at 30"});  // 40 have sounded
  REQUIRE(playback.tick().marks == std::vector<std::string>{"at 60"});
}

TEST_CASE("sim.playback: clear drops what is queued and echoes every pending mark") {
  Playback playback;
  playback.enqueue(sound(100ms));
  REQUIRE_FALSE(playback.mark("one"));
  playback.enqueue(sound(100ms));
  REQUIRE_FALSE(playback.mark("two"));
  playback.tick();
  const auto cleared = playback.clear();
  REQUIRE(cleared.dropped == 180ms);
  REQUIRE(cleared.marks == std::vector<std::string>{"one", "two"});
  REQUIRE(playback.tick().played == 0);
  playback.enqueue(sound(20ms));
  REQUIRE_FALSE(playback.mark("three"));
  playback.tick();
  REQUIRE(playback.tick().marks == std::vector<std::string>{"three"});
}

TEST_CASE("sim.playback: the buffer holds ten minutes and no byte more") {
  Playback playback;
  const auto all = sound(Playback::kMaxBuffered);
  REQUIRE(playback.enqueue(all) == all.size());
  REQUIRE(playback.enqueue(sound(20ms)) == 0);
  playback.tick();
  REQUIRE(playback.enqueue(sound(40ms)) == 160);
  REQUIRE(playback.buffered() == Playback::kMaxBuffered);
}

TEST_CASE(
    "sim.playback: a dry spell over 40 ms inside an utterance is a gap, with place and length") {
  Playback playback;
  playback.enqueue(sound(100ms));
  REQUIRE(run(playback, 160ms).empty());  // 60 ms dry, but nothing came after it yet
  playback.enqueue(sound(100ms));
  const auto gaps = run(playback, 100ms);
  REQUIRE(gaps.size() == 1);
  REQUIRE(gaps[0].at == 100ms);
  REQUIRE(gaps[0].length == 60ms);
}

TEST_CASE("sim.playback: up to 40 ms is no gap, and partial frames count to the sample") {
  Playback playback;
  playback.enqueue(sound(20ms));
  REQUIRE(run(playback, 60ms).empty());  // 40 ms dry
  playback.enqueue(sound(15ms));
  REQUIRE(run(playback, 60ms).empty());  // 5 + 40 ms dry
  playback.enqueue(sound(20ms));
  const auto gaps = run(playback, 20ms);
  REQUIRE(gaps.size() == 1);
  REQUIRE(gaps[0].length == 45ms);
}

TEST_CASE("sim.playback: silence before the first word and after the last is no gap") {
  Playback playback;
  REQUIRE(run(playback, 500ms).empty());
  playback.enqueue(sound(100ms));
  REQUIRE(run(playback, 5000ms).empty());
}

TEST_CASE(
    "sim.playback: a pause of more than a second, a clear or the callee's turn end the utterance") {
  Playback pause;
  pause.enqueue(sound(20ms));
  REQUIRE(run(pause, 1040ms).empty());
  pause.enqueue(sound(20ms));
  REQUIRE(run(pause, 20ms).empty());

  Playback cleared;
  cleared.enqueue(sound(200ms));
  run(cleared, 100ms);
  cleared.clear();
  REQUIRE(run(cleared, 200ms).empty());
  cleared.enqueue(sound(20ms));
  REQUIRE(run(cleared, 20ms).empty());

  Playback turn;
  turn.enqueue(sound(20ms));
  run(turn, 200ms);
  turn.callee_took_turn();
  turn.enqueue(sound(20ms));
  REQUIRE(run(turn, 20ms).empty());
}

TEST_CASE("sim.playback: a callee who speaks while the agent sounds does not hide a later gap") {
  Playback playback;
  playback.enqueue(sound(100ms));
  playback.tick();
  playback.callee_took_turn();
  REQUIRE(run(playback, 180ms).empty());
  playback.enqueue(sound(20ms));
  REQUIRE(run(playback, 20ms).size() == 1);
}
