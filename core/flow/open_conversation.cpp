#include "core/flow/open_conversation.hpp"

#include <algorithm>
#include <utility>

#include "core/base/strings.hpp"
#include "core/speech/recognizer.hpp"

namespace call::flow {

std::string plain_words(std::string_view text) {
  std::string out;
  for (const char c : to_lower_ascii(text)) {
    const bool space = c == ' ' || c == '\n';
    const bool mark =
        c == '.' || c == ',' || c == '!' || c == '?' || c == ';' || c == ':' || c == '-';
    if (mark || (space && (out.empty() || out.back() == ' '))) continue;
    out += space ? ' ' : c;
  }
  return std::string(trim(out));
}

OpenConversation::OpenConversation(const OpenAgent& agent, const Variables& variables, Port port,
                                   Engines engines, log::Logger log)
    : agent_(agent),
      variables_(variables),
      port_(std::move(port)),
      engines_(std::move(engines)),
      log_(std::move(log)),
      history_(render(agent.prompt, variables, Reader::anyone)),
      mouth_(agent, port_, *engines_.voice, *engines_.spare_voice, report_, log_) {}

void OpenConversation::begin() {
  report_.outcome = "incomplete";
  port_.send(media::SetEndpointing{agent_.end_after});
  if (!agent_.turns.callee_first) return greet();
  awaiting_hello_ = true;
  due_[kHello] = port_.clock_ms() + agent_.turns.hello_patience.count();
}

void OpenConversation::greet() {
  awaiting_hello_ = false;
  due_[kHello].reset();
  if (agent_.greeting.empty()) {
    ask();
    return commit();
  }
  say_alone(spoken(agent_.greeting), true, "greeting");
}

std::string OpenConversation::spoken(const std::string& text) const {
  const auto reader = agent_.speak.provider == "embedded" ? Reader::embedded_voice : Reader::anyone;
  return render(text, variables_, reader);
}

void OpenConversation::on_event(const media::Event& event) {
  if (ended_) return;
  std::visit([this](const auto& e) { on(e); }, event);
}

void OpenConversation::on_news(speech::EngineEvent news) {
  if (ended_) return;
  std::visit([this](auto& n) { on(n); }, news);
}

// ---- the callee speaks

void OpenConversation::on(const media::SpeechBegan& event) {
  due_[kSilence].reset();
  if (listening_.turn) {  // went on before the last words were understood: the same turn
    listening_.turn.reset();
    listening_.open = true;
    listening_.pieces.push_back(
        {audio::duration_of(listening_.pushed).count(), event.audio_from_ms});
    return;
  }
  listening_ = {};
  listening_.utterance = ++next_utterance_;
  listening_.start_ms = event.at_ms;
  listening_.pieces = {{0, event.audio_from_ms}};
  listening_.open = true;
  engines_.listener->begin(listening_.utterance);
}

void OpenConversation::on(const media::SpeechAudio& event) {
  if (!listening_.open) return;
  listening_.final.reset();
  listening_.failed.reset();
  listening_.flush = 0;
  if (question_ && !question_->committed) {  // the callee goes on
    engines_.model->cancel();
    question_.reset();
  }
  listening_.pushed += event.pcm.size();
  if (agent_.listen.provider == "embedded" &&
      listening_.pushed > audio::samples_in(speech::Recognizer::kMaxUtterance))
    ++report_.drops["listener_audio"];
  engines_.listener->push(event.pcm);
}

void OpenConversation::ask_for_final() {
  if (listening_.flush != 0) return;
  listening_.flush = ++next_flush_;
  engines_.listener->flush(listening_.flush);
}

void OpenConversation::on(const media::SpeechPaused& event) {
  if (!listening_.open) return;
  ask_for_final();
  if (awaiting_hello_ && is_hello(event.speech_end_ms - listening_.start_ms))
    return port_.send(media::FinishTurn{});
  if (!listening_.partial.empty()) speculate(listening_.partial);
}

void OpenConversation::on(const media::TurnEnded& event) {
  if (!listening_.open) return;
  listening_.open = false;
  listening_.turn = event;
  listening_.turn->start_ms = listening_.start_ms;
  ask_for_final();
  decide();
}

void OpenConversation::on(speech::PartialText& news) {
  if (news.utterance != listening_.utterance) return;
  listening_.partial = std::move(news.text);
  words_heard(listening_.partial);
}

/// The turn is not over, but this much is sure: an interruption is a real one, and an answer that has
/// not begun comes too late.
void OpenConversation::words_heard(std::string_view text) {
  if (is_murmur(text)) return;
  const bool still_thinking = question_ && question_->committed && !mouth_.speaking();
  if (mouth_.was_cut_off() || still_thinking) abandon_reply();
}

void OpenConversation::on(speech::FinalText& news) {
  if (news.utterance != listening_.utterance || news.flush != listening_.flush) return;
  listening_.final = std::move(news);
  if (listening_.turn) return decide();
  const auto text = listening_.final->text;
  if (text.empty()) return;
  words_heard(text);
  speculate(text);
}

void OpenConversation::on(speech::ListeningFailed& news) {
  if (news.utterance != listening_.utterance || news.flush != listening_.flush) return;
  listening_.failed = std::move(news.error);
  decide();
}

/// Too little to stop the agent: "mhm" says go on.
bool OpenConversation::is_murmur(std::string_view text) const {
  return is_back_channel(agent_.turns, text) || count_words(text) < agent_.turns.min_words;
}

/// The turn is over and its words are known.
void OpenConversation::decide() {
  if (!listening_.turn) return;
  if (listening_.failed && (machine_ || awaiting_hello_)) listening_.final.emplace();
  if (listening_.failed && !listening_.final) {
    const auto error = *listening_.failed;
    listening_ = {};
    if (mouth_.speaking() || mouth_.was_cut_off()) return go_on();
    return engine_failed("the recogniser failed", error);
  }
  if (!listening_.final) return;
  const auto turn = *listening_.turn;
  auto said = std::move(*listening_.final);
  to_call_time(said.words);
  listening_ = {};
  if (machine_) return keep_turn(said, turn);
  if (awaiting_hello_) return hello(turn, said);
  if (trim(said.text).empty()) return nothing_said(turn);
  const bool over_the_agent = mouth_.was_cut_off() || (mouth_.speaking() && turn.overlapped);
  const bool answers = !closing_ && mouth_.answered_at(turn.speech_end_ms);
  const bool murmur = is_murmur(said.text) && !answers;
  if (over_the_agent && (murmur || (mouth_.speaking() && !mouth_.interruptible()))) {
    keep_turn(said, turn);
    return go_on();
  }
  callee_said(said, turn);
}

bool OpenConversation::is_hello(std::int64_t voice_ms) const {
  return voice_ms >= agent_.turns.hello.count();
}

/// The first that is heard of the callee. A greeting of the agent's own answers it, else the model.
void OpenConversation::hello(const media::TurnEnded& turn, const speech::FinalText& said) {
  const bool words = !trim(said.text).empty();
  if (!words && !is_hello(turn.speech_end_ms - turn.start_ms)) return;
  if (words && agent_.greeting.empty()) {
    awaiting_hello_ = false;
    due_[kHello].reset();
    return callee_said(said, turn);
  }
  abandon_reply();  // of a model that began at the pause
  keep_turn(said, turn);
  begin_waterfall(turn);
  if (words) history_.callee_said(said.text);
  greet();
}

void OpenConversation::nothing_said(const media::TurnEnded& turn) {
  log_.debug("nothing understood in {} ms of sound", turn.speech_end_ms - turn.start_ms);
  const bool agents_turn = mouth_.was_cut_off() || mouth_.speaking() || thinking_;
  if (!agents_turn && turn.speech_end_ms - turn.start_ms >= agent_.turns.least_answer.count())
    keep_turn({}, turn);
  go_on();
}

/// What the callee did was no turn: whatever the agent was doing goes on.
void OpenConversation::go_on() {
  if (mouth_.was_cut_off()) mouth_.resume();
  release();
  if (!mouth_.speaking() && !thinking_) await_callee();
}

/// Words come with their place in the utterance's audio; the record wants the call's time.
void OpenConversation::to_call_time(std::vector<speech::TimedWord>& words) const {
  const auto shifted = [&](std::chrono::milliseconds in_utterance) {
    auto piece = listening_.pieces.front();
    for (const auto& later : listening_.pieces) {
      if (later.from_ms <= in_utterance.count()) piece = later;
    }
    return std::chrono::milliseconds(piece.at_ms - piece.from_ms) + in_utterance;
  };
  for (auto& word : words) {
    word.start = shifted(word.start);
    word.end = std::max(shifted(word.end), word.start);
  }
}

void OpenConversation::keep_turn(const speech::FinalText& said, const media::TurnEnded& turn) {
  record::Turn kept;
  kept.who = record::Speaker::callee;
  kept.text = said.text;
  kept.confidence = said.confidence;
  kept.start_ms = std::max<std::int64_t>(turn.start_ms, 0);
  kept.end_ms = turn.speech_end_ms;
  for (const auto& word : said.words)
    kept.words.push_back({word.text, word.start.count(), word.end.count()});
  report_.turns.push_back(std::move(kept));
  log_.debug("heard \"{}\"", said.text);
}

void OpenConversation::begin_waterfall(const media::TurnEnded& turn) {
  waterfall_.begin(report_.turns.size() - 1, turn);
  waterfall_.mark(&record::Waterfall::final_transcript_ms, port_.clock_ms());
}

void OpenConversation::callee_said(const speech::FinalText& said, const media::TurnEnded& turn) {
  const bool ready =
      question_ && !question_->committed && question_->about == plain_words(said.text);
  if (!ready) abandon_reply();
  keep_turn(said, turn);
  begin_waterfall(turn);
  history_.callee_said(said.text);
  steps_ = 0;
  silences_ = 0;
  if (closing_ && !closing_recalled_) {
    closing_.reset();
    closing_recalled_ = true;
  }
  if (closing_) return agent_heard();
  thinking_ = true;
  due_[kFiller] = port_.clock_ms() + agent_.filler_after.count();
  if (!running_.empty()) return;  // asked when the tools have answered
  if (!ready) ask();
  commit();
}

/// What is being said ends here; the history keeps what was heard of it.
void OpenConversation::break_off() {
  mouth_.cut_now();
  if (mouth_.was_cut_off()) {
    const auto heard = mouth_.heard_text();
    for (const auto& part : said_) {
      const auto end = std::min(part.end, heard.size());
      const auto text =
          end > part.begin ? heard.substr(part.begin, end - part.begin) : std::string();
      history_.heard(part.id, trim(text));
    }
    mouth_.drop();
  }
  said_.clear();
}

/// What the agent was saying, or about to say, is over.
void OpenConversation::abandon_reply() {
  if (question_) {
    engines_.model->cancel();
    if (question_->committed && !question_->done && !question_->text.empty()) {
      said_.push_back(
          {history_.agent_said(question_->text), question_->text_begin, mouth_.text().size()});
    }
    question_.reset();
  }
  break_off();
  thinking_ = false;
  due_[kFiller].reset();
  for (auto it = running_.begin(); it != running_.end();) {
    const auto tool = agent_.http_tools.find(it->second);
    const bool stops = tool != agent_.http_tools.end() && tool->second.stops_on_interruption;
    if (stops) engines_.tools->cancel(it->first);
    it = stops ? running_.erase(it) : std::next(it);
  }
  if (collecting_) take_digits();  // the callee speaks instead
}

void OpenConversation::on(const media::BargedIn& event) {
  due_[kSilence].reset();
  // Over a machine it was on its way when that was told from a callee.
  if (mouth_.cut_by(event) && machine_) mouth_.resume();
}

void OpenConversation::on(const media::FirstAudioSent& event) {
  if (event.generation == mouth_.generation()) waterfall_.on(event);
}

void OpenConversation::on(const media::Heard& event) {
  const bool complete = mouth_.on(event);
  if (event.generation == mouth_.generation()) waterfall_.on(event);
  if (complete) agent_heard();
}

/// The agent has nothing more to say: what comes next? An interruption first shows whether it is one.
void OpenConversation::agent_heard() {
  if (mouth_.speaking() || mouth_.was_cut_off()) return;
  if (closing_) {
    const auto ends = carry_out(*closing_, engines_.transfer, port_, report_, log_);
    if (ends) return;
    closing_.reset();
    return engine_failed("the transfer failed", ends.error());
  }
  if (collecting_) {
    if (!due_[kKeys]) due_[kKeys] = port_.clock_ms() + agent_.silence_after.count();
    return;
  }
  if (!listening_.open && !thinking_) await_callee();
}

void OpenConversation::await_callee() {
  if (machine_) return;
  due_[kSilence] = port_.clock_ms() + agent_.silence_after.count();
}

void OpenConversation::on_due() {
  if (ended_) return;
  const auto now = port_.clock_ms();
  if (due_.take(kHello, now)) {
    const bool speaks = listening_.open || listening_.turn;
    if (!speaks) return greet();
    due_[kHello] = now + agent_.turns.hello.count();  // let them finish
  }
  if (due_.take(kMachine, now)) last_words(on_machine(agent_.turns, true));
  if (due_.take(kFiller, now) && thinking_ && !mouth_.speaking()) {
    // Stays open: the answer follows in the same breath.
    if (!mouth_.is_open()) mouth_.open(true, "filler");
    mouth_.add(agent_.filler);
  }
  if (due_.take(kKeys, now)) end_collecting();
  if (due_.take(kSilence, now)) {
    const bool last = ++silences_ > agent_.silence_prompts;
    if (last) closing_ = Closing{"silence", {}, "silence"};
    say_alone(last ? agent_.goodbye : agent_.silence_prompt, !last, last ? "goodbye" : "silence");
  }
}

void OpenConversation::collect(const media::DigitPressed& event) {
  if (collecting_->keys.press(event.digit) != KeyCollector::Outcome::more) return end_collecting();
  const auto& patience = collecting_->keys.empty() ? agent_.silence_after : agent_.turns.key_pause;
  due_[kKeys] = port_.clock_ms() + patience.count();
}

void OpenConversation::on(const media::DigitPressed& event) {
  if (machine_) return;
  due_[kSilence].reset();
  report_.turns.push_back(turn_of_keys(std::string(1, event.digit), event.at_ms));
  if (collecting_) return collect(event);
  if (awaiting_hello_) return greet();  // a machine presses no keys
  abandon_reply();
  history_.callee_said(std::string("[pressed the key ") + event.digit + "]");
  steps_ = 0;
  if (closing_) return agent_heard();
  thinking_ = true;
  if (!running_.empty()) return;  // asked when the tools have answered
  ask();
  commit();
}

/// Nobody is there. Whatever was being said was said to a machine.
void OpenConversation::on(const media::MachineHeard& event) {
  const auto act = on_machine(agent_.turns, event.beep);
  if (act.kind == MachineAct::Kind::ignore) return;
  log_.debug("a machine has answered ({})", event.beep ? "beep" : "long greeting");
  machine_ = true;
  awaiting_hello_ = false;
  report_.outcome = "machine";
  waterfall_.close();
  abandon_reply();
  stop_work();
  closing_.reset();
  due_.clear();
  if (act.kind == MachineAct::Kind::hang_up) port_.send(media::HangUp{std::string(act.reason)});
  if (act.kind == MachineAct::Kind::say) last_words(act);
  if (act.kind == MachineAct::Kind::wait)
    due_[kMachine] = event.at_ms + agent_.turns.machine_patience.count();
}

void OpenConversation::last_words(const MachineAct& act) {
  closing_ = Closing{std::string(act.reason)};
  say_alone(spoken(act.words), false, "voicemail");
}

void OpenConversation::on(const media::CallEnded& event) {
  ended_ = true;
  if (question_) engines_.model->cancel();
  if (mouth_.speaking()) mouth_.cut(mouth_.heard_ms());
  if (closing_ && closing_->transfer_to.empty()) carried_out(*closing_, report_);
  for (const auto& [id, name] : running_) engines_.tools->cancel(id);
  log_.debug("ends: {}, outcome {}", event.reason, report_.outcome);
}

}  // namespace call::flow
