// The embedded engines behind the interfaces of an open conversation. They compute on the calling
// thread: a few milliseconds for each piece of audio, some 60 for a sentence.
#pragma once

#include <functional>
#include <memory>

#include "core/flow/conversation.hpp"
#include "core/speech/engines.hpp"
#include "core/speech/synthesizer.hpp"

namespace call::flow {

class EmbeddedVoice final : public speech::Speaker {
 public:
  /// `synthesizer` must outlive it.
  EmbeddedVoice(const speech::Synthesizer& synthesizer, speech::EngineSink sink)
      : synthesizer_(synthesizer), sink_(std::move(sink)) {}

  void begin(speech::RequestId utterance) override;
  void add(std::string_view text) override;
  void end() override;
  void cancel() override { utterance_ = 0; }

 private:
  const speech::Synthesizer& synthesizer_;
  const speech::EngineSink sink_;
  speech::RequestId utterance_ = 0;
  std::size_t chars_ = 0;
  std::size_t samples_ = 0;
};

class EmbeddedListener final : public speech::Listener {
 public:
  EmbeddedListener(std::unique_ptr<Ears> ears, speech::EngineSink sink)
      : ears_(std::move(ears)), sink_(std::move(sink)) {}

  void begin(speech::RequestId utterance) override;
  void push(audio::PcmView pcm) override;
  void flush(std::uint32_t number) override;

 private:
  std::unique_ptr<Ears> ears_;
  const speech::EngineSink sink_;
  speech::RequestId utterance_ = 0;
  audio::Pcm audio_;
  bool finished_ = true;  ///< the recogniser has to begin again
};

}  // namespace call::flow
