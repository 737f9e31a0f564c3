#include "core/sim/voices.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/log/log.hpp"
#include "core/runtime/loop.hpp"

namespace call::sim {
namespace {

constexpr std::size_t kCacheBytes = 128U << 20;
constexpr std::size_t kQueue = 200000;
constexpr std::size_t kThreads = 2;

constexpr std::size_t kTrimWindow = 5 * audio::kSamplesPerMs;
constexpr double kTrimDbov = -55.0;                         ///< soft consonants lie above
constexpr std::size_t kLeadIn = 30 * audio::kSamplesPerMs;  ///< kept before the first sound
constexpr std::size_t kTail = 60 * audio::kSamplesPerMs;    ///< and behind the last

bool is_loud(audio::PcmView pcm, std::size_t at) {
  const auto count = std::min(kTrimWindow, pcm.size() - at);
  return audio::dbov(pcm.subspan(at, count)) >= kTrimDbov;
}

/// A voicemail's: 1 kHz for half a second after a short silence.
void append_beep(audio::Pcm& pcm) {
  pcm.insert(pcm.end(), audio::samples_in(std::chrono::milliseconds(300)), 0);
  const auto samples = audio::samples_in(std::chrono::milliseconds(500));
  for (std::size_t i = 0; i < samples; ++i) {
    const double phase = 2 * std::numbers::pi * 1000.0 * static_cast<double>(i);
    pcm.push_back(static_cast<std::int16_t>(8000 * std::sin(phase / audio::kSampleRate)));
  }
}

}  // namespace

audio::Pcm trim_silence(audio::PcmView pcm) {
  std::size_t begin = 0;
  while (begin < pcm.size() && !is_loud(pcm, begin))
    begin += std::min(kTrimWindow, pcm.size() - begin);
  std::size_t end = pcm.size();
  while (end > begin && !is_loud(pcm, end - std::min(kTrimWindow, end - begin)))
    end -= std::min(kTrimWindow, end - begin);
  if (begin == end) return {};
  begin -= std::min(begin, kLeadIn);
  end = std::min(pcm.size(), end + kTail);
  const auto kept = pcm.subspan(begin, end - begin);
  return {kept.begin(), kept.end()};
}

Voices::Voices(runtime::Loop& loop)
    : loop_(loop), cache_(kCacheBytes), pool_("sim-voice", kThreads, kQueue) {}

void Voices::prepare(const CallerScript& script, std::function<void(CallerSounds)> ready) {
  // Shared, so that `ready` can be moved on: whatever it keeps alive must end on the loop.
  const auto next = std::make_shared<std::function<void(CallerSounds)>>(std::move(ready));
  const auto hand_over = [this, next](CallerSounds sounds) {
    loop_.post([ready = std::move(*next), sounds = std::move(sounds)] { ready(sounds); });
  };
  if (!pool_.submit([this, script, hand_over] { hand_over(render_all(script)); }))
    hand_over(CallerSounds{nullptr, std::vector<Sound>(script.lines.size())});
}

void Voices::warm(const CallerScript& script) {
  pool_.submit([this, script] { render_all(script); });
}

Sound Voices::render(const speech::VoiceStyle& style, const std::string& text) {
  const auto key =
      fmt::format("{}/{}/{}/{}", speech::to_string(style.voice), style.rate, style.gain_db, text);
  if (auto known = cache_.find(key)) return known;
  auto pcm = speech::Synthesizer(style).render(text);
  if (!pcm) {
    log::Logger("sim").warn("cannot speak '{}': {}", text, pcm.error().to_string());
    return nullptr;
  }
  auto sound = std::make_shared<const audio::Pcm>(trim_silence(*pcm));
  cache_.put(key, sound);
  return sound;
}

CallerSounds Voices::render_all(const CallerScript& script) {
  CallerSounds sounds;
  if (!script.greeting.empty()) sounds.greeting = render(script.voice, script.greeting);
  if (script.pickup == Pickup::voicemail && script.beep) {
    auto with_beep = sounds.greeting ? *sounds.greeting : audio::Pcm();
    append_beep(with_beep);
    sounds.greeting = std::make_shared<const audio::Pcm>(std::move(with_beep));
  }
  for (const auto& line : script.lines)
    sounds.lines.push_back(line.say.empty() ? nullptr : render(script.voice, line.say));
  return sounds;
}

}  // namespace call::sim
