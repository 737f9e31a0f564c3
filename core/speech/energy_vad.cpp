#include <algorithm>

#include "core/audio/level.hpp"
#include "core/speech/vad.hpp"

namespace call::speech {
namespace {

// Where the floor begins: a quiet line. It falls at once to anything quieter.
constexpr double kFirstFloorDbov = -55;
constexpr double kLowestFloorDbov = -75;
// Levels this far around the threshold count as partly speech.
constexpr double kSoftnessDb = 6;

}  // namespace

void EnergyVad::reset() noexcept {
  floor_dbov_ = kFirstFloorDbov;
  probability_ = 0;
}

float EnergyVad::push(audio::PcmView pcm) noexcept {
  if (pcm.empty()) return probability_;
  const double level = audio::dbov(pcm);
  const double seconds = static_cast<double>(pcm.size()) / audio::kSampleRate;
  const double threshold = std::max(floor_dbov_ + options_.margin_db, options_.least_dbov);
  probability_ =
      static_cast<float>(std::clamp(0.5 + (level - threshold) / (2 * kSoftnessDb), 0.0, 1.0));
  // Down fast (a quarter of the way a frame), up slowly, so that speech itself hardly lifts the
  // floor.
  if (level < floor_dbov_) {
    floor_dbov_ += 0.25 * (level - floor_dbov_);
  } else {
    floor_dbov_ = std::min(level, floor_dbov_ + options_.floor_rise_db_s * seconds);
  }
  floor_dbov_ = std::max(floor_dbov_, kLowestFloorDbov);
  return probability_;
}

}  // namespace call::speech
