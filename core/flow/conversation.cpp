// The rules of taking turns, in one place:
//  - An answer said over the agent's voice counts if it is one that was asked for; else it was a
//    "mhm", and the agent
//    goes on. Nothing that was said in silence is ever dropped for being short.
//  - An interruption without words (a cough, a door) is a false one: the agent goes on from where
//    it was cut off.
//  - At a pause the answer is decided early if it is understood; else the end of the turn is waited
//    for.
//  - The agent hangs up when the callee has heard its last word, not when it was sent.
#include "core/flow/conversation.hpp"

#include <algorithm>
#include <utility>

#include "core/audio/g711.hpp"
#include "core/flow/builtin_phrases.hpp"

namespace call::flow {
namespace {

std::size_t position_of(std::int64_t ms) {
  return ms <= 0 ? 0 : static_cast<std::size_t>(ms) * audio::kSamplesPerMs;
}

/// The words that were spoken when `heard` of `whole` had been heard; never a part of a word.
std::string heard_part(const std::string& text, std::int64_t heard, std::int64_t whole) {
  if (whole <= 0 || heard <= 0) return {};
  if (heard >= whole) return text;
  const auto end = text.size() * static_cast<std::size_t>(heard) / static_cast<std::size_t>(whole);
  const auto space = text.rfind(' ', end);
  return space == std::string::npos ? std::string() : text.substr(0, space);
}

std::int64_t length_ms(const audio::Mulaw& mulaw) {
  return static_cast<std::int64_t>(mulaw.size() / audio::kSamplesPerMs);
}

}  // namespace

Conversation::Conversation(Dialogue dialogue, Port port, std::unique_ptr<Ears> ears, Speak speak,
                           log::Logger log, TurnPolicy policy)
    : dialogue_(std::move(dialogue)),
      policy_(std::move(policy)),
      port_(std::move(port)),
      ears_(std::move(ears)),
      speak_(std::move(speak)),
      log_(std::move(log)) {}

void Conversation::begin() {
  if (!policy_.callee_first) return say(dialogue_.begin());
  awaiting_hello_ = true;
  due_[kHello] = port_.clock_ms() + policy_.hello_patience.count();
}

void Conversation::greet() {
  awaiting_hello_ = false;
  due_[kHello].reset();
  say(dialogue_.begin());
}

bool Conversation::is_hello(const speech::Transcript& transcript, std::int64_t voice_ms) const {
  return voice_ms >= policy_.hello.count() || (transcript.accepted && !transcript.text.empty());
}

void Conversation::on_event(const media::Event& event) {
  if (ended_) return;
  std::visit([this](const auto& e) { on(e); }, event);
}

bool Conversation::speaking() const {
  return utterance_.generation != 0 && !utterance_.heard && !utterance_.cut_off;
}

// ---- speaking

void Conversation::open_utterance(bool interruptible) {
  utterance_.generation = ++generation_;
  utterance_.heard = false;
  utterance_.cut_off = false;
  interrupted_ = false;
  due_[kSilence].reset();
  port_.send(media::BeginSpeech{utterance_.generation, interruptible});
}

void Conversation::say(Reply reply) {
  log_.debug("says in {}: {}", reply.state, reply.text);
  const std::int64_t now = port_.clock_ms();
  waterfall_.mark(&record::Waterfall::reply_ready_ms, now);
  record::Turn turn;
  turn.who = record::Speaker::agent;
  turn.text = reply.text;
  turn.state = reply.state;
  turn.start_ms = turn.end_ms = now;
  previous_ = std::exchange(utterance_, {});
  previous_.audio.clear();
  utterance_.turn = report_.turns.size();
  report_.turns.push_back(std::move(turn));
  utterance_.reply = std::move(reply);
  resumes_ = 0;
  keys_.reset();
  due_[kKeys].reset();
  port_.send(media::SetEndpointing{dialogue_.state().end_after});
  open_utterance(utterance_.reply.interruptible);
  speak_text(utterance_.reply.text);
}

/// Streams: the first chunk is on its way while the rest is still being computed.
void Conversation::speak_text(const std::string& text) {
  const media::Generation generation = utterance_.generation;
  const auto spoken = speak_(text, [&](audio::PcmView pcm) {
    auto mulaw = audio::mulaw_encode(pcm);
    utterance_.audio.insert(utterance_.audio.end(), mulaw.begin(), mulaw.end());
    utterance_.whole_ms = length_ms(utterance_.audio);
    port_.send(media::AddSpeech{generation, std::move(mulaw)});
    return port_.is_current(generation);
  });
  if (!spoken && spoken.error().code != Errc::cancelled) {
    log_.error("cannot speak in state {}: {}", utterance_.reply.state, spoken.error().to_string());
  }
  port_.send(media::EndSpeech{generation});
}

/// A false interruption: the rest of the sentence, from a little before the cut.
void Conversation::resume() {
  ++report_.false_barge_ins;
  ++resumes_;
  const auto& turn = report_.turns[utterance_.turn];
  const auto from = std::max<std::int64_t>(turn.heard_ms - policy_.resume_overlap.count(), 0);
  log_.debug("resumes after {} ms", from);
  utterance_.offset_ms = from;
  open_utterance(utterance_.reply.interruptible && resumes_ < policy_.max_resumes);
  const auto at = std::min(position_of(from), utterance_.audio.size());
  audio::Mulaw rest(utterance_.audio.begin() + static_cast<std::ptrdiff_t>(at),
                    utterance_.audio.end());
  port_.send(media::AddSpeech{utterance_.generation, std::move(rest)});
  port_.send(media::EndSpeech{utterance_.generation});
}

void Conversation::note_heard(const Utterance& utterance, std::int64_t heard_ms) {
  auto& turn = report_.turns[utterance.turn];
  turn.heard_ms = std::max(turn.heard_ms, heard_ms);
  turn.heard_text = heard_part(turn.text, turn.heard_ms, utterance.whole_ms);
}

/// The agent has been cut off after `heard_ms` of the utterance's audio.
void Conversation::stop_speaking(std::int64_t heard_ms) {
  utterance_.cut_off = true;
  auto& turn = report_.turns[utterance_.turn];
  turn.interrupted = true;
  turn.end_ms = port_.clock_ms();
  note_heard(utterance_, heard_ms);
}

/// We cut the agent off; the session tells how much was heard by then.
void Conversation::cut_off() {
  port_.send(media::CancelSpeech{});
  stop_speaking(0);
}

void Conversation::await_answer() {
  if (machine_) return;
  due_[kSilence] = port_.clock_ms() + dialogue_.state().silence_after.count();
}

void Conversation::on_due() {
  if (ended_) return;
  const auto now = port_.clock_ms();
  if (due_.take(kHello, now)) {
    if (!listening_.open) return greet();
    due_[kHello] = now + policy_.hello.count();  // somebody speaks, let them finish
  }
  if (due_.take(kMachine, now)) last_words(on_machine(policy_, true));
  if (due_.take(kKeys, now)) settle_keys(keys_->pause(), now);
  if (due_.take(kSilence, now)) {
    waterfall_.close();
    say(dialogue_.silence());
  }
}

void Conversation::on(const media::FirstAudioSent& event) {
  if (event.generation == generation_) waterfall_.on(event);
}

void Conversation::on(const media::Heard& event) {
  if (event.generation == previous_.generation && previous_.cut_off) {
    note_heard(previous_, previous_.offset_ms + event.heard_ms);
  }
  if (event.generation != generation_ || utterance_.cut_off) return;
  auto& turn = report_.turns[utterance_.turn];
  if (turn.heard_ms == 0) turn.start_ms = event.at_ms - event.heard_ms;
  turn.heard_ms = utterance_.offset_ms + event.heard_ms;
  turn.end_ms = event.at_ms;
  waterfall_.on(event);
  if (!event.complete) return;
  utterance_.heard = true;
  turn.interrupted = false;
  turn.heard_text = turn.text;
  if (utterance_.reply.hang_up) {
    port_.send(media::HangUp{std::string(hang_up_reason_)});
  } else if (!listening_.open) {
    await_answer();
  }
}

void Conversation::on(const media::BargedIn& event) {
  if (utterance_.generation == 0) return;
  if (event.last_cut_off < generation_) port_.send(media::CancelSpeech{});
  const bool ours = event.generation == generation_;
  stop_speaking(ours ? utterance_.offset_ms + event.heard_ms : utterance_.offset_ms);
  if (machine_) return resume();  // it was on its way when the machine was told from a callee
  interrupted_ = true;
  due_[kSilence].reset();
}

// ---- listening

void Conversation::on(const media::SpeechBegan& event) {
  due_[kSilence].reset();
  listening_ = {};
  listening_.start_ms = event.at_ms;
  listening_.audio_from_ms = event.audio_from_ms;
  listening_.open = true;
  ears_->start();
}

void Conversation::on(const media::SpeechAudio& event) {
  if (!listening_.open || listening_.settled) return;
  const audio::PcmView pcm(event.pcm);
  if (listening_.at_pause) {  // the callee goes on: the utterance is recognised anew, as a whole
    listening_.at_pause.reset();
    ears_->start();
    ears_->push(listening_.audio);
  }
  const auto limit = audio::samples_in(speech::Recognizer::kMaxUtterance);
  if (listening_.audio.size() < limit) {
    listening_.audio.insert(listening_.audio.end(), pcm.begin(), pcm.end());
  } else {
    ++report_.drops["listener_audio"];
  }
  ears_->push(pcm);
}

void Conversation::on(const media::SpeechPaused& event) {
  if (!listening_.open) return;
  listening_.at_pause = ears_->finish();
  const auto& transcript = *listening_.at_pause;
  if (machine_) return;
  const auto voice_ms = event.speech_end_ms - listening_.start_ms;
  const bool hello = awaiting_hello_ && is_hello(transcript, voice_ms);
  if (awaiting_hello_ && !hello) return;
  if (!hello && (speaking() || !transcript.accepted || !dialogue_.understand(transcript.text)))
    return;
  media::TurnEnded turn;
  turn.speech_end_ms = event.speech_end_ms;
  turn.start_ms = listening_.start_ms;
  turn.endpoint_ms = event.at_ms;
  listening_.settled = true;
  port_.send(media::FinishTurn{});
  decide(transcript, turn);
}

void Conversation::on(const media::TurnEnded& event) {
  if (!listening_.open) return;
  listening_.open = false;
  if (listening_.settled) return;
  decide(listening_.at_pause ? *listening_.at_pause : ears_->finish(), event);
}

void Conversation::keep_turn(const speech::Transcript& transcript, const media::TurnEnded& turn,
                             const std::optional<Understood>& understood) {
  record::Turn kept;
  kept.who = record::Speaker::callee;
  kept.text = transcript.text;
  kept.confidence = transcript.confidence;
  kept.start_ms = std::max<std::int64_t>(turn.start_ms, 0);
  kept.end_ms = turn.speech_end_ms;
  kept.state = dialogue_.state().name;
  if (understood) kept.intent = understood->intent;
  for (const auto& word : transcript.words) {
    kept.words.push_back({word.text, listening_.audio_from_ms + word.start.count(),
                          listening_.audio_from_ms + word.end.count()});
  }
  report_.turns.push_back(std::move(kept));
  log_.debug("heard \"{}\" (confidence {:.2f}), understood {}", transcript.text,
             transcript.confidence, understood ? understood->value : "nothing");
}

void Conversation::begin_waterfall(const media::TurnEnded& turn) {
  waterfall_.begin(report_.turns.size() - 1, turn);
  waterfall_.mark(&record::Waterfall::final_transcript_ms, port_.clock_ms());
}

/// Too little to stop the agent: "mhm" says go on.
bool Conversation::is_murmur(const std::string& words) const {
  return is_back_channel(policy_, words) || count_words(words) < policy_.min_words;
}

void Conversation::decide(const speech::Transcript& transcript, const media::TurnEnded& turn) {
  if (machine_) return keep_turn(transcript, turn, std::nullopt);
  if (awaiting_hello_) {
    if (!is_hello(transcript, turn.speech_end_ms - turn.start_ms)) return;
    keep_turn(transcript, turn, std::nullopt);
    begin_waterfall(turn);
    return greet();
  }
  const auto understood =
      transcript.accepted ? dialogue_.understand(transcript.text) : std::nullopt;
  const bool over_the_agent = turn.overlapped && speaking();
  const bool was_said = transcript.accepted && !transcript.text.empty();
  if (understood && !(over_the_agent && !utterance_.reply.interruptible)) {
    keep_turn(transcript, turn, understood);
    begin_waterfall(turn);
    if (speaking()) cut_off();
    say(dialogue_.accept(*understood));
    return;
  }
  if (was_said) {
    keep_turn(transcript, turn, std::nullopt);
  } else {
    log_.debug("rejected \"{}\" (confidence {:.2f}, {} ms of audio)", transcript.text,
               transcript.confidence, transcript.audio.count());
  }
  if (speaking()) return;  // the agent goes on
  if (interrupted_ && (!was_said || is_murmur(transcript.text))) return resume();
  if (!dialogue_.awaits_answer()) {
    if (interrupted_) resume();
    return;
  }
  if (!was_said && turn.speech_end_ms - turn.start_ms < policy_.least_answer.count())
    return await_answer();
  if (!was_said) keep_turn({}, turn, std::nullopt);
  begin_waterfall(turn);
  say(dialogue_.no_match());
}

void Conversation::keep_keys(std::string keys, std::int64_t at_ms,
                             const std::optional<Understood>& understood) {
  record::Turn kept = turn_of_keys(std::move(keys), at_ms);
  kept.state = dialogue_.state().name;
  if (understood) kept.intent = understood->intent;
  report_.turns.push_back(std::move(kept));
  media::TurnEnded turn;
  turn.start_ms = turn.speech_end_ms = turn.endpoint_ms = at_ms;
  begin_waterfall(turn);
  if (speaking()) cut_off();
  say(understood ? dialogue_.accept(*understood) : dialogue_.no_match());
}

void Conversation::on(const media::DigitPressed& event) {
  if (machine_) return;
  if (awaiting_hello_) return greet();  // a machine presses no keys
  if (!dialogue_.awaits_answer()) return;
  if (speaking() && !utterance_.reply.interruptible) return;
  if (dialogue_.state().expect == Expect::digits) return collect(event);
  keep_keys(std::string(1, event.digit), event.at_ms, dialogue_.understand_key(event.digit));
}

void Conversation::collect(const media::DigitPressed& event) {
  if (!keys_) keys_.emplace(dialogue_.state().least, dialogue_.state().most);
  if (speaking()) cut_off();
  due_[kSilence].reset();
  settle_keys(keys_->press(event.digit), event.at_ms);
}

void Conversation::settle_keys(KeyCollector::Outcome outcome, std::int64_t at_ms) {
  due_[kKeys].reset();
  switch (outcome) {
    case KeyCollector::Outcome::more:
      due_[kKeys] = port_.clock_ms() + policy_.key_pause.count();
      if (!keys_->empty()) return;
      due_[kKeys].reset();
      return await_answer();
    case KeyCollector::Outcome::complete: {
      const auto keys = keys_->take();
      return keep_keys(keys, at_ms, Understood{std::string(kDigits), keys});
    }
    case KeyCollector::Outcome::skipped:
      return keep_keys("#", at_ms, dialogue_.skip());
    case KeyCollector::Outcome::too_short:
      return keep_keys("", at_ms, std::nullopt);
  }
}

/// Nobody is there. Whatever was being said was said to a machine.
void Conversation::on(const media::MachineHeard& event) {
  const auto act = on_machine(policy_, event.beep);
  if (act.kind == MachineAct::Kind::ignore) return;
  log_.debug("a machine has answered ({})", event.beep ? "beep" : "long greeting");
  machine_ = true;
  awaiting_hello_ = false;
  due_.clear();
  waterfall_.close();
  if (speaking()) cut_off();
  if (act.kind == MachineAct::Kind::hang_up) port_.send(media::HangUp{std::string(act.reason)});
  if (act.kind == MachineAct::Kind::say) last_words(act);
  if (act.kind == MachineAct::Kind::wait)
    due_[kMachine] = event.at_ms + policy_.machine_patience.count();
}

void Conversation::last_words(const MachineAct& act) {
  hang_up_reason_ = act.reason;
  say(dialogue_.last_words(act.words));
}

void Conversation::on(const media::CallEnded& event) {
  ended_ = true;
  if (speaking()) stop_speaking(0);
  log_.debug("ends: {}, outcome {}", event.reason, dialogue_.outcome());
}

media::HandlerReport Conversation::report() {
  report_.answers = dialogue_.answers();
  report_.outcome = machine_ ? "machine" : dialogue_.outcome();
  return report_;
}

}  // namespace call::flow
