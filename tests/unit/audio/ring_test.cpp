#include "core/audio/ring.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

using namespace call::audio;
using namespace std::chrono_literals;

namespace {

Pcm count_up(std::int16_t from, std::size_t n) {
  Pcm out(n);
  std::iota(out.begin(), out.end(), from);
  return out;
}

}  // namespace

TEST_CASE("audio.ring: it keeps the newest samples in order, whatever the sizes of the pushes") {
  for (const std::size_t chunk : {1U, 3U, 7U, 16U, 17U, 100U}) {
    PreRoll ring(2ms);  // 16 samples
    const Pcm all = count_up(0, 100);
    for (std::size_t i = 0; i < all.size(); i += chunk) {
      ring.push(PcmView(all).subspan(i, std::min(chunk, all.size() - i)));
    }
    Pcm out;
    ring.drain_into(out);
    CHECK(out == count_up(84, 16));
    CHECK(ring.size() == 0);
  }
}

TEST_CASE("audio.ring: a limited drain gives the end, and the rest is gone") {
  PreRoll ring(4ms);
  ring.push(count_up(0, 20));
  Pcm out{-1};
  ring.drain_into(out, 1ms);
  CHECK(out == Pcm{-1, 12, 13, 14, 15, 16, 17, 18, 19});
  ring.drain_into(out);
  CHECK(out.size() == 9);
}
