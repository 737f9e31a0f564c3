#include "core/audio/g711.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <vector>

using namespace call::audio;

TEST_CASE("audio.g711: every sample comes back within half a step of its segment") {
  int worst_small = 0;
  for (int value = INT16_MIN; value <= INT16_MAX; ++value) {
    const auto sample = static_cast<std::int16_t>(value);
    const int back = mulaw_decode(mulaw_encode(sample));
    const int magnitude = std::min(std::abs(value), 32635);
    // Steps are 8, 16, ... 1024 by segment; magnitudes are offset by 132 before the segments are
    // cut.
    int step = 8;
    for (int limit = 256; magnitude + 132 >= limit && step < 1024; limit *= 2) step *= 2;
    const int error = std::abs(std::abs(back) - magnitude);
    if (error > step / 2) FAIL("sample " << value << " came back as " << back);
    if (std::abs(value) < 64) worst_small = std::max(worst_small, error);
    if (back != 0 && value != 0 && (back < 0) != (value < 0)) FAIL("sign of " << value);
  }
  CHECK(worst_small <= 4);
}

TEST_CASE("audio.g711: decoding and encoding again is the identity on codes") {
  for (int code = 0; code < 256; ++code) {
    const auto c = static_cast<std::uint8_t>(code);
    // 0x7F is "minus zero": it decodes to 0, whose code is 0xFF.
    CHECK(mulaw_encode(mulaw_decode(c)) == (c == 0x7F ? 0xFF : c));
  }
}

TEST_CASE("audio.g711: the published values of the standard hold") {
  CHECK(mulaw_encode(0) == 0xFF);
  CHECK(mulaw_decode(0xFF) == 0);
  CHECK(mulaw_decode(0x00) == -32124);
  CHECK(mulaw_decode(0x80) == 32124);
  CHECK(mulaw_encode(32767) == 0x80);
  CHECK(mulaw_encode(-32768) == 0x00);
  CHECK(kMulawSilence == mulaw_encode(0));
}

TEST_CASE("audio.g711: spans and single samples agree") {
  Pcm pcm{0, 1, -1, 100, -100, 12345, -12345, 32767, -32768};
  const Mulaw codes = mulaw_encode(PcmView(pcm));
  const Pcm back = mulaw_decode(MulawView(codes));
  REQUIRE(codes.size() == pcm.size());
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    CHECK(codes[i] == mulaw_encode(pcm[i]));
    CHECK(back[i] == mulaw_decode(codes[i]));
  }
}
