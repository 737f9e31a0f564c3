// A pure tone obeys x[n] + x[n-2] = 2 cos(w) x[n-1]. The factor that fits a frame best, and how
// well it fits, tell a tone from a voice in some five hundred multiplications, without a transform
// and for any frequency.
#include "core/media/voicemail.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/audio/level.hpp"

namespace call::media {
namespace {

constexpr double kLeastDbov = -40;
constexpr double kMaxMisfit =
    0.005;  // share of the energy that is not the tone; mu-law alone makes 0.001
constexpr double kMaxSwell = 0.12;  // of the energy between frames: two tones close together beat
constexpr double kMaxBeat = 1.6;    // of the energy between the quarters of a frame
constexpr double kMaxDrift = 0.03;  // of 2 cos(w) between frames: some 15 Hz at 1 kHz
constexpr double kHighestTurn = 1.90;  // 400 Hz; lower tones are hum and vowels
constexpr double kLowestTurn = -0.80;  // 2,500 Hz

struct Tone {
  double turn = 0;  ///< 2 cos(w)
  double energy = 0;
};

/// nullopt when the frame is no tone.
std::optional<Tone> tone_of(audio::PcmView pcm) {
  if (pcm.size() < 80 || audio::dbov(pcm) < kLeastDbov) return std::nullopt;  // never 0 energy
  double cross = 0;
  double energy = 0;
  double total = 0;
  std::array<double, 4> quarters{};
  for (std::size_t i = 2; i < pcm.size(); ++i) {
    const double sum = static_cast<double>(pcm[i]) + pcm[i - 2];
    const double middle = pcm[i - 1];
    cross += sum * middle;
    energy += middle * middle;
    total += sum * sum;
    quarters[i * 4 / pcm.size()] += middle * middle;
  }
  // Two tones close together beat: within the frame, or from frame to frame (see heard_beep).
  const auto [low, high] = std::ranges::minmax(quarters);
  if (high > kMaxBeat * low) return std::nullopt;
  const double turn = cross / energy;
  if (turn > kHighestTurn || turn < kLowestTurn) return std::nullopt;
  // Measured against the signal, not against x[n] + x[n-2], which vanishes at 2 kHz.
  const double misfit = (total - cross * turn) / energy;
  return misfit < kMaxMisfit ? std::optional(Tone{turn, energy}) : std::nullopt;
}

}  // namespace

bool VoicemailDetector::heard_beep(audio::PcmView pcm) {
  const auto tone = tone_of(pcm);
  const bool goes_on = tone && tone_.count() > 0 && std::abs(tone->turn - tone_turn_) < kMaxDrift &&
                       std::abs(tone->energy / tone_energy_ - 1) < kMaxSwell;
  if (!goes_on) tone_ = {};
  if (tone) {
    tone_ += audio::duration_of(pcm.size());
    tone_turn_ = tone->turn;
    tone_energy_ = tone->energy;
  }
  return tone_ >= options_.beep;
}

bool VoicemailDetector::heard_long_greeting(std::chrono::milliseconds span, bool voiced) {
  if (greeting_over_) return false;
  silence_ = voiced ? std::chrono::milliseconds(0) : silence_ + span;
  if (voiced || greeting_.count() > 0) greeting_ += span;
  greeting_over_ = greeting_.count() > 0 && silence_ > options_.greeting_pause;
  return !greeting_over_ && greeting_ >= options_.long_greeting;
}

std::optional<VoicemailDetector::Sign> VoicemailDetector::push(audio::PcmView pcm, bool voiced) {
  if (!options_.enabled || position_ > options_.window) return std::nullopt;
  const auto span = audio::duration_of(pcm.size());
  position_ += span;
  if (!beep_told_ && heard_beep(pcm)) {
    beep_told_ = true;
    return Sign::beep;
  }
  if (!greeting_told_ && heard_long_greeting(span, voiced)) {
    greeting_told_ = true;
    return Sign::long_greeting;
  }
  return std::nullopt;
}

}  // namespace call::media
