// The embedded engines behind the interfaces of an open conversation. They compute on the calling
// thread: a few milliseconds for each piece of audio, some 60 for a sentence.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/flow/conversation.hpp"
#include "core/speech/engines.hpp"
#include "core/speech/synthesizer.hpp"
#include "core/speech/vosk.hpp"

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

/// libvosk with the operator's model. Computes as it is pushed.
class NeuralListener final : public speech::Listener {
 public:
  NeuralListener(std::shared_ptr<const speech::VoskModel> model, speech::EngineSink sink)
      : model_(std::move(model)), sink_(std::move(sink)) {}

  void begin(speech::RequestId utterance) override;
  void push(audio::PcmView pcm) override;
  void flush(std::uint32_t number) override;

 private:
  /// Words that will not change.
  void keep(speech::VoskReply& reply);
  bool ready();

  const std::shared_ptr<const speech::VoskModel> model_;
  const speech::EngineSink sink_;
  std::unique_ptr<speech::VoskRecognizer> recognizer_;  ///< from the callee's first word on
  std::size_t pushed_ = 0;                              ///< samples, ever
  std::chrono::milliseconds origin_{0};                 ///< of the utterance
  bool pending_ = false;                                ///< audio behind the last final words
  std::optional<Error> failed_;                         ///< in this utterance
  speech::FinalText said_;
};

/// The same for a script: libvosk with the operator's model.
class NeuralEars final : public Ears {
 public:
  NeuralEars(std::shared_ptr<const speech::VoskModel> model, log::Logger log)
      : log_(std::move(log)),
        listener_(std::move(model), [this](speech::EngineEvent news) { take(news); }) {}

  void start() override { listener_.begin(++utterance_); }
  void push(audio::PcmView pcm) override { listener_.push(pcm); }
  /// Whatever was understood is accepted; whether it was asked for, the dialogue knows.
  speech::Transcript finish() override;

 private:
  void take(speech::EngineEvent& news);

  log::Logger log_;
  speech::RequestId utterance_ = 0;
  speech::Transcript heard_;
  NeuralListener listener_;
};

}  // namespace call::flow
