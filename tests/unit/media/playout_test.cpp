#include "core/media/playout.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::media;
using std::chrono::milliseconds;

namespace {

/// A playout whose carrier plays exactly by the clock.
struct Bench {
  Playout playout;
  Playout::Time now{std::chrono::hours(1)};
  std::vector<Playout::Piece> sent;
  std::vector<Playout::Confirmed> heard;

  void say(Generation generation, int ms, bool end = true) {
    playout.begin(generation, true);
    playout.add(generation, audio::Mulaw(static_cast<std::size_t>(ms) * 8, 0x55));
    if (end) playout.end(generation);
  }
  std::size_t top_up() {
    const auto before = sent.size();
    playout.top_up(now, sent);
    return sent.size() - before;
  }
  int sent_ms() const {
    std::size_t samples = 0;
    for (const auto& piece : sent) samples += piece.audio.size();
    return static_cast<int>(samples / 8);
  }
  Playout::Echo echo(const std::string& mark) { return playout.on_mark(mark, now, heard); }
};

}  // namespace

TEST_CASE("media.playout: audio goes ahead of real time, but never more than the lead") {
  Bench bench;
  bench.say(1, 10000);
  bench.top_up();
  CHECK(bench.sent_ms() == 1600);  // the piece that crosses the lead is the last
  bench.now += milliseconds(100);
  CHECK(bench.top_up() == 0);
  bench.now += milliseconds(100);
  CHECK(bench.top_up() == 1);
}

TEST_CASE(
    "media.playout: every piece carries a mark of its utterance, and the last mark completes it") {
  Bench bench;
  bench.say(7, 500);
  CHECK(bench.top_up() == 3);
  CHECK(bench.sent[0].mark == "g7.0");
  CHECK(bench.sent[2].mark == "g7.2");
  CHECK(bench.sent[0].first);
  CHECK_FALSE(bench.sent[1].first);
  CHECK(bench.playout.audible(bench.now));
  bench.now += milliseconds(200);
  CHECK(bench.echo("g7.0") == Playout::Echo::confirmed);
  CHECK(bench.heard.back().heard_ms == 200);
  CHECK(bench.heard.back().first);
  CHECK_FALSE(bench.heard.back().complete);
  bench.now += milliseconds(320);
  bench.echo("g7.2");  // the echo of g7.1 was lost; this one covers it
  CHECK(bench.heard.size() == 3);
  CHECK(bench.heard.back().complete);
  CHECK(bench.playout.idle());
  CHECK_FALSE(bench.playout.audible(bench.now));
}

TEST_CASE("media.playout: the last piece is padded to a whole frame") {
  Bench bench;
  bench.playout.begin(1, true);
  bench.playout.add(1, audio::Mulaw(100, 0x55));
  CHECK(bench.top_up() == 0);  // the utterance may go on
  bench.playout.end(1);
  CHECK(bench.top_up() == 1);
  CHECK(bench.sent[0].audio.size() == 160);
  CHECK(bench.sent[0].audio.back() == audio::kMulawSilence);
}

TEST_CASE("media.playout: an utterance without audio completes by its mark alone") {
  Bench bench;
  bench.playout.begin(1, true);
  bench.playout.end(1);
  CHECK(bench.top_up() == 1);
  CHECK(bench.sent[0].audio.empty());
  CHECK_FALSE(bench.playout.audible(bench.now));
  bench.echo("g1.0");
  CHECK(bench.heard.back().complete);
}

TEST_CASE("media.playout: after a clear the echoes of the cleared utterance are stale") {
  Bench bench;
  bench.say(1, 3000);
  bench.top_up();
  bench.now += milliseconds(200);
  bench.echo("g1.0");
  bench.now += milliseconds(130);
  const auto cleared = bench.playout.clear(bench.now);
  CHECK(cleared.anything);
  CHECK(cleared.generation == 1);
  CHECK(cleared.heard_ms == 330);  // by the last mark and the clock
  CHECK(bench.echo("g1.1") == Playout::Echo::stale);
  CHECK(bench.echo("g1.7") == Playout::Echo::stale);
  CHECK(bench.playout.add(1, audio::Mulaw(160)) == Playout::Add::cut_off);
  bench.say(2, 400);
  CHECK(bench.top_up() == 2);
  CHECK(bench.echo("g1.3") == Playout::Echo::stale);
  CHECK(bench.echo("g2.0") == Playout::Echo::confirmed);
}

TEST_CASE("media.playout: echoes that nobody asked for are told apart") {
  Bench bench;
  bench.say(1, 200);
  bench.top_up();
  for (const char* name :
       {"", "x", "g", "g1", "g1.", "g1.9", "g.0", "g2.0", "g99999999999.0", "heartbeat_1"}) {
    CHECK(bench.echo(name) == Playout::Echo::unknown);
  }
}

TEST_CASE(
    "media.playout: utterances play in order, the next behind the last sample of the one before") {
  Bench bench;
  bench.say(1, 300);
  bench.say(2, 300);
  bench.top_up();
  REQUIRE(bench.sent.size() == 4);
  CHECK(bench.sent[1].mark == "g1.1");
  CHECK(bench.sent[2].mark == "g2.0");
  bench.say(2, 300);  // a generation that does not grow is ignored
  CHECK(bench.top_up() == 0);
}

TEST_CASE("media.playout: beginning an utterance completes the one that was open") {
  Bench bench;
  bench.say(1, 300, false);
  bench.say(2, 300);
  bench.top_up();
  CHECK(bench.sent.back().generation == 2);
}

TEST_CASE("media.playout: running dry inside an utterance is an underrun, between two it is not") {
  Bench bench;
  bench.say(1, 200, false);
  bench.top_up();
  bench.now += milliseconds(250);
  bench.playout.add(1, audio::Mulaw(1600));
  bench.playout.end(1);
  bench.top_up();
  CHECK(bench.sent.back().underrun);
  bench.now += milliseconds(5000);
  bench.echo(bench.sent.back().mark);
  bench.say(2, 200);
  bench.top_up();
  CHECK_FALSE(bench.sent.back().underrun);
}

TEST_CASE("media.playout: what is queued is bounded") {
  Bench bench;
  bench.playout.begin(1, true);
  CHECK(bench.playout.add(1, audio::Mulaw(960000)) == Playout::Add::taken);
  CHECK(bench.playout.add(1, audio::Mulaw(160)) == Playout::Add::overflow);
}

TEST_CASE("media.playout: a mark that never comes back is not waited for forever") {
  Bench bench;
  bench.say(1, 400);
  bench.top_up();
  bench.now += milliseconds(3000);
  CHECK(bench.playout.expire_marks(bench.now, bench.heard) == 0);
  CHECK_FALSE(bench.playout.audible(bench.now));
  bench.now += milliseconds(1000);
  CHECK(bench.playout.expire_marks(bench.now, bench.heard) == 2);
  CHECK(bench.heard.back().complete);
  CHECK(bench.playout.idle());
}
