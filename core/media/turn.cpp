#include "core/media/turn.hpp"

namespace call::media {

TurnTracker::TurnTracker(const TurnOptions& options)
    : options_(options),
      endpointer_(options.endpointer),
      pre_roll_(options.pre_roll + options.endpointer.start_after + options.endpointer.start_gap) {}

void TurnTracker::begin_turn(std::int64_t at_ms, std::vector<Event>& out) {
  turn_start_ms_ = at_ms;
  paused_ = false;
  interrupted_ = false;
  overlapped_ = true;
  pending_.clear();
  const auto since = endpointer_.position() - std::chrono::milliseconds(at_ms);
  pre_roll_.drain_into(pending_, since + options_.pre_roll);
  out.push_back(SpeechBegan{at_ms, position_ms() - audio::duration_of(pending_.size()).count()});
}

void TurnTracker::end_turn(std::int64_t speech_end_ms, std::vector<Event>& out) {
  if (!paused_) pass_audio(true, out);  // else there is nothing but silence
  pending_.clear();
  TurnEnded ended;
  ended.start_ms = turn_start_ms_;
  ended.speech_end_ms = speech_end_ms;
  ended.endpoint_ms = position_ms();
  ended.overlapped = overlapped_ && !interrupted_;
  out.push_back(ended);
  voice_over_agent_ = {};
}

void TurnTracker::pass_audio(bool all, std::vector<Event>& out) {
  if (pending_.empty() || (!all && pending_.size() < audio::samples_in(options_.audio_event)))
    return;
  out.push_back(SpeechAudio{std::move(pending_)});
  pending_ = {};
}

/// Counts the voice over the agent's; short gaps do not reset it, so that "no no" interrupts like
/// "nooo".
bool TurnTracker::barged_in(audio::PcmView pcm, float probability, const Agent& agent) {
  const auto span = audio::duration_of(pcm.size());
  if (!agent.audible) {
    agent_sounds_ = {};
    voice_over_agent_ = {};
    return false;
  }
  agent_sounds_ += span;
  if (agent_sounds_ <= options_.echo_guard) return false;
  if (probability < options_.endpointer.start_threshold) {
    silence_over_agent_ += span;
    if (silence_over_agent_ > options_.voice_gap) voice_over_agent_ = {};
    return false;
  }
  silence_over_agent_ = {};
  voice_over_agent_ += span;
  return agent.interruptible && !interrupted_ && voice_over_agent_ >= options_.barge_in;
}

bool TurnTracker::push(audio::PcmView pcm, float probability, const Agent& agent,
                       std::vector<Event>& out) {
  const bool was_in_speech = in_speech();
  if (was_in_speech) {
    pending_.insert(pending_.end(), pcm.begin(), pcm.end());
  } else {
    pre_roll_.push(pcm);
  }
  const auto edge = endpointer_.push(probability, audio::duration_of(pcm.size()));
  const bool voiced = probability >= options_.endpointer.stop_threshold;
  if (edge && edge->kind == speech::SpeechEdge::Kind::started) begin_turn(edge->at.count(), out);
  if (voiced && !agent.audible) overlapped_ = false;
  const bool interrupts = barged_in(pcm, probability, agent) && in_speech();
  if (interrupts) interrupted_ = true;
  if (edge && edge->kind == speech::SpeechEdge::Kind::ended) {
    end_turn(edge->at.count(), out);
    return false;
  }
  if (!in_speech()) return false;
  if (voiced) paused_ = false;
  if (!paused_ && endpointer_.silence() >= options_.pause) {
    paused_ = true;
    pass_audio(true, out);
    out.push_back(
        SpeechPaused{(endpointer_.position() - endpointer_.silence()).count(), position_ms()});
  }
  if (!paused_) pass_audio(false, out);
  return interrupts;
}

void TurnTracker::skip(std::chrono::milliseconds gap, std::vector<Event>& out) {
  const auto edge = endpointer_.push(0, gap);
  if (edge && edge->kind == speech::SpeechEdge::Kind::ended) end_turn(edge->at.count(), out);
}

void TurnTracker::finish_turn(std::vector<Event>& out) {
  const auto edge = endpointer_.force_end();
  if (edge) end_turn(edge->at.count(), out);
}

}  // namespace call::media
