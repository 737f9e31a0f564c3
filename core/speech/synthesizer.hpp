// Text to speech by flite: streamed, 8 kHz, first audio in about 10 ms, some 80 times faster than
// real time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/audio/format.hpp"
#include "core/base/result.hpp"

namespace call::speech {

/// slt is female (US), rms male (US), awb male (Scottish); kal16 is an old, robotic male voice, 10
/// times cheaper.
enum class Voice { slt, rms, awb, kal16 };

std::string_view to_string(Voice voice);
std::optional<Voice> voice_from(std::string_view name);

struct VoiceStyle {
  Voice voice = Voice::slt;
  double rate = 1.0;     ///< speaking rate, 0.5 to 2; clamped
  double gain_db = 0.0;  ///< -40 to 12; clamped
};

/// What remains of a text when everything that flite cannot pronounce is taken out.
struct Speakable {
  std::string text;  ///< ASCII; accented Latin letters folded, typographic signs replaced
  std::string
      dropped;  ///< UTF-8, what was taken out: letters of other scripts, emoji; empty: nothing
  bool complete() const { return dropped.empty(); }
};
/// Pure. Spaces and punctuation around a gap are tidied: "Hello \u05d3\u05e0\u05d4, hi" becomes
/// "Hello, hi".
Speakable speakable(std::string_view utf8);

/// Finished prompts by voice, rate and text, least recently used first to go. Thread-safe.
class PromptCache {
 public:
  /// Two bytes a sample: 16 MB hold about 17 minutes.
  explicit PromptCache(std::size_t max_bytes = 16U << 20);
  ~PromptCache();
  std::shared_ptr<const audio::Pcm> find(const std::string& key);
  /// Prompts longer than a quarter of the cache are not kept.
  void put(const std::string& key, std::shared_ptr<const audio::Pcm> pcm);
  std::size_t bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One voice. Thread-safe: speak() may run on many threads at once (flite keeps its state in the
/// utterance). It computes on the calling thread, so never call it on a loop thread.
class Synthesizer {
 public:
  static constexpr std::size_t kMaxText = 4000;  ///< bytes of one prompt

  /// Receives chunks of 8 kHz audio (any size up to a sentence); false stops the synthesis at once.
  using Sink = std::function<bool(audio::PcmView)>;

  explicit Synthesizer(const VoiceStyle& style = {}, std::shared_ptr<PromptCache> cache = nullptr);

  /// Speaks speakable(text).text into `sink`. Errc::cancelled when the sink said stop,
  /// Errc::invalid_argument when nothing of the text can be spoken, Errc::limit above kMaxText.
  /// Only finished prompts enter the cache.
  Status speak(std::string_view text, const Sink& sink) const;
  /// The whole prompt at once.
  Result<audio::Pcm> render(std::string_view text) const;
  const VoiceStyle& style() const { return style_; }

 private:
  std::string cache_key(std::string_view text) const;

  VoiceStyle style_;
  std::shared_ptr<PromptCache> cache_;
};

}  // namespace call::speech
