#include "core/media/call_link.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "core/media/assembly.hpp"

using namespace call;
using namespace call::media;

namespace {

struct Bench {
  std::vector<Command> posted;
  CallLink link{
      {}, [this](Command command) { posted.push_back(std::move(command)); }, MonoClock::now()};
};

Deadline soon() {
  return Deadline::after(std::chrono::milliseconds(5));
}

}  // namespace

TEST_CASE("media.link: events come out in order and the end is the last") {
  Bench bench;
  bench.link.push(SpeechBegan{10});
  bench.link.push(CallEnded{"caller_hung_up", 20});
  bench.link.push(SpeechBegan{30});  // after the end: nothing
  CHECK(std::get<SpeechBegan>(*bench.link.next(soon())).at_ms == 10);
  CHECK(std::get<CallEnded>(*bench.link.next(soon())).reason == "caller_hung_up");
  const auto after = bench.link.next(soon());
  REQUIRE_FALSE(after);
  CHECK(after.error().code == Errc::closed);
}

TEST_CASE(
    "media.link: what the handler has cut off is not current again by an older interruption") {
  Bench bench;
  bench.link.send(BeginSpeech{1});
  bench.link.send(BeginSpeech{2});
  bench.link.send(CancelSpeech{});
  bench.link.push(BargedIn{1, 500, 1, 900});
  CHECK_FALSE(bench.link.is_current(2));
}

TEST_CASE("media.link: waiting has a deadline") {
  Bench bench;
  CHECK(bench.link.next(soon()).error().code == Errc::timeout);
}

TEST_CASE("media.link: audio gives way, control never does") {
  Bench bench;
  bench.link.push(SpeechBegan{1});
  for (std::size_t i = 0; i < CallLink::kMaxAudioEvents; ++i) {
    REQUIRE(bench.link.push(SpeechAudio{audio::Pcm(1, static_cast<std::int16_t>(i))}) ==
            CallLink::Push::ok);
  }
  CHECK(bench.link.push(SpeechAudio{audio::Pcm(1, 9999)}) == CallLink::Push::dropped_audio);
  CHECK(std::holds_alternative<SpeechBegan>(*bench.link.next(soon())));
  CHECK(std::get<SpeechAudio>(*bench.link.next(soon())).pcm[0] == 1);  // 0 was the oldest
}

TEST_CASE(
    "media.link: a handler that does not read is told from a slow one, and still hears of the "
    "end") {
  Bench bench;
  for (std::size_t i = 0; i < CallLink::kMaxEvents; ++i) {
    REQUIRE(bench.link.push(DigitPressed{'1', 0}) == CallLink::Push::ok);
  }
  CHECK(bench.link.push(DigitPressed{'1', 0}) == CallLink::Push::stuck);
  CHECK(bench.link.push(CallEnded{"handler_stuck", 0}) == CallLink::Push::ok);
  CHECK(bench.link.ended());
}

TEST_CASE("media.link: an utterance is current until it is cut off") {
  Bench bench;
  bench.link.send(BeginSpeech{1, true});
  CHECK(bench.link.is_current(1));
  bench.link.push(BargedIn{1, 100, 1, 500});
  CHECK_FALSE(bench.link.is_current(1));
  bench.link.send(BeginSpeech{2, true});
  CHECK(bench.link.is_current(2));
  bench.link.send(CancelSpeech{});
  CHECK_FALSE(bench.link.is_current(2));
  bench.link.push(CallEnded{});
  bench.link.send(BeginSpeech{3, true});
  CHECK_FALSE(bench.link.is_current(3));
  CHECK(bench.posted.size() == 3);  // nothing goes to a session that has ended
}

TEST_CASE("media.link: after a hang-up nothing is sent any more") {
  Bench bench;
  bench.link.send(BeginSpeech{1});
  bench.link.send(HangUp{"completed"});
  for (int i = 0; i < 337; ++i) bench.link.send(HangUp{"again"});
  bench.link.send(BeginSpeech{2});
  bench.link.send(AddSpeech{2, audio::Mulaw(160)});
  CHECK(bench.posted.size() == 2);
  CHECK_FALSE(bench.link.is_current(1));
  CHECK_FALSE(bench.link.ended());  // the end is the session's to tell
}

TEST_CASE("media.assembly: the record is filed once, by the side that ends last") {
  for (const bool session_first : {true, false}) {
    std::vector<record::CallRecord> filed;
    RecordAssembly assembly(true, [&](record::CallRecord r) { filed.push_back(std::move(r)); });
    record::CallRecord half;
    half.call_sid = "CA1";
    HandlerReport report;
    report.outcome = "answered";
    report.answers["satisfaction"] = "4";
    report.drops["reply_text"] = 2;
    if (session_first) assembly.session_ended(half);
    assembly.handler_ended(report);
    if (!session_first) assembly.session_ended(half);
    assembly.handler_ended({});
    assembly.session_ended({});
    REQUIRE(filed.size() == 1);
    CHECK(filed[0].call_sid == "CA1");
    CHECK(filed[0].answers.at("satisfaction") == "4");
    CHECK(filed[0].outcome == "answered");
    CHECK(filed[0].counters.drops.at("reply_text") == 2);
  }
}

TEST_CASE("media.assembly: a call without a handler needs its session only") {
  int filed = 0;
  RecordAssembly assembly(false, [&](record::CallRecord) { ++filed; });
  assembly.session_ended({});
  CHECK(filed == 1);
}
