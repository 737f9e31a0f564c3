#include "core/media/recording.hpp"

#include <catch2/catch.hpp>

using namespace call;
using media::Recording;

namespace {
audio::Mulaw tone(std::size_t samples) {
  return audio::Mulaw(samples, 0x11);
}
}  // namespace

TEST_CASE("media.recording: both tracks come out equally long, by sample count") {
  Recording recording;
  recording.add_callee(0, tone(16000));
  CHECK_FALSE(recording.take(8000));  // of the agent's track nothing is known yet
  recording.agent_silent_until(12000);
  const auto block = recording.take(8000);
  REQUIRE(block);
  CHECK(block->position == 0);
  CHECK(block->callee.size() == 12000);
  CHECK(block->agent == audio::Mulaw(12000, audio::kMulawSilence));
  const auto rest = recording.finish();
  REQUIRE(rest);
  CHECK(rest->position == 12000);
  CHECK(rest->callee.size() == 4000);
  CHECK(rest->agent.size() == 4000);
  CHECK_FALSE(recording.finish());
}

TEST_CASE("media.recording: a gap in the callee's audio becomes silence") {
  Recording recording;
  recording.add_callee(0, tone(160));
  recording.add_callee(320, tone(160));
  const auto block = recording.finish();
  REQUIRE(block);
  CHECK(block->callee.size() == 640);
  CHECK(block->callee[159] == 0x11);
  CHECK(block->callee[160] == audio::kMulawSilence);
  CHECK(block->callee[480] == 0x11);
}

TEST_CASE(
    "media.recording: the agent's voice is placed where it was heard, and the jitter of marks "
    "leaves no hole") {
  Recording recording;
  recording.add_agent(8000 + 1600, tone(1600));
  CHECK(recording.agent_end() == 9600);
  recording.add_agent(9600 + 1600 + 300, tone(1600));  // the echo was 37 ms late
  CHECK(recording.agent_end() == 11200);
  recording.add_agent(40000, tone(1600));  // a new utterance
  CHECK(recording.agent_end() == 40000);
  const auto block = recording.finish();
  REQUIRE(block);
  CHECK(block->agent[7999] == audio::kMulawSilence);
  CHECK(block->agent[8000] == 0x11);
  CHECK(block->agent[11199] == 0x11);
  CHECK(block->agent[11200] == audio::kMulawSilence);
}
