// Speech over HTTP in the shape of OpenAI's audio endpoints: POST {url}/audio/speech (audio in
// chunks: OpenAI, Kokoro-FastAPI, openedai-speech, ...) and POST {url}/audio/transcriptions (whole
// utterances: OpenAI, speaches, LocalAI, whisper.cpp's server, ...).
#pragma once

#include <memory>
#include <string>

#include "core/provider/streamed_voice.hpp"

namespace call::provider {

/// Speaks sentence by sentence: the next one is asked for while the one before is still arriving.
class OpenAiVoice final : public StreamedVoice {
 public:
  using StreamedVoice::StreamedVoice;

 private:
  class Utterance;
  std::shared_ptr<VoiceUtterance> make_utterance(const VoiceService& service,
                                                 speech::RequestId id) override;
};

/// One request per pause, with all of the utterance's audio.
class OpenAiListener final : public speech::Listener {
 public:
  OpenAiListener(Host& host, std::shared_ptr<const Endpoint> endpoint, speech::EngineSink sink);
  ~OpenAiListener() override;

  void begin(speech::RequestId utterance) override;
  void push(audio::PcmView pcm) override;
  void flush(std::uint32_t number) override;

 private:
  class Request;
  void cancel();

  Host& host_;
  const std::shared_ptr<const Endpoint> endpoint_;
  const std::shared_ptr<Breaker> breaker_;
  const speech::EngineSink sink_;
  speech::RequestId utterance_ = 0;
  audio::Pcm pcm_;
  std::shared_ptr<Request> request_;
};

/// The multipart/form-data body of a transcription. Pure.
std::string transcription_body(const Endpoint& endpoint, audio::PcmView pcm,
                               std::string_view boundary);
/// The text of an answer of either kind ("json" or "verbose_json"); segments that the model itself
/// takes for noise are left out. Pure.
Result<speech::FinalText> parse_transcription(std::string_view body);

/// 16-bit little-endian samples out of bytes that were split anywhere. Pure.
class SampleReader {
 public:
  void feed(std::string_view bytes, audio::Pcm& out);
  void reset() { odd_ = false; }

 private:
  bool odd_ = false;
  unsigned char low_ = 0;
};

}  // namespace call::provider
