#include "core/sim/caller.hpp"

#include <catch2/catch.hpp>

#include "core/audio/g711.hpp"
#include "core/sim/amd.hpp"
#include "core/sim/voices.hpp"

using namespace call;
using namespace call::sim;
using namespace std::chrono_literals;

namespace {

Sound tone(std::chrono::milliseconds length) {
  auto pcm = std::make_shared<audio::Pcm>();
  for (std::size_t i = 0; i < audio::samples_in(length); ++i)
    pcm->push_back(i % 8 < 4 ? 8000 : -8000);
  return pcm;
}

audio::MulawFrame loud() {
  audio::MulawFrame frame;
  const auto pcm = tone(20ms);
  audio::mulaw_encode(*pcm, frame);
  return frame;
}

audio::MulawFrame silent() {
  audio::MulawFrame frame;
  frame.fill(audio::kMulawSilence);
  return frame;
}

CallerScript script(std::vector<Line> lines) {
  CallerScript out;
  out.lines = std::move(lines);
  return out;
}

Line say() {
  Line line;
  line.say = "words";
  return line;
}

bool is_audible(const audio::MulawFrame& frame) {
  return audio::dbov(audio::mulaw_decode(audio::MulawView(frame))) >= Caller::kAudibleDbov;
}

/// Runs frames until something other than silence happens, at most `span`; returns when and what.
struct Happened {
  std::chrono::milliseconds at{-1};
  Caller::Frame frame;
};
Happened run(Caller& caller, const audio::MulawFrame& heard, std::chrono::milliseconds span) {
  for (auto left = span; left > 0ms; left -= 20ms) {
    const auto at = caller.now();
    auto frame = caller.step(heard);
    if (frame.began || frame.ended || !frame.pressed.empty() || frame.hang_up) return {at, frame};
  }
  return {};
}

}  // namespace

TEST_CASE("sim.caller: it speaks when the agent has spoken and then been silent") {
  Caller caller(script({say()}), {nullptr, {tone(100ms)}}, 1);
  REQUIRE(run(caller, silent(), 5s).at == -1ms);  // nobody spoke yet
  REQUIRE(run(caller, loud(), 1s).at == -1ms);    // does not interrupt
  const auto began = run(caller, silent(), 2s);
  REQUIRE(began.frame.began == std::size_t{0});
  REQUIRE(began.at == 5s + 1s + 600ms - 20ms);  // in the frame that completes 600 ms of silence
  REQUIRE(is_audible(began.frame.said));
  const auto ended = run(caller, silent(), 1s);
  REQUIRE(ended.frame.ended);
  REQUIRE(ended.at == began.at + 80ms);
  REQUIRE_FALSE(is_audible(caller.step(silent()).said));
}

TEST_CASE("sim.caller: a click or comfort noise is no sentence") {
  Caller caller(script({say()}), {nullptr, {tone(100ms)}}, 1);
  run(caller, loud(), 100ms);
  REQUIRE(run(caller, silent(), 3s).at == -1ms);
  audio::PcmFrame noise{};
  audio::ComfortNoise(20, 5).fill(noise);
  audio::MulawFrame quiet;
  audio::mulaw_encode(noise, quiet);
  REQUIRE(run(caller, quiet, 3s).at == -1ms);
}

TEST_CASE("sim.caller: lines come one per turn of the agent") {
  Caller caller(script({say(), say()}), {nullptr, {tone(100ms), tone(100ms)}}, 1);
  run(caller, loud(), 500ms);
  REQUIRE(run(caller, silent(), 1s).frame.began == std::size_t{0});
  REQUIRE(run(caller, silent(), 1s).frame.ended);
  REQUIRE(run(caller, silent(), 3s).at == -1ms);
  run(caller, loud(), 500ms);
  REQUIRE(run(caller, silent(), 1s).frame.began == std::size_t{1});
  run(caller, silent(), 1s);
  run(caller, loud(), 500ms);
  REQUIRE(run(caller, silent(), 3s).at == -1ms);  // nothing left to say
  REQUIRE(caller.lines_done() == 2);
}

TEST_CASE("sim.caller: an interruption begins so long after the agent began") {
  auto line = say();
  line.interrupt_after = 700ms;
  Caller caller(script({line}), {nullptr, {tone(100ms)}}, 1);
  run(caller, silent(), 1s);
  const auto began = run(caller, loud(), 5s);
  REQUIRE(began.frame.began == std::size_t{0});
  REQUIRE(began.at == 1s + 700ms);
}

TEST_CASE("sim.caller: keys, hang-up in turn and hang-up in the middle of either side's words") {
  Line press;
  press.press = "12#";
  Line hang_up;
  hang_up.hang_up = true;
  Caller polite(script({press, hang_up}), {nullptr, {nullptr, nullptr}}, 1);
  run(polite, loud(), 500ms);
  REQUIRE(run(polite, silent(), 1s).frame.pressed == "12#");
  run(polite, loud(), 500ms);
  REQUIRE(run(polite, silent(), 1s).frame.hang_up == std::string("its turn"));

  hang_up.interrupt_after = 1s;
  Caller rude(script({hang_up}), {nullptr, {nullptr}}, 1);
  const auto gone = run(rude, loud(), 5s);
  REQUIRE(gone.frame.hang_up == std::string("in the middle of the agent's sentence"));
  REQUIRE(gone.at == 1s);

  auto cut = say();
  cut.cut_after = 300ms;
  Caller torn(script({cut}), {nullptr, {tone(2s)}}, 1);
  run(torn, loud(), 500ms);
  const auto began = run(torn, silent(), 1s);
  const auto cut_off = run(torn, silent(), 5s);
  REQUIRE(cut_off.frame.hang_up == std::string("in the middle of its own sentence"));
  REQUIRE(cut_off.at == began.at + 280ms);
}

TEST_CASE("sim.caller: a greeting is said at once, and voicemail says nothing else") {
  auto machine = script({say()});
  machine.pickup = Pickup::voicemail;
  Caller caller(machine, {tone(200ms), {tone(100ms)}}, 1);
  const auto began = run(caller, silent(), 1s);
  REQUIRE(began.at == 0ms);
  REQUIRE(began.frame.began == Caller::kGreeting);
  REQUIRE(run(caller, silent(), 1s).frame.ended);
  run(caller, loud(), 1s);
  REQUIRE(run(caller, silent(), 5s).at == -1ms);
}

TEST_CASE(
    "sim.caller: patience ends after long silence, counted from the last sound of either side") {
  auto impatient = script({say()});
  impatient.patience = 3s;
  Caller caller(impatient, {nullptr, {tone(100ms)}}, 1);
  run(caller, silent(), 2s);
  run(caller, loud(), 500ms);
  run(caller, silent(), 1s);  // began its line
  const auto ended = run(caller, silent(), 1s);
  REQUIRE(ended.frame.ended);
  const auto gone = run(caller, silent(), 10s);
  REQUIRE(gone.frame.hang_up == std::string("heard nothing"));
  REQUIRE(gone.at == ended.at + 3s);
}

TEST_CASE("sim.caller: line noise has the level asked for and the same seed gives the same noise") {
  auto noisy = script({});
  noisy.noise_dbov = -40.0;
  Caller one(noisy, {}, 7);
  Caller two(noisy, {}, 7);
  Caller three(noisy, {}, 8);
  audio::Pcm heard;
  for (int i = 0; i < 50; ++i) {
    const auto frame = one.step(silent()).said;
    REQUIRE(frame == two.step(silent()).said);
    REQUIRE(frame != three.step(silent()).said);
    const auto pcm = audio::mulaw_decode(audio::MulawView(frame));
    heard.insert(heard.end(), pcm.begin(), pcm.end());
  }
  REQUIRE(audio::dbov(heard) == Approx(-40).margin(1));
}

TEST_CASE("sim.caller: answering machine detection follows Twilio's parameters") {
  using carrier::AnsweredBy;
  AmdRequest request;
  CallerScript person;
  REQUIRE(detect(request, person, 600ms).who == AnsweredBy::human);
  REQUIRE(detect(request, person, 600ms).after == 1800ms);
  REQUIRE(detect(request, person, 0ms).who == AnsweredBy::unknown);
  REQUIRE(detect(request, person, 0ms).after == 5000ms);
  CallerScript machine;
  machine.pickup = Pickup::voicemail;
  REQUIRE(detect(request, machine, 4000ms).who == AnsweredBy::machine_start);
  REQUIRE(detect(request, machine, 4000ms).after == 2400ms);
  request.message_end = true;
  REQUIRE(detect(request, machine, 4000ms).who == AnsweredBy::machine_end_beep);
  REQUIRE(detect(request, machine, 4000ms).after == 4000ms);
  machine.beep = false;
  REQUIRE(detect(request, machine, 4000ms).who == AnsweredBy::machine_end_silence);
  REQUIRE(detect(request, machine, 40s).who == AnsweredBy::unknown);
  REQUIRE(detect(request, machine, 40s).after == 30s);
}

TEST_CASE("sim.voices: silence is trimmed to 30 ms before and 60 ms behind the sound") {
  audio::Pcm pcm(audio::samples_in(500ms), 0);
  const auto sound = tone(200ms);
  pcm.insert(pcm.end(), sound->begin(), sound->end());
  pcm.insert(pcm.end(), audio::samples_in(400ms), 0);
  const auto trimmed = trim_silence(pcm);
  REQUIRE(trimmed.size() == audio::samples_in(290ms));
  REQUIRE(std::equal(sound->begin(), sound->end(),
                     trimmed.begin() + static_cast<std::ptrdiff_t>(audio::samples_in(30ms))));
  REQUIRE(trim_silence(*sound) == *sound);
  REQUIRE(trim_silence(audio::Pcm(4000, 3)).empty());
  REQUIRE(trim_silence({}).empty());
}
