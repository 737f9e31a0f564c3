#include "core/audio/level.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace call::audio;

TEST_CASE("audio.level: a full-scale square wave is 0 dBov, silence is the floor") {
  Pcm square(160, 32767);
  for (std::size_t i = 0; i < square.size(); i += 2) square[i] = -32768;
  CHECK(dbov(square) == Approx(0).margin(0.01));
  CHECK(dbov(Pcm(160, 0)) == -127);
  CHECK(dbov({}) == -127);
  CHECK(rms(Pcm(160, -1000)) == Approx(1000));
}

TEST_CASE("audio.level: gain and mixing saturate instead of wrapping") {
  Pcm pcm{20000, -20000, 3};
  apply_gain(pcm, 2.0);
  CHECK(pcm == Pcm{32767, -32768, 6});
  Pcm into{30000, -30000, 1};
  mix_into(into, Pcm{30000, -30000});
  CHECK(into == Pcm{32767, -32768, 1});
}

TEST_CASE("audio.level: comfort noise is white, centred, bounded and repeatable") {
  ComfortNoise noise(20, 7);
  Pcm out(80000);
  noise.fill(out);
  double sum = 0;
  double neighbours = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] > 20 || out[i] < -20) FAIL("out of bounds: " << out[i]);
    sum += out[i];
    if (i > 0) neighbours += out[i] * out[i - 1];
  }
  const double count = static_cast<double>(out.size());
  CHECK(std::abs(sum / count) < 0.3);
  CHECK(std::abs(neighbours / count) < 0.02 * 140);  // against a variance of 140
  CHECK(dbov(out) == Approx(-68.8).margin(0.5));
  Pcm again(80000);
  ComfortNoise(20, 7).fill(again);
  CHECK(out == again);
}
