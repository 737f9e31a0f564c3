#include "core/sim/meter.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::sim;
using namespace std::chrono_literals;

namespace {

/// A meter fed by a playback, frame by frame.
struct Bench {
  Summary summary;
  TruthWriter writer{""};
  TruthLog log{writer, "CA1"};
  Meter meter{summary, log};
  Playback playback;

  Bench() { meter.begin_stream(1000); }
  void sound(std::chrono::milliseconds length) {
    playback.enqueue(audio::Mulaw(audio::samples_in(length), 0x20));
  }
  void run(int frames, bool late = false, Caller::Frame caller = {}) {
    for (int i = 0; i < frames; ++i) {
      const auto at = playback.now();
      const auto tick = playback.tick();
      caller.audible_heard = tick.played > 0;
      meter.frame(at, tick, caller, playback.sounding(), late);
    }
  }
  void caller_begins() {
    Caller::Frame frame;
    frame.began = 0;
    run(1, false, frame);
  }
  void caller_ends() {
    Caller::Frame frame;
    frame.ended = true;
    run(1, false, frame);
  }
};

}  // namespace

TEST_CASE("sim.meter: a gap counts against the agent only when the simulator kept time") {
  Bench bench;
  bench.sound(100ms);
  bench.run(10);
  bench.sound(100ms);
  bench.run(10);
  REQUIRE(bench.summary.gaps == 1);
  REQUIRE(bench.summary.longest_gap_ms == 100);
  bench.sound(100ms);
  bench.run(6);
  bench.run(2, true);  // late while the buffer was dry
  bench.run(2);
  bench.sound(100ms);
  bench.run(5);
  REQUIRE(bench.summary.gaps == 2);
  REQUIRE(bench.summary.gaps_while_late == 1);
  REQUIRE(bench.summary.longest_gap_ms == 100);
}

TEST_CASE("sim.meter: lateness while audio sounds excuses no later gap") {
  Bench bench;
  bench.sound(100ms);
  bench.run(2, true);
  bench.run(8);
  bench.sound(100ms);
  bench.run(5);
  REQUIRE(bench.summary.gaps == 1);
  REQUIRE(bench.summary.gaps_while_late == 0);
}

TEST_CASE("sim.meter: heard time is exact to the sample") {
  Bench bench;
  bench.sound(33ms);
  bench.run(3);
  bench.sound(50ms);
  bench.run(4);
  REQUIRE(bench.summary.heard_ms == 83);
}

TEST_CASE(
    "sim.meter: a turn gap runs from the end of the caller's words to the first audible answer") {
  Bench bench;
  bench.caller_begins();
  bench.run(9);
  bench.caller_ends();
  bench.run(20);
  bench.sound(100ms);
  bench.run(5);
  REQUIRE(bench.summary.lines_said == 1);
  REQUIRE(bench.summary.said_ms == 220);
  REQUIRE(bench.summary.turn_gap_ms == std::vector<std::int64_t>{400});
  REQUIRE(bench.summary.barge_ins == 0);
}

TEST_CASE(
    "sim.meter: a barge-in lasts until the clear; an agent that ends by itself was not stopped") {
  Bench bench;
  bench.sound(2s);
  bench.run(10);
  bench.caller_begins();
  bench.run(14);
  bench.meter.cleared(bench.playback.now(), bench.playback.clear());
  bench.run(10);
  bench.caller_ends();
  REQUIRE(bench.summary.barge_ins == 1);
  REQUIRE(bench.summary.barge_in_stop_ms == std::vector<std::int64_t>{300});

  bench.sound(200ms);
  bench.run(5);
  bench.caller_begins();
  bench.run(20);
  bench.meter.cleared(bench.playback.now(), bench.playback.clear());
  REQUIRE(bench.summary.barge_ins == 2);
  REQUIRE(bench.summary.barge_in_stop_ms.size() == 1);
}

TEST_CASE("sim.meter: words that the end of the call cut off still count as time") {
  Bench bench;
  bench.caller_begins();
  bench.run(4);
  bench.meter.end_stream(bench.playback.now());
  REQUIRE(bench.summary.lines_said == 0);
  REQUIRE(bench.summary.said_ms == 100);
}
