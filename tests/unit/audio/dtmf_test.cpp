#include "core/audio/dtmf.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "core/audio/g711.hpp"
#include "core/audio/level.hpp"

using namespace call::audio;
using namespace std::chrono_literals;

namespace {

std::string keys_heard(const Pcm& pcm) {
  DtmfDetector detector;
  std::string heard;
  for (std::size_t at = 0; at + kFrameSamples <= pcm.size(); at += kFrameSamples) {
    PcmFrame frame;
    std::copy_n(pcm.begin() + static_cast<std::ptrdiff_t>(at), kFrameSamples, frame.begin());
    if (const char key = detector.push(frame); key != '\0') heard.push_back(key);
  }
  return heard;
}

}  // namespace

TEST_CASE("audio.dtmf: every key survives mu-law, off the frame grid") {
  const std::string all = "0123456789*#ABCD11";
  for (const std::size_t shift : {0U, 53U, 101U}) {
    Pcm pcm(shift, 0);
    const Pcm tones = dtmf_tones(all);
    pcm.insert(pcm.end(), tones.begin(), tones.end());
    CHECK(keys_heard(mulaw_decode(MulawView(mulaw_encode(PcmView(pcm))))) == all);
  }
}

TEST_CASE("audio.dtmf: a key is heard through noise, noise alone is not a key") {
  Pcm pcm = dtmf_tones("159#");
  ComfortNoise(800, 3).add_to(pcm);
  CHECK(keys_heard(pcm) == "159#");
  Pcm noise(80000);
  ComfortNoise(5000, 5).fill(noise);
  CHECK(keys_heard(noise).empty());
}

TEST_CASE("audio.dtmf: a held key is one key, a click is none") {
  CHECK(keys_heard(dtmf_tones("7", 2000ms)) == "7");
  CHECK(keys_heard(dtmf_tones("7", 20ms)).empty());
}

TEST_CASE("audio.dtmf: only the sixteen keys are keys") {
  CHECK(is_dtmf('#'));
  CHECK(is_dtmf('D'));
  CHECK_FALSE(is_dtmf('E'));
  CHECK_FALSE(is_dtmf('\0'));
}
