// The one audio format of a telephone leg: mono, 8 kHz, in frames of 20 ms. Everything here is pure
// and noexcept where it can be, so that it may run on a media loop.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace call::audio {

inline constexpr int kSampleRate = 8000;
inline constexpr std::size_t kFrameSamples = 160;  ///< also the bytes of a mu-law frame
inline constexpr std::chrono::milliseconds kFrameDuration{20};
inline constexpr std::size_t kSamplesPerMs = 8;
inline constexpr std::uint8_t kMulawSilence = 0xFF;

using Pcm = std::vector<std::int16_t>;
using Mulaw = std::vector<std::uint8_t>;
using PcmView = std::span<const std::int16_t>;
using MulawView = std::span<const std::uint8_t>;
using PcmFrame = std::array<std::int16_t, kFrameSamples>;
using MulawFrame = std::array<std::uint8_t, kFrameSamples>;

/// Play time of `samples` at 8 kHz, rounded down.
constexpr std::chrono::milliseconds duration_of(std::size_t samples) {
  return std::chrono::milliseconds(samples / kSamplesPerMs);
}
/// Samples (or mu-law bytes) that last `span`; 0 for a negative span.
constexpr std::size_t samples_in(std::chrono::milliseconds span) {
  return span.count() <= 0 ? 0 : static_cast<std::size_t>(span.count()) * kSamplesPerMs;
}

}  // namespace call::audio
