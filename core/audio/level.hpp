// Loudness, gain, mixing and comfort noise.
#pragma once

#include <cstdint>
#include <span>

#include "core/audio/format.hpp"

namespace call::audio {

/// Root mean square in sample units, 0 for an empty span.
double rms(PcmView pcm) noexcept;
/// Level relative to a full-scale square wave (RFC 6464's dBov): 0 is the loudest, -127 the floor.
double dbov(PcmView pcm) noexcept;
/// The level in dBov of a signal with this root mean square.
double rms_to_dbov(double rms) noexcept;

/// Multiplies in place, saturating.
void apply_gain(std::span<std::int16_t> pcm, double factor) noexcept;
/// into[i] += from[i], saturating, over the shorter of the two.
void mix_into(std::span<std::int16_t> into, PcmView from) noexcept;

/// White noise for places where digital silence would hurt: a recogniser's front end takes the
/// logarithm of the energy, and a caller takes true silence for a dead line. Deterministic by seed;
/// one thread each.
class ComfortNoise {
 public:
  /// `amplitude`: peak in sample units; 20 is about -68 dBov.
  explicit ComfortNoise(int amplitude = 20, std::uint32_t seed = 1) noexcept;
  void fill(std::span<std::int16_t> out) noexcept;
  void add_to(std::span<std::int16_t> pcm) noexcept;

 private:
  std::int16_t next() noexcept;
  std::uint32_t state_;
  std::uint32_t range_;
  std::int32_t amplitude_;
};

}  // namespace call::audio
