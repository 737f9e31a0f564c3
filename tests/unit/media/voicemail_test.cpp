#include "core/media/voicemail.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "core/audio/dtmf.hpp"
#include "core/audio/g711.hpp"

using namespace call;
using namespace call::media;
using Sign = VoicemailDetector::Sign;
using std::chrono::milliseconds;

namespace {

audio::Pcm tones(std::initializer_list<double> hertz, int ms, double amplitude = 8000) {
  audio::Pcm pcm(static_cast<std::size_t>(ms) * 8);
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    double sum = 0;
    for (const double f : hertz) sum += std::sin(2 * M_PI * f * static_cast<double>(i) / 8000);
    pcm[i] = static_cast<std::int16_t>(amplitude * sum / static_cast<double>(hertz.size()));
  }
  return pcm;
}

/// Something like a voice: a gliding pitch with harmonics.
audio::Pcm voice(int ms) {
  audio::Pcm pcm(static_cast<std::size_t>(ms) * 8);
  double phase = 0;
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    const double t = static_cast<double>(i) / 8000;
    phase += 2 * M_PI * (140 + 30 * std::sin(2 * M_PI * 3 * t)) / 8000;
    double sum = 0;
    for (int h = 1; h <= 12; ++h) sum += std::sin(h * phase) / h;
    pcm[i] = static_cast<std::int16_t>(5000 * sum);
  }
  return pcm;
}

struct Line {
  /// As it comes over the line, in frames; the signs with the times at which they were told.
  void push(const audio::Pcm& pcm, bool voiced) {
    const auto heard = audio::mulaw_decode(audio::mulaw_encode(pcm));
    for (std::size_t at = 0; at + 160 <= heard.size(); at += 160) {
      position += 20;
      if (const auto sign = detector.push(audio::PcmView(heard).subspan(at, 160), voiced)) {
        signs.emplace_back(*sign, position);
      }
    }
  }
  void silence(int ms) { push(audio::Pcm(static_cast<std::size_t>(ms) * 8), false); }

  VoicemailDetector detector;
  int position = 0;
  std::vector<std::pair<Sign, int>> signs;
};

}  // namespace

TEST_CASE("media.voicemail: a beep of any usual pitch is heard within 220 ms") {
  for (const double hertz : {440.0, 620.0, 800.0, 1000.0, 1400.0, 2000.0, 2200.0}) {
    for (const double amplitude : {1000.0, 20000.0}) {
      Line line;
      line.push(voice(1500), true);
      line.push(tones({hertz}, 400, amplitude), false);
      INFO(hertz << " Hz at " << amplitude);
      REQUIRE(line.signs.size() == 1);
      CHECK(line.signs[0].first == Sign::beep);
      CHECK(line.signs[0].second <= 1500 + 220);
    }
  }
}

TEST_CASE("media.voicemail: keys, ring-back, voices, noise and hum are no beep") {
  Line line;
  line.push(audio::dtmf_tones("159#0"), false);
  line.push(tones({440, 480}, 1500), false);
  line.push(tones({425, 475}, 1000), false);
  line.push(tones({100}, 1000), false);
  line.push(tones({1000}, 120), false);  // too short
  line.silence(100);
  line.push(voice(3000), true);
  std::mt19937 random(7);
  audio::Pcm noise(8000);
  for (auto& sample : noise) sample = static_cast<std::int16_t>(random() % 8000);
  line.push(noise, false);
  CHECK(line.signs.empty());
}

TEST_CASE("media.voicemail: a greeting that goes on and on is a machine's, a hello is not") {
  Line machine;
  machine.silence(500);
  machine.push(voice(2500), true);
  machine.silence(500);  // takes a breath
  machine.push(voice(4000), true);
  machine.push(tones({1000}, 500), false);
  REQUIRE(machine.signs.size() == 2);
  CHECK(machine.signs[0].first == Sign::long_greeting);
  CHECK(machine.signs[0].second == 500 + 6000);
  CHECK(machine.signs[1].first == Sign::beep);

  Line human;
  human.push(voice(900), true);
  human.silence(1500);
  human.push(voice(9000), true);  // a talkative one, later
  CHECK(human.signs.empty());
}

TEST_CASE("media.voicemail: after its window, or switched off, nothing is told") {
  Line late;
  late.silence(31000);
  late.push(tones({1000}, 500), false);
  CHECK(late.signs.empty());
  VoicemailOptions off;
  off.enabled = false;
  Line line;
  line.detector = VoicemailDetector(off);
  line.push(tones({1000}, 500), false);
  CHECK(line.signs.empty());
}
