#include "core/audio/g711.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/base/assert.hpp"

namespace call::audio {
namespace {

// The segment arithmetic of the standard, 14 significant bits, done at compile time only.
constexpr int kBias = 0x84;
constexpr int kClip = 32635;

constexpr std::uint8_t encode_one(int sample) {
  const int sign = sample < 0 ? 0x80 : 0;
  const int magnitude = std::min(sample < 0 ? -sample : sample, kClip) + kBias;
  int segment = 7;
  while (segment > 0 && (magnitude & (0x80 << segment)) == 0) --segment;
  const int mantissa = (magnitude >> (segment + 3)) & 0x0F;
  return static_cast<std::uint8_t>(~(sign | (segment << 4) | mantissa));
}

constexpr std::int16_t decode_one(std::uint8_t code) {
  const int bits = ~code & 0xFF;
  const int magnitude = ((((bits & 0x0F) << 3) + kBias) << ((bits & 0x70) >> 4)) - kBias;
  return static_cast<std::int16_t>((bits & 0x80) != 0 ? -magnitude : magnitude);
}

constexpr auto make_decode_table() {
  std::array<std::int16_t, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = decode_one(static_cast<std::uint8_t>(i));
  return table;
}

// By sample / 4, rounded towards zero: code boundaries lie at magnitudes 4, 12, 20, ..., so the
// rest never decides.
constexpr auto make_encode_table() {
  std::array<std::uint8_t, 1U << 14> table{};
  for (int i = 0; i < (1 << 14); ++i) {
    table[static_cast<std::size_t>(i)] = encode_one((i - (1 << 13)) * 4);
  }
  return table;
}

constexpr auto kDecode = make_decode_table();
constexpr auto kEncode = make_encode_table();

}  // namespace

std::uint8_t mulaw_encode(std::int16_t sample) noexcept {
  return kEncode[static_cast<std::size_t>(sample / 4 + (1 << 13))];
}

std::int16_t mulaw_decode(std::uint8_t code) noexcept {
  return kDecode[code];
}

void mulaw_encode(PcmView in, std::span<std::uint8_t> out) noexcept {
  CALL_DASSERT(out.size() >= in.size());
  std::transform(in.begin(), in.end(), out.begin(), [](std::int16_t s) { return mulaw_encode(s); });
}

void mulaw_decode(MulawView in, std::span<std::int16_t> out) noexcept {
  CALL_DASSERT(out.size() >= in.size());
  std::transform(in.begin(), in.end(), out.begin(), [](std::uint8_t c) { return mulaw_decode(c); });
}

Mulaw mulaw_encode(PcmView in) {
  Mulaw out(in.size());
  mulaw_encode(in, out);
  return out;
}

Pcm mulaw_decode(MulawView in) {
  Pcm out(in.size());
  mulaw_decode(in, out);
  return out;
}

}  // namespace call::audio
