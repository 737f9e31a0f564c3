#include "tests/bench/barge_in/sounds.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <random>

#include "core/audio/dtmf.hpp"
#include "core/audio/level.hpp"
#include "core/speech/synthesizer.hpp"

namespace call::bench {
namespace {

using audio::Pcm;
using std::chrono::milliseconds;

constexpr int kVariants = 40;
constexpr std::array kVoices = {speech::Voice::rms, speech::Voice::slt, speech::Voice::awb,
                                speech::Voice::kal16};
/// Quieter than this is no sound: about -50 dBov.
constexpr std::int16_t kAudible = 100;
constexpr double kMarginDb = 15.9;
constexpr std::size_t kBlock = 80;  // 10 ms

double power(audio::PcmView pcm) {
  const double rms = audio::rms(pcm);
  return rms * rms;
}

/// The first block within the margin of the level of all blocks that are within it.
std::size_t onset_of(const Pcm& pcm) {
  std::vector<double> blocks;
  for (std::size_t at = 0; at + kBlock <= pcm.size(); at += kBlock) {
    blocks.push_back(power(audio::PcmView(pcm).subspan(at, kBlock)));
  }
  double threshold = power(pcm) * std::pow(10, -kMarginDb / 10);
  for (int round = 0; round < 5; ++round) {
    double sum = 0;
    double active = 0;
    for (const double block : blocks) {
      if (block < threshold) continue;
      sum += block;
      ++active;
    }
    if (active > 0) threshold = sum / active * std::pow(10, -kMarginDb / 10);
  }
  const auto first = std::ranges::find_if(blocks, [&](double b) { return b >= threshold; });
  return static_cast<std::size_t>(first - blocks.begin()) * kBlock;
}

Sound said(speech::Voice voice, const char* text) {
  Sound sound;
  const auto pcm = speech::Synthesizer({voice}).render(text).value_or({});
  const auto audible = [](std::int16_t s) { return s > kAudible || s < -kAudible; };
  const auto first = std::ranges::find_if(pcm, audible);
  const auto last = std::find_if(pcm.rbegin(), pcm.rend(), audible).base();
  if (first < last) sound.pcm.assign(first, last);
  sound.onset = onset_of(sound.pcm);
  return sound;
}

std::size_t samples(double ms) {
  return static_cast<std::size_t>(ms * 8);
}

/// A resonance of two poles.
class Resonance {
 public:
  Resonance(double hz, double width_hz) {
    const double r = std::exp(-std::numbers::pi * width_hz / 8000);
    a1_ = 2 * r * std::cos(2 * std::numbers::pi * hz / 8000);
    a2_ = -r * r;
    gain_ = (1 - r) * std::sqrt(1 - 2 * r * std::cos(4 * std::numbers::pi * hz / 8000) + r * r);
  }
  double push(double x) {
    const double y = gain_ * x + a1_ * y1_ + a2_ * y2_;
    y2_ = y1_;
    return y1_ = y;
  }

 private:
  double a1_ = 0, a2_ = 0, gain_ = 0, y1_ = 0, y2_ = 0;
};

/// As loud as a voice: the peak at `peak`.
Pcm scaled(const std::vector<double>& wave, double peak) {
  double most = 1e-9;
  for (const double x : wave) most = std::max(most, std::abs(x));
  Pcm pcm;
  pcm.reserve(wave.size());
  for (const double x : wave) pcm.push_back(static_cast<std::int16_t>(x / most * peak));
  return pcm;
}

using Random = std::mt19937;
double between(Random& random, double least, double most) {
  return std::uniform_real_distribution<double>(least, most)(random);
}

/// `shape(t)`: the loudness at t of 0 to 1; `voiced`: the share of a glottal buzz beside the noise.
template <class Shape>
Pcm through_mouth(Random& random, double ms, double voiced, double peak, Shape shape) {
  std::normal_distribution<double> noise;
  std::array mouth = {Resonance(between(random, 450, 750), 120),
                      Resonance(between(random, 1200, 1800), 180),
                      Resonance(between(random, 2300, 2900), 250)};
  const double pitch = between(random, 90, 180);
  std::vector<double> wave(samples(ms));
  double phase = 0;
  for (std::size_t i = 0; i < wave.size(); ++i) {
    phase += pitch / 8000;
    const double pulse = phase >= 1 ? 8 : 0;
    phase -= std::floor(phase);
    const double source = (1 - voiced) * noise(random) + voiced * pulse;
    double sum = 0;
    for (auto& resonance : mouth) sum += resonance.push(source);
    wave[i] = sum * shape(static_cast<double>(i) / static_cast<double>(wave.size()));
  }
  return scaled(wave, peak);
}

Pcm cough(Random& random) {
  const auto burst = [&](double ms, double voiced) {
    return through_mouth(random, ms, voiced, between(random, 6000, 20000),
                         [](double t) { return std::min(t * 30, 1.0) * std::exp(-3 * t); });
  };
  auto pcm = burst(between(random, 150, 350), between(random, 0, 0.3));
  if (random() % 2 == 0) {  // often twice
    pcm.resize(pcm.size() + samples(between(random, 80, 250)));
    const auto second = burst(between(random, 120, 300), between(random, 0, 0.3));
    pcm.insert(pcm.end(), second.begin(), second.end());
  }
  return pcm;
}

Pcm throat(Random& random) {
  return through_mouth(random, between(random, 250, 600), between(random, 0.4, 0.7),
                       between(random, 3000, 9000), [](double t) {
                         return std::sin(std::numbers::pi * t) *
                                (0.6 + 0.4 * std::sin(40 * std::numbers::pi * t));
                       });
}

Pcm breath(Random& random) {
  return through_mouth(random, between(random, 500, 1200), 0, between(random, 700, 2500),
                       [](double t) { return std::sin(std::numbers::pi * t); });
}

Pcm key_clicks(Random& random) {
  std::vector<double> wave(samples(600));
  for (int click = 0; click < 4; ++click) {
    const auto at = static_cast<std::size_t>(click) * samples(130) + random() % samples(60);
    Resonance body(between(random, 1500, 3500), 400);
    for (std::size_t i = 0; i < samples(12) && at + i < wave.size(); ++i) {
      wave[at + i] += body.push(i < 4 ? between(random, -1, 1) : 0);
    }
  }
  return scaled(wave, between(random, 3000, 12000));
}

Pcm door(Random& random) {
  std::normal_distribution<double> noise;
  Resonance wood(between(random, 300, 500), 60);
  std::vector<double> wave(samples(400));
  for (std::size_t i = 0; i < wave.size(); ++i) {
    wave[i] = wood.push(noise(random) * std::exp(-static_cast<double>(i) / 500));
  }
  return scaled(wave, between(random, 8000, 20000));
}

Pcm music(Random& random) {
  std::vector<double> wave(samples(2000));
  for (int note = 0; note < 4; ++note) {
    const double root = 220 * std::pow(2, static_cast<double>(random() % 12) / 12);
    for (std::size_t i = 0; i < samples(500); ++i) {
      const double t = static_cast<double>(i) / 8000;
      double sum = 0;
      for (const double step : {1.0, 1.26, 1.5}) {
        for (int harmonic = 1; harmonic < 5; ++harmonic) {
          sum += std::sin(2 * std::numbers::pi * root * step * harmonic * t) / harmonic;
        }
      }
      wave[static_cast<std::size_t>(note) * samples(500) + i] = sum * std::exp(-2 * t);
    }
  }
  return scaled(wave, between(random, 4000, 12000));
}

Pcm ring_back(Random&) {
  std::vector<double> wave(samples(2000));
  for (std::size_t i = 0; i < wave.size(); ++i) {
    const double t = 2 * std::numbers::pi * static_cast<double>(i) / 8000;
    wave[i] = std::sin(440 * t) + std::sin(480 * t);
  }
  return scaled(wave, 6000);
}

Pcm keys(Random& random) {
  const std::string digits = "0123456789*#";
  return audio::dtmf_tones(digits.substr(random() % digits.size(), 1), milliseconds(200));
}

}  // namespace

std::vector<Sound> interruptions() {
  constexpr std::array kTexts = {"wait a second",
                                 "no no that is wrong",
                                 "stop please",
                                 "excuse me",
                                 "hold on a moment",
                                 "sorry can I ask something",
                                 "I already told you that",
                                 "yes I know that",
                                 "but what about friday",
                                 "hello can you hear me",
                                 "let me talk to a person",
                                 "that is not my name"};
  std::vector<Sound> all;
  for (const auto voice : kVoices) {
    for (const auto* text : kTexts) all.push_back(said(voice, text));
  }
  return all;
}

Sounds back_channels() {
  Sounds sounds{"back-channel", {}};
  for (const auto voice : kVoices) {
    for (const auto* text : {"mm hm", "uh huh", "okay", "right", "yeah"}) {
      sounds.all.push_back(said(voice, text));
    }
  }
  return sounds;
}

std::vector<Sounds> noises() {
  struct Kind {
    const char* name;
    Pcm (*make)(Random&);
  };
  constexpr std::array kKinds = {Kind{"cough", cough},         Kind{"throat", throat},
                                 Kind{"breath", breath},       Kind{"key clicks", key_clicks},
                                 Kind{"door", door},           Kind{"music", music},
                                 Kind{"ring-back", ring_back}, Kind{"telephone key", keys}};
  std::vector<Sounds> all;
  for (const auto& kind : kKinds) {
    Random random(20);
    Sounds sounds{kind.name, {}};
    for (int i = 0; i < kVariants; ++i) sounds.all.push_back({kind.make(random), 0});
    all.push_back(std::move(sounds));
  }
  return all;
}

Sounds echoes(double loss_db) {
  Sounds sounds{"echo " + std::to_string(static_cast<int>(-loss_db)) + " dB", {}};
  for (const auto voice : kVoices) {
    auto sound = said(voice, "good morning this is the clinic calling about your appointment");
    audio::apply_gain(sound.pcm, std::pow(10, -loss_db / 20));
    sounds.all.push_back(std::move(sound));
  }
  return sounds;
}

}  // namespace call::bench
