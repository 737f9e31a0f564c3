// flite behind the Synthesizer. Facts that shape this file, measured with flite 2.2:
// - registering a voice writes library globals, so it happens once under call_once; synthesis from
// many threads is
//   sound after that, because everything else lives in the utterance (8 threads, 7,040 utterances);
// - the streaming callback has to be set in the utterance's features, not in the voice's, which all
// threads share;
// - two runs of one text differ in single samples (the excitation is random), never in length.
#include "core/speech/synthesizer.hpp"

#include <flite/flite.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <utility>

#include "core/audio/level.hpp"
#include "core/audio/resampler.hpp"
#include "core/base/affinity.hpp"
#include "core/base/scope_exit.hpp"

// flite's voice libraries come without headers.
extern "C" {
cst_voice* register_cmu_us_slt(const char* voice_dir);
cst_voice* register_cmu_us_rms(const char* voice_dir);
cst_voice* register_cmu_us_awb(const char* voice_dir);
cst_voice* register_cmu_us_kal16(const char* voice_dir);
}

namespace call::speech {
namespace {

struct VoiceEntry {
  Voice voice;
  std::string_view name;
  cst_voice* (*load)(const char*);
};
constexpr std::array<VoiceEntry, 4> kVoices{{{Voice::slt, "slt", register_cmu_us_slt},
                                             {Voice::rms, "rms", register_cmu_us_rms},
                                             {Voice::awb, "awb", register_cmu_us_awb},
                                             {Voice::kal16, "kal16", register_cmu_us_kal16}}};

// Samples of the voice that flite collects before it calls back: 10 ms of 16 kHz.
constexpr int kStreamSamples = 160;
// Cached audio is handed out in pieces, so that a sink can stop it like fresh audio.
constexpr std::size_t kCachedChunk = 10 * audio::kFrameSamples;

const VoiceEntry& entry_of(Voice voice) {
  return kVoices[static_cast<std::size_t>(voice)];
}

cst_voice* load_voice(Voice voice) {
  static std::once_flag once;
  static std::array<cst_voice*, kVoices.size()> loaded{};
  std::call_once(once, [] {
    flite_init();
    for (const auto& entry : kVoices)
      loaded[static_cast<std::size_t>(entry.voice)] = entry.load(nullptr);
  });
  return loaded[static_cast<std::size_t>(voice)];
}

/// Receives flite's chunks on their way to the sink.
struct Stream {
  const Synthesizer::Sink& sink;
  double gain;
  bool keep;
  std::unique_ptr<audio::Resampler> resampler;  ///< made when flite tells the voice's rate
  audio::Pcm chunk;
  audio::Pcm whole;
  bool stopped = false;

  bool deliver() {
    if (chunk.empty()) return true;
    if (gain != 1.0) audio::apply_gain(chunk, gain);
    if (keep) whole.insert(whole.end(), chunk.begin(), chunk.end());
    stopped = !sink(chunk);
    chunk.clear();
    return !stopped;
  }
};

int on_chunk(const cst_wave* wave, int start, int size, int last, cst_audio_streaming_info* info) {
  auto& stream = *static_cast<Stream*>(info->userdata);
  if (stream.stopped) return CST_AUDIO_STREAM_STOP;
  if (!stream.resampler) {
    stream.resampler = std::make_unique<audio::Resampler>(wave->sample_rate, audio::kSampleRate);
  }
  stream.resampler->push({wave->samples + start, static_cast<std::size_t>(std::max(size, 0))},
                         stream.chunk);
  if (last != 0) stream.resampler->finish(stream.chunk);
  return stream.deliver() ? CST_AUDIO_STREAM_CONT : CST_AUDIO_STREAM_STOP;
}

Status synthesise(const std::string& text, const VoiceStyle& style, Stream& stream) {
  cst_voice* voice = load_voice(style.voice);
  cst_utterance* utterance = new_utterance();
  if (voice == nullptr || utterance == nullptr)
    return Error{Errc::internal, "flite has no such voice"};
  utt_set_input_text(utterance, text.c_str());
  utt_init(utterance, voice);
  const ScopeExit free_utterance([&] { delete_utterance(utterance); });
  feat_set_float(utterance->features, "duration_stretch", static_cast<float>(1.0 / style.rate));
  cst_audio_streaming_info* info =
      new_audio_streaming_info();  // owned by the utterance from here on
  info->asc = on_chunk;
  info->min_buffsize = kStreamSamples;
  info->userdata = &stream;
  feat_set(utterance->features, "streaming_info", audio_streaming_info_val(info));
  utt_synth(utterance);
  if (stream.stopped) return Error{Errc::cancelled, "the speech was cut off"};
  return {};
}

}  // namespace

std::string_view to_string(Voice voice) {
  return entry_of(voice).name;
}

std::optional<Voice> voice_from(std::string_view name) {
  for (const auto& entry : kVoices) {
    if (entry.name == name) return entry.voice;
  }
  return std::nullopt;
}

Synthesizer::Synthesizer(const VoiceStyle& style, std::shared_ptr<PromptCache> cache)
    : style_(style), cache_(std::move(cache)) {
  style_.rate = std::clamp(style.rate, 0.5, 2.0);
  style_.gain_db = std::clamp(style.gain_db, -40.0, 12.0);
}

std::string Synthesizer::cache_key(std::string_view text) const {
  return std::string(to_string(style_.voice)) + '|' + std::to_string(style_.rate) + '|' +
         std::to_string(style_.gain_db) + '|' + std::string(text);
}

Status Synthesizer::speak(std::string_view text, const Sink& sink) const {
  assert_may_block("speech::Synthesizer::speak");
  if (text.size() > kMaxText) {
    return Error{Errc::limit,
                 "a prompt of " + std::to_string(text.size()) + " bytes is too long to be spoken"};
  }
  const std::string spoken = speakable(text).text;
  if (spoken.empty()) return Error{Errc::invalid_argument, "nothing of the text can be spoken"};

  const std::string key = cache_ ? cache_key(spoken) : std::string();
  if (cache_) {
    if (const auto hit = cache_->find(key)) {
      for (audio::PcmView rest = *hit; !rest.empty();) {
        const auto piece = rest.first(std::min(kCachedChunk, rest.size()));
        if (!sink(piece)) return Error{Errc::cancelled, "the speech was cut off"};
        rest = rest.subspan(piece.size());
      }
      return {};
    }
  }
  Stream stream{sink, std::pow(10.0, style_.gain_db / 20), cache_ != nullptr, nullptr, {}, {}};
  CALL_CHECK(synthesise(spoken, style_, stream));
  if (cache_) cache_->put(key, std::make_shared<const audio::Pcm>(std::move(stream.whole)));
  return {};
}

Result<audio::Pcm> Synthesizer::render(std::string_view text) const {
  audio::Pcm out;
  CALL_CHECK(speak(text, [&out](audio::PcmView pcm) {
    out.insert(out.end(), pcm.begin(), pcm.end());
    return true;
  }));
  return out;
}

}  // namespace call::speech
