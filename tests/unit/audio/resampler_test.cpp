#include "core/audio/resampler.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <tuple>

using namespace call::audio;

namespace {

Pcm sine(double hz, int rate, std::size_t samples) {
  Pcm out(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    const double phase = 2 * std::numbers::pi * hz * static_cast<double>(i) / rate;
    out[i] = static_cast<std::int16_t>(10000 * std::sin(phase));
  }
  return out;
}

}  // namespace

TEST_CASE("audio.resampler: the output lasts exactly as long as the input") {
  const auto [from, to] = GENERATE(std::pair(8000, 16000), std::pair(16000, 8000),
                                   std::pair(22050, 8000), std::pair(24000, 8000));
  const std::size_t samples =
      GENERATE(std::size_t{1}, std::size_t{159}, std::size_t{160}, std::size_t{12345});
  const double seconds = static_cast<double>(samples) / from;
  const auto expected = static_cast<long>(std::lround(seconds * to));
  CHECK(std::abs(static_cast<long>(resample(Pcm(samples, 100), from, to).size()) - expected) <= 1);
}

TEST_CASE("audio.resampler: frames of any size give what one piece gives") {
  const Pcm input = sine(440, 16000, 8000);
  const Pcm whole = resample(input, 16000, 8000, 4);
  for (const std::size_t chunk : {1U, 7U, 160U, 320U, 333U}) {
    Resampler resampler(16000, 8000, 4);
    Pcm pieces;
    for (std::size_t i = 0; i < input.size(); i += chunk) {
      resampler.push(PcmView(input).subspan(i, std::min(chunk, input.size() - i)), pieces);
    }
    resampler.finish(pieces);
    CHECK(pieces == whole);
  }
}

TEST_CASE("audio.resampler: a tone stays the same tone, without lag or clicks") {
  const Pcm out = resample(sine(1000, 16000, 16000), 16000, 8000);
  const Pcm ideal = sine(1000, 8000, 8000);
  int worst = 0;
  for (std::size_t i = 200; i + 200 < out.size(); ++i)
    worst = std::max(worst, std::abs(out[i] - ideal[i]));
  CHECK(worst < 150);  // of 10000
}

TEST_CASE("audio.resampler: what telephone audio cannot carry is filtered, not folded") {
  const Pcm out = resample(sine(6000, 16000, 16000), 16000, 8000);
  int loudest = 0;
  for (std::size_t i = 200; i + 200 < out.size(); ++i)
    loudest = std::max(loudest, std::abs(int{out[i]}));
  CHECK(loudest < 100);
}

TEST_CASE("audio.resampler: after finish it is as new") {
  const Pcm input = sine(500, 8000, 1000);
  Resampler resampler(8000, 16000);
  Pcm first;
  resampler.push(input, first);
  resampler.finish(first);
  Pcm second;
  resampler.push(input, second);
  resampler.finish(second);
  CHECK(first == second);
}
