#include "core/audio/level.hpp"

#include <algorithm>
#include <cmath>

namespace call::audio {
namespace {

constexpr double kFullScale = 32768.0;
constexpr double kFloorDbov = -127.0;

std::int16_t saturate(std::int32_t value) {
  return static_cast<std::int16_t>(std::clamp<std::int32_t>(value, INT16_MIN, INT16_MAX));
}

}  // namespace

double rms(PcmView pcm) noexcept {
  if (pcm.empty()) return 0;
  std::int64_t sum = 0;
  for (const std::int16_t s : pcm) sum += std::int32_t{s} * s;
  return std::sqrt(static_cast<double>(sum) / static_cast<double>(pcm.size()));
}

double rms_to_dbov(double rms) noexcept {
  if (rms <= 0) return kFloorDbov;
  return std::clamp(20 * std::log10(rms / kFullScale), kFloorDbov, 0.0);
}

double dbov(PcmView pcm) noexcept {
  return rms_to_dbov(rms(pcm));
}

void apply_gain(std::span<std::int16_t> pcm, double factor) noexcept {
  for (std::int16_t& s : pcm) {
    const double scaled = std::clamp(std::nearbyint(s * factor), -32768.0, 32767.0);
    s = static_cast<std::int16_t>(scaled);
  }
}

void mix_into(std::span<std::int16_t> into, PcmView from) noexcept {
  const std::size_t n = std::min(into.size(), from.size());
  for (std::size_t i = 0; i < n; ++i) into[i] = saturate(std::int32_t{into[i]} + from[i]);
}

ComfortNoise::ComfortNoise(int amplitude, std::uint32_t seed) noexcept
    : state_(seed == 0 ? 1 : seed),
      range_(static_cast<std::uint32_t>(std::clamp(amplitude, 0, 8000)) * 2 + 1),
      amplitude_(std::clamp(amplitude, 0, 8000)) {}

std::int16_t ComfortNoise::next() noexcept {
  // xorshift32 (Marsaglia 2003): white enough for noise, four instructions.
  state_ ^= state_ << 13;
  state_ ^= state_ >> 17;
  state_ ^= state_ << 5;
  return static_cast<std::int16_t>(static_cast<std::int32_t>((state_ >> 8) % range_) - amplitude_);
}

void ComfortNoise::fill(std::span<std::int16_t> out) noexcept {
  for (std::int16_t& s : out) s = next();
}

void ComfortNoise::add_to(std::span<std::int16_t> pcm) noexcept {
  for (std::int16_t& s : pcm) s = saturate(std::int32_t{s} + next());
}

}  // namespace call::audio
