#include "core/media/session.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/media/virtual_carrier.hpp"

using namespace call;
using namespace call::media;
using call::media::test::VirtualCarrier;
using std::chrono::milliseconds;

TEST_CASE("media.session: a stream that never starts is warned about, then given up") {
  VirtualCarrier carrier;
  carrier.text(R"({"event":"connected","protocol":"Call","version":"1.0.0"})");
  carrier.now += milliseconds(2499);
  carrier.taped.on_tick(carrier.now, carrier.out);
  CHECK_FALSE(carrier.out.start_is_late);
  carrier.now += milliseconds(1);
  carrier.taped.on_tick(carrier.now, carrier.out);
  CHECK(carrier.out.start_is_late);
  carrier.now += milliseconds(2500);
  carrier.taped.on_tick(carrier.now, carrier.out);
  CHECK(carrier.out.ended);
  CHECK(carrier.session.end_reason() == "no_start");
}

TEST_CASE("media.session: a start after 1.8 s is no failure") {
  VirtualCarrier carrier;
  carrier.now += milliseconds(1800);
  carrier.start();
  carrier.run(1000);
  CHECK_FALSE(carrier.session.ended());
}

TEST_CASE("media.session: the greeting is heard to the end and its times are known") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.run(200);
  carrier.say(1, 3000);
  REQUIRE(carrier.last<FirstAudioSent>());
  CHECK(carrier.last<FirstAudioSent>()->at_ms == 200);
  carrier.run(3200);
  const auto heard = carrier.all<Heard>();
  REQUIRE(heard.size() == 2);
  CHECK_FALSE(heard[0].complete);
  CHECK(heard[0].at_ms - heard[0].heard_ms == 200);
  CHECK(heard[1].complete);
  CHECK(heard[1].heard_ms == 3000);
  CHECK(carrier.heard_ms == 3000);
  CHECK(carrier.session.counters().underruns == 0);
  CHECK(carrier.session.counters().marks_heard == carrier.session.counters().marks_sent);
}

TEST_CASE("media.session: a turn is told with its pre-roll, its audio and its end") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.run(1000);
  carrier.run(600, true);
  carrier.run(1000);
  REQUIRE(carrier.all<TurnEnded>().size() == 1);
  const auto turn = *carrier.last<TurnEnded>();
  CHECK(turn.start_ms == 1000);
  CHECK(turn.speech_end_ms == 1600);
  CHECK(turn.endpoint_ms == 2300);
  CHECK_FALSE(turn.overlapped);
  CHECK(carrier.last<SpeechPaused>()->speech_end_ms == 1600);
  CHECK(carrier.first_index<SpeechBegan>() < carrier.first_index<SpeechAudio>());
  CHECK(carrier.first_index<SpeechPaused>() < carrier.first_index<TurnEnded>());
  std::size_t samples = 0;
  for (const auto& audio : carrier.all<SpeechAudio>()) samples += audio.pcm.size();
  CHECK(samples == (300 + 600 + 320) * 8);  // pre-roll, speech, the silence up to the pause
}

TEST_CASE("media.session: an answer of 100 ms is not lost, also when the agent has just finished") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.say(1, 1000);
  carrier.run(1000);
  carrier.run(100, true);
  carrier.run(1000);
  REQUIRE(carrier.all<TurnEnded>().size() == 1);
  CHECK_FALSE(carrier.last<TurnEnded>()->overlapped);
}

TEST_CASE("media.session: a short answer over the agent's last words is a turn that says so") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.say(1, 3000);
  carrier.run(1000);
  carrier.run(80, true);
  carrier.run(3000);
  REQUIRE(carrier.all<TurnEnded>().size() == 1);
  CHECK(carrier.last<TurnEnded>()->overlapped);
  CHECK(carrier.clears == 0);
  CHECK(carrier.heard_ms == 3000);
}

TEST_CASE("media.session: barge-in is confirmed by duration, clears, and knows what was heard") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.say(1, 5000);
  carrier.run(1000);
  carrier.run(80, true);
  CHECK(carrier.clears == 0);
  carrier.run(40, true);
  CHECK(carrier.clears == 1);
  const auto barge_in = carrier.last<BargedIn>();
  REQUIRE(barge_in);
  CHECK(barge_in->generation == 1);
  CHECK(std::abs(barge_in->heard_ms - carrier.heard_ms) <= 20);
  carrier.run(300, true);
  carrier.run(1000);
  CHECK(carrier.session.counters().barge_ins == 1);
  CHECK(carrier.heard_ms <= 1300);
  REQUIRE(carrier.all<TurnEnded>().size() == 1);
  CHECK_FALSE(carrier.last<TurnEnded>()->overlapped);
  // Twilio echoes the marks that it threw away: they prove nothing.
  CHECK(carrier.session.counters().marks_stale > 0);
  CHECK_FALSE(carrier.last<Heard>()->complete);
}

TEST_CASE("media.session: an interruption of the second utterance leaves the first one heard") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.mark_delay_ms = 900;  // so the marks of both are still on their way
  carrier.say(1, 300);
  carrier.say(2, 3000);
  carrier.run(500);
  carrier.run(160, true);
  const auto barge_in = carrier.last<BargedIn>();
  REQUIRE(barge_in);
  CHECK(barge_in->generation == 2);
  const auto heard = carrier.last<Heard>();
  REQUIRE(heard);
  CHECK(heard->generation == 1);
  CHECK(heard->complete);
  CHECK(heard->heard_ms == 300);
}

TEST_CASE("media.session: a reply after a barge-in is told from echoes of what was cleared") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.say(1, 5000);
  carrier.run(1000);
  carrier.run(400, true);
  carrier.say(2, 600);
  carrier.run(1000);
  CHECK(carrier.last<Heard>()->generation == 2);
  CHECK(carrier.last<Heard>()->complete);
  CHECK(carrier.last<Heard>()->heard_ms == 600);
  carrier.command(AddSpeech{1, audio::Mulaw(160)});  // a late chunk of the first utterance
  carrier.run(100);
  CHECK(carrier.session.counters().drops.at("speech_cut_off") == 1);
}

TEST_CASE("media.session: what must not be interrupted plays on") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.say(1, 2000, false);
  carrier.run(500);
  carrier.run(800, true);
  carrier.run(1500);
  CHECK(carrier.clears == 0);
  CHECK(carrier.heard_ms == 2000);
  CHECK(carrier.all<TurnEnded>().size() == 1);
  CHECK(carrier.last<TurnEnded>()->overlapped);
}

TEST_CASE("media.session: cancelling stops the agent without a barge-in") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.say(1, 5000);
  carrier.run(500);
  carrier.command(CancelSpeech{});
  CHECK(carrier.clears == 1);
  CHECK(carrier.all<BargedIn>().empty());
  carrier.run(500);
  CHECK(carrier.heard_ms <= 520);
}

TEST_CASE("media.session: the handler may end a turn at a pause") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.run(500);
  carrier.run(400, true);
  carrier.run(340);
  REQUIRE(carrier.last<SpeechPaused>());
  CHECK(carrier.all<TurnEnded>().empty());
  carrier.command(FinishTurn{});
  REQUIRE(carrier.all<TurnEnded>().size() == 1);
  CHECK(carrier.last<TurnEnded>()->speech_end_ms == 900);
  carrier.run(2000);
  CHECK(carrier.all<TurnEnded>().size() == 1);
}

TEST_CASE("media.session: digits go to the handler") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.text(
      R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}})");
  REQUIRE(carrier.last<DigitPressed>());
  CHECK(carrier.last<DigitPressed>()->digit == '5');
}

TEST_CASE(
    "media.session: every call ends: at the carrier's stop, at its silence, at the longest "
    "duration") {
  SessionOptions options;
  options.tuning.max_duration = milliseconds(3000);
  {
    VirtualCarrier carrier(options);
    carrier.start();
    carrier.run(5000);
    CHECK(carrier.session.end_reason() == "max_duration");
  }
  {
    VirtualCarrier carrier;
    carrier.start();
    carrier.sends_media = false;
    carrier.run(20000);
    CHECK(carrier.session.end_reason() == "peer_lost");
  }
  {
    VirtualCarrier carrier;
    carrier.start();
    carrier.text(R"({"event":"stop","streamSid":"MZ1","stop":{}})");
    CHECK(carrier.session.end_reason() == "caller_hung_up");
  }
}

TEST_CASE("media.session: a hang-up in any state ends the call once, with the handler told last") {
  const auto stop = R"({"event":"stop","streamSid":"MZ1","stop":{}})";
  const std::vector<std::function<void(VirtualCarrier&)>> states = {
      [](VirtualCarrier&) {},
      [](VirtualCarrier& c) { c.say(1, 2000); },
      [](VirtualCarrier& c) { c.say(1, 2000), c.run(700); },
      [](VirtualCarrier& c) { c.run(300, true); },
      [](VirtualCarrier& c) { c.run(300, true), c.run(400); },
      [](VirtualCarrier& c) { c.say(1, 2000), c.run(500), c.run(300, true); },
      [](VirtualCarrier& c) { c.say(1, 500), c.run(2000); },
  };
  for (const auto& reach : states) {
    VirtualCarrier carrier;
    carrier.start();
    reach(carrier);
    carrier.text(stop);
    carrier.text(stop);
    carrier.command(HangUp{});
    carrier.taped.end("again", carrier.now, carrier.out);
    CHECK(carrier.session.end_reason() == "caller_hung_up");
    CHECK(carrier.all<CallEnded>().size() == 1);
    CHECK(std::holds_alternative<CallEnded>(carrier.events.back()));
    const auto messages = carrier.sent.size();
    carrier.run(100);
    CHECK(carrier.sent.size() == messages);
  }
}

TEST_CASE("media.session: a stream that the carrier takes elsewhere has not been hung up") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.run(200);
  carrier.command(StreamEndMeans{"transferred"});
  const bool failed = GENERATE(true, false);
  if (failed) carrier.command(StreamEndMeans{});
  carrier.text(R"({"event":"stop","streamSid":"MZ1","stop":{}})");
  CHECK(carrier.session.end_reason() == (failed ? "caller_hung_up" : "transferred"));
}

TEST_CASE("media.session: the agent hangs up at once") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.run(100);
  carrier.command(HangUp{"completed"});
  CHECK(carrier.session.ended());
  CHECK(carrier.session.end_reason() == "completed");
}

TEST_CASE("media.session: a peer that talks nonsense is counted, then sent away") {
  SessionOptions options;
  options.max_refused_messages = 3;
  VirtualCarrier carrier(options);
  carrier.start();
  carrier.text("nonsense");
  CHECK(carrier.out.refused);
  carrier.text(R"({"event":"start","streamSid":"MZ1","start":{"callSid":"CA2"}})");
  CHECK(*carrier.out.refused == "a second start message");
  CHECK_FALSE(carrier.session.ended());
  carrier.text("{}");
  CHECK(carrier.session.end_reason() == "protocol_error");
  CHECK(carrier.session.counters().messages_refused == 3);
}

TEST_CASE("media.session: what is allowed and of no use is counted by its kind and harms nothing") {
  SessionOptions options;
  options.max_refused_messages = 1;
  VirtualCarrier carrier(options);
  carrier.start();
  for (int i = 0; i < 10; ++i) {
    carrier.text(
        R"({"event":"media","streamSid":"MZ1","media":{"track":"outbound","payload":"/w=="}})");
    carrier.text(R"({"event":"tomorrow","streamSid":"MZ1"})");
  }
  carrier.text(R"({"event":"error","payload":{"code":31951}})");
  CHECK(carrier.out.carrier_error == R"({"code":31951})");
  CHECK_FALSE(carrier.session.ended());
  CHECK(carrier.session.counters().drops.at("other_track") == 10);
  CHECK(carrier.session.counters().drops.at("unknown_event") == 10);
  CHECK(carrier.session.counters().frames_in == 0);
  carrier.text(R"({"event":"mark","streamSid":"MZ2","mark":{"name":"g1.0"}})");
  CHECK(carrier.session.end_reason() == "protocol_error");
}

TEST_CASE(
    "media.session: a flood of messages or of audio ends the call, a burst after a stall does "
    "not") {
  SessionOptions options;
  options.max_message_burst = 1000;
  const auto mark = R"({"event":"mark","streamSid":"MZ1","mark":{"name":"x"}})";
  {
    VirtualCarrier carrier(options);
    carrier.start();
    for (int i = 0; i < 900; ++i) carrier.text(mark);
    CHECK_FALSE(carrier.session.ended());
    carrier.now += std::chrono::seconds(1);  // 200 more
    for (int i = 0; i < 290; ++i) carrier.text(mark);
    CHECK_FALSE(carrier.session.ended());
    for (int i = 0; i < 20; ++i) carrier.text(mark);
    CHECK(carrier.session.end_reason() == "message_flood");
  }
  {
    VirtualCarrier carrier(options);
    carrier.start(Session::Mode::echo);
    const std::string second = R"({"event":"media","streamSid":"MZ1","media":{"payload":")" +
                               crypto::base64_encode(std::string(8000, '\x20')) + "\"}}";
    for (int i = 0; i < 15; ++i) carrier.text(second);
    CHECK_FALSE(carrier.session.ended());
    for (int i = 0; i < 5; ++i) carrier.text(second);
    CHECK(carrier.session.end_reason() == "audio_flood");
    CHECK(carrier.session.received_ms() <= 17000);
  }
}

TEST_CASE("media.session: messages before the start are dropped and counted") {
  VirtualCarrier carrier;
  carrier.text(R"({"event":"mark","streamSid":"MZ1","mark":{"name":"g1.0"}})");
  carrier.text(R"({"event":"media","media":{"timestamp":"0","payload":"/w=="}})");
  CHECK(carrier.session.counters().drops.at("before_start") == 2);
}

TEST_CASE("media.session: echo sends every frame back, frame by frame") {
  VirtualCarrier carrier;
  carrier.start(Session::Mode::echo);
  carrier.run(1000, true);
  CHECK(carrier.sent.size() == 50);
  CHECK(carrier.session.counters().frames_out == 50);
  CHECK(carrier.sent[0].find(crypto::base64_encode(std::string(160, '\x20'))) != std::string::npos);
}

TEST_CASE("media.session: inbound audio that never came is silence in the recording and in time") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.run(1000);
  carrier.timestamp_ms += 500;
  carrier.now += milliseconds(500);
  carrier.run(1000);
  CHECK(carrier.session.counters().inbound_gap_ms == 500);
  CHECK(carrier.session.received_ms() == 2500);
}

TEST_CASE("media.session: audio without or with a stuck timestamp follows what came before") {
  VirtualCarrier carrier;
  carrier.start(Session::Mode::echo);
  for (const char* stamp : {"", R"("timestamp":"0",)"}) {
    for (int i = 0; i < 200; ++i) {
      carrier.now += milliseconds(20);
      carrier.text(R"({"event":"media","media":{)" + std::string(stamp) +
                   R"("payload":"/////w=="}})");
    }
  }
  CHECK(carrier.session.counters().messages_refused == 0);
  CHECK(carrier.session.counters().frames_out == 400);
  CHECK(carrier.session.counters().inbound_gap_ms == 0);
}

TEST_CASE("media.session: a timestamp out of a dream fills nothing") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.run(100);
  carrier.timestamp_ms = 80000000;
  carrier.run(100);
  CHECK(carrier.session.received_ms() == 200);
}

TEST_CASE("media.session: the recording holds what each side heard, where it was heard") {
  VirtualCarrier carrier;
  carrier.start();
  carrier.run(1000);
  carrier.say(1, 2000);
  carrier.run(1000);
  carrier.run(400, true);  // cuts the agent off after 1240 ms
  carrier.run(1000);
  carrier.text(R"({"event":"stop","streamSid":"MZ1","stop":{}})");
  audio::Mulaw callee, agent;
  for (const auto& block : carrier.recorded) {
    CHECK(block.position == static_cast<std::int64_t>(callee.size()));
    CHECK(block.callee.size() == block.agent.size());
    callee.insert(callee.end(), block.callee.begin(), block.callee.end());
    agent.insert(agent.end(), block.agent.begin(), block.agent.end());
  }
  CHECK(callee.size() == 3400 * 8);
  const auto voiced = static_cast<int>(std::ranges::count(agent, 0x20) / 8);
  CHECK(std::abs(voiced - carrier.heard_ms) <= 20);
  CHECK(agent[990 * 8] == audio::kMulawSilence);
  CHECK(agent[1100 * 8] == 0x20);
  CHECK(callee[2100 * 8] == 0x20);
}
