#include "core/audio/dtmf.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace call::audio {
namespace {

constexpr std::array<double, 4> kRowHz{697, 770, 852, 941};
constexpr std::array<double, 4> kColumnHz{1209, 1336, 1477, 1633};
constexpr std::string_view kKeys = "123A456B789C*0#D";

// Of one tone of the pair; a pair is then about -12 dBov and far from clipping.
constexpr double kAmplitude = 6000;

// What makes a window a key: loud enough, the pair carries most of the energy (speech never does),
// and neither tone is much weaker than the other (Q.24 allows 4 to 8 dB of twist).
constexpr double kLeastDbovEnergy = 1e4;  ///< mean square, about -50 dBov
constexpr double kLeastShare = 0.7;
constexpr double kMostTwist = 8.0;  ///< as a power ratio, 9 dB
constexpr int kWindowsToBeSure = 2;

/// Power of the component at `hz`, as the mean square of that sine.
double goertzel(const PcmFrame& frame, double hz) {
  const double coefficient = 2 * std::cos(2 * std::numbers::pi * hz / kSampleRate);
  double before = 0;
  double last = 0;
  for (const std::int16_t sample : frame) {
    const double now = sample + coefficient * last - before;
    before = last;
    last = now;
  }
  const double power = last * last + before * before - coefficient * last * before;
  constexpr double kN = kFrameSamples;
  return 2 * power / (kN * kN);
}

struct Peak {
  std::size_t index = 0;
  double power = 0;
};

Peak strongest(const PcmFrame& frame, const std::array<double, 4>& frequencies) {
  Peak best;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double power = goertzel(frame, frequencies[i]);
    if (power > best.power) best = {i, power};
  }
  return best;
}

char key_in(const PcmFrame& frame) {
  double energy = 0;
  for (const std::int16_t s : frame) energy += static_cast<double>(s) * s;
  energy /= kFrameSamples;
  if (energy < kLeastDbovEnergy) return '\0';
  const Peak row = strongest(frame, kRowHz);
  const Peak column = strongest(frame, kColumnHz);
  if (row.power + column.power < kLeastShare * energy) return '\0';
  if (std::max(row.power, column.power) > kMostTwist * std::min(row.power, column.power))
    return '\0';
  return kKeys[row.index * 4 + column.index];
}

}  // namespace

bool is_dtmf(char digit) noexcept {
  return kKeys.find(digit) != std::string_view::npos;
}

Pcm dtmf_tones(std::string_view digits, std::chrono::milliseconds tone,
               std::chrono::milliseconds pause) {
  Pcm out;
  for (const char digit : digits) {
    const std::size_t key = kKeys.find(digit);
    const std::size_t length = samples_in(tone);
    for (std::size_t i = 0; i < length; ++i) {
      double value = 0;
      if (key != std::string_view::npos) {
        const double phase = 2 * std::numbers::pi * static_cast<double>(i) / kSampleRate;
        value =
            kAmplitude * (std::sin(phase * kRowHz[key / 4]) + std::sin(phase * kColumnHz[key % 4]));
      }
      out.push_back(static_cast<std::int16_t>(value));
    }
    out.insert(out.end(), samples_in(pause), std::int16_t{0});
  }
  return out;
}

char DtmfDetector::push(const PcmFrame& frame) noexcept {
  const char key = key_in(frame);
  if (key == '\0' || key != last_) {
    last_ = key;
    windows_ = key == '\0' ? 0 : 1;
    return '\0';
  }
  return ++windows_ == kWindowsToBeSure ? key : '\0';
}

}  // namespace call::audio
