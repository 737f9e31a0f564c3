#include "core/report/loudness.hpp"

#include <algorithm>

#include "core/audio/level.hpp"

namespace call::report {
namespace {

/// Below is line noise, above is shouting.
constexpr double kSilenceDbov = -50;
constexpr double kLoudDbov = -4;

}  // namespace

std::vector<float> loudness(audio::PcmView track, std::size_t slices) {
  std::vector<float> levels(slices, 0.0F);
  for (std::size_t i = 0; i < slices; ++i) {
    const auto from = track.size() * i / slices;
    const auto until = track.size() * (i + 1) / slices;
    double loudest = kSilenceDbov;
    for (auto at = from; at < until; at += audio::kFrameSamples) {
      const auto part = track.subspan(at, std::min(audio::kFrameSamples, until - at));
      loudest = std::max(loudest, audio::dbov(part));
    }
    const double level = (loudest - kSilenceDbov) / (kLoudDbov - kSilenceDbov);
    levels[i] = static_cast<float>(std::clamp(level, 0.0, 1.0));
  }
  return levels;
}

}  // namespace call::report
