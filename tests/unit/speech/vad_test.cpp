#include "core/speech/vad.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/audio/dtmf.hpp"
#include "core/audio/g711.hpp"
#include "core/audio/level.hpp"
#include "core/audio/resampler.hpp"
#include "core/speech/embedded.hpp"
#include "core/speech/endpointer.hpp"
#include "core/speech/onnx.hpp"
#include "core/speech/synthesizer.hpp"

using namespace call;
using namespace call::speech;
using namespace std::chrono_literals;

namespace {

const std::shared_ptr<const SileroModel>& model() {
  static const auto loaded = SileroModel::load();
  return loaded;
}

audio::Pcm telephone(const audio::Pcm& pcm) {
  return audio::mulaw_decode(audio::MulawView(audio::mulaw_encode(audio::PcmView(pcm))));
}

double share_of_speech(Vad& vad, const audio::Pcm& pcm) {
  int speech = 0;
  int frames = 0;
  for (std::size_t at = 0; at + audio::kFrameSamples <= pcm.size(); at += audio::kFrameSamples) {
    const float p = vad.push(audio::PcmView(pcm).subspan(at, audio::kFrameSamples));
    REQUIRE(p >= 0.0F);
    REQUIRE(p <= 1.0F);
    if (p >= 0.5F) ++speech;
    ++frames;
  }
  return static_cast<double>(speech) / frames;
}

audio::Pcm noise(int amplitude, std::size_t samples = 40000) {
  audio::Pcm pcm(samples);
  audio::ComfortNoise(amplitude, 11).fill(pcm);
  return pcm;
}

audio::Pcm said(Voice voice, const char* text) {
  return *Synthesizer({voice}).render(text);
}

}  // namespace

TEST_CASE("speech.vad: Silero hears speech of every voice through mu-law") {
  for (const Voice voice : {Voice::slt, Voice::rms, Voice::awb, Voice::kal16}) {
    SileroVad vad(model());
    INFO(to_string(voice));
    CHECK(share_of_speech(
              vad, telephone(said(voice, "good morning, how are you doing on this fine day"))) >
          0.7);
  }
}

TEST_CASE("speech.vad: a word after a long silence is heard as soon as the first word of a call") {
  // Frames with 0.5 or more in the first 400 ms of each sentence.
  const auto frames_heard = [](SileroVad& vad, const audio::Pcm& pcm) {
    return share_of_speech(vad, audio::Pcm(pcm.begin(), pcm.begin() + 3200)) * 20;
  };
  double at_once = 0;
  double after_silence = 0;
  for (const Voice voice : {Voice::slt, Voice::rms, Voice::awb, Voice::kal16}) {
    for (const char* text : {"excuse me", "stop please", "hold on a moment", "hello"}) {
      const auto word = telephone(said(voice, text));
      SileroVad fresh(model());
      at_once += frames_heard(fresh, word);
      SileroVad used(model());
      share_of_speech(used, telephone(said(voice, "that is not my name")));
      share_of_speech(used, audio::Pcm(8000 * 5));
      after_silence += frames_heard(used, word);
    }
  }
  CHECK(after_silence >= 0.9 * at_once);  // 0.7 with the silence remembered
}

TEST_CASE("speech.vad: Silero is deaf to silence, noise, tones, ring-back and DTMF") {
  SileroVad vad(model());
  CHECK(share_of_speech(vad, audio::Pcm(40000, 0)) == 0);
  CHECK(share_of_speech(vad, telephone(noise(60))) < 0.02);
  CHECK(share_of_speech(vad, telephone(noise(3000))) < 0.02);
  CHECK(share_of_speech(vad, telephone(audio::dtmf_tones("0123456789*#", 200ms))) < 0.1);
  // US ring-back is 440 + 480 Hz; "1" held is a pair of tones as well.
  CHECK(share_of_speech(vad, telephone(audio::dtmf_tones("1", 3000ms))) < 0.1);
}

TEST_CASE(
    "speech.vad: a reset detector gives what a new one gives; calls do not touch each other") {
  const auto pcm = telephone(said(Voice::rms, "yes please"));
  SileroVad one(model());
  SileroVad two(model());
  const double first = share_of_speech(one, pcm);
  static_cast<void>(share_of_speech(two, noise(3000)));
  one.reset();
  CHECK(share_of_speech(one, pcm) == first);
}

TEST_CASE("speech.vad: frames of another size change nothing but the moment of the answer") {
  const auto pcm = telephone(said(Voice::kal16, "call me later"));
  const std::size_t whole = pcm.size() / 256 * 256;
  const auto last = [&](std::size_t chunk) {
    SileroVad vad(model());
    float p = 0;
    for (std::size_t at = 0; at < whole; at += chunk) {
      p = vad.push(audio::PcmView(pcm).subspan(at, std::min(chunk, whole - at)));
    }
    return p;
  };
  CHECK(last(160) == last(256));
  CHECK(last(1) == last(1000));
}

namespace {

std::vector<SpeechEdge> edges_of(Vad& vad, const audio::Pcm& line) {
  Endpointer endpointer;
  std::vector<SpeechEdge> edges;
  for (std::size_t at = 0; at + 160 <= line.size(); at += 160) {
    if (const auto edge = endpointer.push(vad.push(audio::PcmView(line).subspan(at, 160))))
      edges.push_back(*edge);
  }
  return edges;
}

}  // namespace

TEST_CASE("speech.vad: with the endpointer, two sentences are two utterances at their places") {
  audio::Pcm pcm(8000, 0);
  const auto first = said(Voice::rms, "yes");
  const auto second = said(Voice::slt, "i would like to speak to a manager");
  pcm.insert(pcm.end(), first.begin(), first.end());
  pcm.insert(pcm.end(), 12000, 0);
  const auto second_at = audio::duration_of(pcm.size());
  pcm.insert(pcm.end(), second.begin(), second.end());
  pcm.insert(pcm.end(), 8000, 0);
  audio::ComfortNoise(20).add_to(pcm);
  const auto line = telephone(pcm);

  SileroVad vad(model());
  const auto edges = edges_of(vad, line);
  REQUIRE(edges.size() == 4);
  CHECK(std::abs((edges[0].at - 1000ms).count()) < 350);
  CHECK(std::abs((edges[2].at - second_at).count()) < 350);
}

TEST_CASE("speech.vad: the energy detector follows the noise floor") {
  EnergyVad vad;
  CHECK(share_of_speech(vad, noise(60)) < 0.05);
  vad.reset();
  // A loud line: taken for speech at first, learnt after some seconds.
  static_cast<void>(share_of_speech(vad, noise(1000, 120000)));
  CHECK(share_of_speech(vad, noise(1000)) < 0.05);
  auto speech = said(Voice::slt, "good morning to you all");
  audio::mix_into(speech, noise(300, speech.size()));
  vad.reset();
  CHECK(share_of_speech(vad, speech) > 0.4);
}

namespace {

/// Chords of a plucked instrument, two a second.
audio::Pcm music(int seconds) {
  constexpr std::array<std::array<double, 3>, 4> kChords{
      {{262, 330, 392}, {294, 349, 440}, {247, 294, 392}, {220, 262, 330}}};
  audio::Pcm pcm(static_cast<std::size_t>(seconds) * 8000);
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    const auto& chord = kChords[i / 4000 % kChords.size()];
    const double t = static_cast<double>(i) / 8000;
    const double loudness = 4000 * std::exp(-3.0 * static_cast<double>(i % 4000) / 8000);
    double sum = 0;
    for (const double hz : chord) {
      for (int n = 1; n <= 3; ++n) sum += std::sin(6.283185307 * hz * n * t) / (n * n);
    }
    pcm[i] = static_cast<std::int16_t>(loudness * sum);
  }
  return pcm;
}

}  // namespace

TEST_CASE("speech.vad: predecessor B11.32 music is no speech, and whatever is spoken is") {
  SileroVad deaf_to_music(model());
  CHECK(share_of_speech(deaf_to_music, telephone(music(10))) < 0.1);
  // Another language is another melody and another pitch to a detector that knows no words.
  for (const Voice voice : {Voice::slt, Voice::rms, Voice::awb}) {
    for (const int rate : {6800, 8000, 9400}) {
      CAPTURE(to_string(voice), rate);
      const auto speech = audio::resample(
          said(voice, "shalom, ani rotse lekabel od pratim al ha hatsaa"), rate, 8000);
      SileroVad vad(model());
      CHECK(share_of_speech(vad, telephone(speech)) > 0.6);
    }
  }
  // Music behind a voice does not take the voice away.
  auto both = said(Voice::slt, "i would like to know more about the offer please");
  auto quiet = music(10);
  for (auto& sample : quiet) sample = static_cast<std::int16_t>(sample / 8);
  audio::mix_into(both, audio::PcmView(quiet).first(both.size()));
  SileroVad vad(model());
  CHECK(share_of_speech(vad, telephone(both)) > 0.6);
}

TEST_CASE("speech.vad: a damaged model file yields fewer tensors, never a fault") {
  const std::string whole(embedded_silero_onnx());
  const auto all = branch_constants(whole, "else_branch").size();
  CHECK(all >= 16);
  CHECK(branch_constants(whole, "no_such_branch").empty());
  for (std::size_t cut = 0; cut < whole.size(); cut += whole.size() / 23) {
    CHECK(branch_constants(whole.substr(0, cut), "else_branch").size() <= all);
  }
  std::string noisy = whole.substr(0, 200000);
  for (std::size_t i = 0; i < noisy.size(); i += 37) noisy[i] = static_cast<char>(noisy[i] ^ 0x55);
  static_cast<void>(branch_constants(noisy, "else_branch"));
}
