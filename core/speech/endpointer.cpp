#include "core/speech/endpointer.hpp"

namespace call::speech {

std::optional<SpeechEdge> Endpointer::push(float probability,
                                           std::chrono::milliseconds span) noexcept {
  const auto began = position_;
  position_ += span;
  const float threshold = in_speech_ ? options_.stop_threshold : options_.start_threshold;
  const bool voice = probability >= threshold;
  if (in_speech_) {
    if (voice) {
      last_voice_ = position_;
      voiced_ += span;
    }
    if (position_ - last_voice_ >= options_.end_after) return force_end();
    if (position_ - onset_ < options_.max_utterance) return std::nullopt;
    auto edge = force_end();
    edge->too_long = true;
    return edge;
  }
  if (!voice) {
    if (candidate_ && position_ - last_voice_ > options_.start_gap) candidate_ = false;
    return std::nullopt;
  }
  if (!candidate_) {
    candidate_ = true;
    onset_ = began;
    voiced_ = std::chrono::milliseconds(0);
  }
  last_voice_ = position_;
  voiced_ += span;
  if (voiced_ < options_.start_after) return std::nullopt;
  candidate_ = false;
  in_speech_ = true;
  return SpeechEdge{SpeechEdge::Kind::started, onset_, false};
}

std::optional<SpeechEdge> Endpointer::force_end() noexcept {
  candidate_ = false;
  if (!in_speech_) return std::nullopt;
  in_speech_ = false;
  return SpeechEdge{SpeechEdge::Kind::ended, last_voice_, false};
}

void Endpointer::reset() noexcept {
  *this = Endpointer(options_);
}

std::chrono::milliseconds Endpointer::silence() const noexcept {
  return position_ - last_voice_;
}

}  // namespace call::speech
