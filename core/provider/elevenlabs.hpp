// ElevenLabs' text-to-speech with text as input stream (wss://.../v1/text-to-speech/VOICE/stream-input).
// One connection for each utterance, made while the model still thinks; closing it is the cancel.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/provider/streamed_voice.hpp"

namespace call::provider {

struct ElevenLabsMessage {
  std::string audio;  ///< mu-law
  struct Char {
    std::string text;
    std::int64_t end_ms = 0;  ///< within this message's audio
  };
  std::vector<Char> chars;  ///< empty: no alignment came with it
  bool is_final = false;
  std::string error;
};
/// Pure. Errc::protocol for what is no message of this protocol.
Result<ElevenLabsMessage> parse_elevenlabs(std::string_view message);

/// Follows a text along the characters that a service reports as spoken, which may differ from it in
/// white space. Pure.
class TextFollower {
 public:
  void append(std::string_view text) { text_ += text; }
  /// The service has spoken this character.
  void spoken(std::string_view character);
  std::size_t position() const { return position_; }
  std::string_view rest() const { return std::string_view(text_).substr(position_); }
  std::size_t size() const { return text_.size(); }

 private:
  std::string text_;
  std::size_t position_ = 0;
};

class ElevenLabsVoice final : public StreamedVoice {
 public:
  /// `endpoint.extra` become query parameters, except those that begin with "voice_settings.".
  using StreamedVoice::StreamedVoice;

 private:
  class Utterance;
  std::shared_ptr<VoiceUtterance> make_utterance(const VoiceService& service,
                                                 speech::RequestId id) override;
};

}  // namespace call::provider
