#include "core/flow/embedded_engines.hpp"

#include <utility>

#include "core/audio/g711.hpp"
#include "core/speech/recognizer.hpp"

namespace call::flow {

void EmbeddedVoice::begin(speech::RequestId utterance) {
  utterance_ = utterance;
  chars_ = samples_ = 0;
}

void EmbeddedVoice::add(std::string_view text) {
  if (utterance_ == 0) return;
  const auto spoken = synthesizer_.speak(text, [&](audio::PcmView pcm) {
    samples_ += pcm.size();
    sink_(speech::SpokenAudio{utterance_, audio::mulaw_encode(pcm), {}});
    return true;
  });
  // A text of another script cannot be spoken here. It is passed over: what follows may be.
  static_cast<void>(spoken.ok());
  chars_ += text.size();
  sink_(speech::SpokenAudio{utterance_, {}, {{chars_, audio::duration_of(samples_).count()}}});
}

void EmbeddedVoice::end() {
  if (utterance_ != 0) sink_(speech::SpeakingDone{utterance_});
}

void EmbeddedListener::begin(speech::RequestId utterance) {
  utterance_ = utterance;
  audio_.clear();
  finished_ = false;
  ears_->start();
}

void EmbeddedListener::push(audio::PcmView pcm) {
  if (finished_) {  // the utterance goes on: it is recognised anew, as a whole
    finished_ = false;
    ears_->start();
    ears_->push(audio_);
  }
  const auto limit = audio::samples_in(speech::Recognizer::kMaxUtterance);
  if (audio_.size() < limit) audio_.insert(audio_.end(), pcm.begin(), pcm.end());
  ears_->push(pcm);
}

void EmbeddedListener::flush(std::uint32_t number) {
  finished_ = true;
  auto heard = ears_->finish();
  if (!heard.accepted) heard.text.clear();
  sink_(speech::FinalText{utterance_, number, std::move(heard.text), heard.confidence});
}

}  // namespace call::flow
