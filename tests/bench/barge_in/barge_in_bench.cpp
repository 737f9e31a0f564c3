// What stops a speaking agent, how soon, and what should not have: for every length of confirmation
// (turns.barge_in_ms) the time from the onset of an interruption (ITU-T P.56) to the decision, and
// how many of the sounds that are no interruption were taken for one. Without a server: the voice
// detector and the turn tracker of core/media, fed by frames as a carrier sends them. Each sound
// comes some time after an earlier sentence of the callee's, as it does in a call; interruptions at
// four places within a frame, on a dead line, a quiet one and with noise 20 dB below.
//
//   cmake --build --preset release --target barge_in_bench && build/release/bin/barge_in_bench
#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <vector>

#include "core/audio/g711.hpp"
#include "core/audio/level.hpp"
#include "core/media/turn.hpp"
#include "core/speech/vad.hpp"
#include "tests/bench/barge_in/sounds.hpp"

using namespace call;
using std::chrono::milliseconds;

namespace {

constexpr std::array kConfirmations = {60, 80, 100, 120, 140, 160, 200, 240};
constexpr std::array kQuietMs = {1600, 4000};  // between the earlier sentence and the sound

/// A sound on a line, as the detector sees it.
struct Heard {
  double onset_ms = 0;
  std::size_t begin = 0;             // frames that belong to the earlier sentence
  std::vector<float> probabilities;  // a frame of 20 ms each
};

Heard on_the_line(const std::shared_ptr<const speech::SileroModel>& model,
                  const bench::Sound& earlier, int quiet_ms, const bench::Sound& sound,
                  std::size_t phase, int noise) {
  audio::Pcm pcm = earlier.pcm;
  pcm.resize(pcm.size() + static_cast<std::size_t>(quiet_ms) * audio::kSamplesPerMs + phase);
  const std::size_t before = pcm.size();
  pcm.insert(pcm.end(), sound.pcm.begin(), sound.pcm.end());
  pcm.resize(pcm.size() + 8000);
  if (noise > 0) audio::ComfortNoise(noise, 7 + static_cast<unsigned>(phase)).add_to(pcm);
  const auto line = audio::mulaw_decode(audio::MulawView(audio::mulaw_encode(audio::PcmView(pcm))));
  speech::SileroVad vad(model);
  Heard heard;
  heard.onset_ms = static_cast<double>(before + sound.onset) / audio::kSamplesPerMs;
  heard.begin = (before - 1000 * audio::kSamplesPerMs) / audio::kFrameSamples;
  for (std::size_t at = 0; at + audio::kFrameSamples <= line.size(); at += audio::kFrameSamples) {
    heard.probabilities.push_back(vad.push(audio::PcmView(line).subspan(at, audio::kFrameSamples)));
  }
  return heard;
}

/// When the agent is stopped, behind the onset; nullopt: it is not.
std::optional<double> stopped_after(const Heard& heard, int confirmation_ms) {
  media::TurnOptions options;
  options.barge_in = milliseconds(confirmation_ms);
  media::TurnTracker tracker(options);
  std::vector<media::Event> events;
  const audio::Pcm frame(audio::kFrameSamples);
  for (std::size_t i = heard.begin; i < heard.probabilities.size(); ++i) {
    if (tracker.push(frame, heard.probabilities[i], {.audible = true, .interruptible = true},
                     events)) {
      return static_cast<double>(i + 1) * 20 - heard.onset_ms;
    }
    events.clear();
  }
  return std::nullopt;
}

double at(const std::vector<double>& sorted, double share) {
  return sorted.empty()
             ? 0
             : sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

void show_delays(const std::vector<Heard>& all) {
  std::printf("%zu interruptions: from the onset (ITU-T P.56) to the decision, ms\n", all.size());
  std::printf("  confirmation     p50     p90     p99     max   missed\n");
  for (const int confirmation : kConfirmations) {
    std::vector<double> delays;
    for (const auto& heard : all) {
      if (const auto delay = stopped_after(heard, confirmation)) delays.push_back(*delay);
    }
    std::ranges::sort(delays);
    std::printf("  %9d ms  %6.0f  %6.0f  %6.0f  %6.0f   %6zu\n", confirmation, at(delays, 0.5),
                at(delays, 0.9), at(delays, 0.99), at(delays, 1), all.size() - delays.size());
  }
}

void show_stops(const std::string& kind, const std::vector<Heard>& all) {
  std::printf("  %-14s %5zu ", kind.c_str(), all.size());
  for (const int confirmation : kConfirmations) {
    const auto stops = std::ranges::count_if(
        all, [&](const auto& heard) { return stopped_after(heard, confirmation).has_value(); });
    std::printf(" %6td", stops);
  }
  std::printf("\n");
}

}  // namespace

int main() {
  const auto model = speech::SileroModel::load();
  const auto spoken = bench::interruptions();
  std::vector<Heard> wanted;
  for (std::size_t i = 0; i < spoken.size(); ++i) {
    const auto& earlier = spoken[(i + 1) % spoken.size()];
    // Frames of 160 samples and the detector's windows of 256 meet again after 1,280.
    for (std::size_t phase = 0; phase < 1280; phase += 64) {
      for (const int quiet : kQuietMs) {
        for (const int noise : {0, 20, 400})
          wanted.push_back(on_the_line(model, earlier, quiet, spoken[i], phase, noise));
      }
    }
  }
  show_delays(wanted);
  std::printf("sounds that stop the agent, by confirmation in ms\n  %-14s %5s ", "", "of");
  for (const int confirmation : kConfirmations) std::printf(" %6d", confirmation);
  std::printf("\n");
  auto others = bench::noises();
  others.push_back(bench::back_channels());
  for (const double loss : {20.0, 30.0, 40.0}) others.push_back(bench::echoes(loss));
  for (const auto& sounds : others) {
    std::vector<Heard> all;
    for (const auto& sound : sounds.all) {
      const auto& earlier = spoken[all.size() % spoken.size()];
      all.push_back(on_the_line(model, earlier, kQuietMs.back(), sound, 0, 20));
    }
    show_stops(sounds.kind, all);
  }
  return 0;
}
