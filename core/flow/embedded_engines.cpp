#include "core/flow/embedded_engines.hpp"

#include <algorithm>
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
  sink_(speech::FinalText{utterance_, number, std::move(heard.text), heard.confidence,
                          std::move(heard.words)});
}

bool NeuralListener::ready() {
  if (recognizer_) return true;
  auto made = speech::VoskRecognizer::create(model_);
  if (made) {
    recognizer_ = std::move(*made);
  } else {
    failed_ = made.error();
  }
  return made.ok();
}

void NeuralListener::begin(speech::RequestId utterance) {
  failed_.reset();
  if (ready() && std::exchange(pending_, false)) recognizer_->forget();
  said_ = {};
  said_.utterance = utterance;
  origin_ = audio::duration_of(pushed_);
}

void NeuralListener::keep(speech::VoskReply& reply) {
  if (reply.text.empty()) return;
  if (!said_.text.empty()) said_.text += ' ';
  said_.text += reply.text;
  said_.confidence = std::min(said_.confidence, reply.confidence);
  append_since(said_.words, std::move(reply.words), origin_);
}

void NeuralListener::push(audio::PcmView pcm) {
  if (failed_) return;
  pushed_ += pcm.size();
  pending_ = true;
  auto reply = recognizer_->push(pcm);
  if (!reply) {
    failed_ = reply.error();
    return;
  }
  auto so_far = said_.text;
  if (!so_far.empty() && !reply->text.empty()) so_far += ' ';
  so_far += reply->text;
  if (reply->is_final) {
    pending_ = false;
    keep(*reply);
  }
  if (!so_far.empty()) sink_(speech::PartialText{said_.utterance, std::move(so_far)});
}

void NeuralListener::flush(std::uint32_t number) {
  if (!failed_ && std::exchange(pending_, false)) {
    auto reply = recognizer_->finish();
    if (reply) {
      keep(*reply);
    } else {
      failed_ = reply.error();
    }
  }
  if (failed_) return sink_(speech::ListeningFailed{said_.utterance, number, *failed_});
  said_.flush = number;
  sink_(said_);
}

void NeuralEars::take(speech::EngineEvent& news) {
  if (auto* final = std::get_if<speech::FinalText>(&news)) {
    heard_.text = std::move(final->text);
    heard_.confidence = final->confidence;
    heard_.accepted = !heard_.text.empty();
    heard_.words = std::move(final->words);
  } else if (const auto* failed = std::get_if<speech::ListeningFailed>(&news)) {
    log_.warn("the callee's words are lost: {}", failed->error.to_string());
  }
}

speech::Transcript NeuralEars::finish() {
  heard_ = {};
  listener_.flush(1);
  return std::move(heard_);
}

}  // namespace call::flow
