// G.711 mu-law (ITU-T G.711), by table: one load a sample either way.
#pragma once

#include <cstdint>
#include <span>

#include "core/audio/format.hpp"

namespace call::audio {

/// Nearest mu-law code; values beyond +-32635 saturate. The step is at most 1024 at full scale, 8
/// near zero.
std::uint8_t mulaw_encode(std::int16_t sample) noexcept;
std::int16_t mulaw_decode(std::uint8_t code) noexcept;

/// `out` must be at least as long as `in`; only the first in.size() elements are written.
void mulaw_encode(PcmView in, std::span<std::uint8_t> out) noexcept;
void mulaw_decode(MulawView in, std::span<std::int16_t> out) noexcept;

Mulaw mulaw_encode(PcmView in);
Pcm mulaw_decode(MulawView in);

}  // namespace call::audio
