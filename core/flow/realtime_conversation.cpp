#include "core/flow/realtime_conversation.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/audio/g711.hpp"
#include "core/json/json.hpp"

namespace call::flow {
RealtimeConversation::RealtimeConversation(const OpenAgent& agent, const Variables& variables,
                                           Port port, RealtimeEngines engines, log::Logger log)
    : agent_(agent),
      variables_(variables),
      port_(std::move(port)),
      engines_(std::move(engines)),
      log_(std::move(log)),
      mouth_(agent, port_, through_, *engines_.spare_voice, report_, log_) {}

void RealtimeConversation::begin() {
  report_.outcome = "incomplete";
  port_.send(media::SetEndpointing{agent_.end_after});
  if (!agent_.turns.callee_first) return greet();
  awaiting_hello_ = true;
  due_[kHello] = port_.clock_ms() + agent_.turns.hello_patience.count();
}

void RealtimeConversation::greet() {
  awaiting_hello_ = false;
  due_[kHello].reset();
  ask(render(agent_.greeting, variables_, Reader::anyone));
}

void RealtimeConversation::on_event(const media::Event& event) {
  if (ended_) return;
  std::visit([this](const auto& e) { on(e); }, event);
}

void RealtimeConversation::on_news(speech::EngineEvent news) {
  if (ended_) return;
  std::visit([this](auto& n) { on(n); }, news);
}

void RealtimeConversation::ask(std::string_view say) {
  answering_ = true;
  due_[kSilence].reset();
  sentences_ = {};
  answer_from_ms_ = mouth_.is_open() ? mouth_.audio_ms() : 0;
  engines_.engine->respond(++request_, say);
}

// ---- the callee

void RealtimeConversation::on(const media::SpeechBegan& event) {
  due_[kSilence].reset();
  spoken_from_ms_ = event.at_ms;
  listening_ = true;
  engines_.engine->begin();
}

void RealtimeConversation::on(const media::SpeechAudio& event) {
  if (listening_) engines_.engine->push(audio::mulaw_encode(event.pcm));
}

void RealtimeConversation::on(const media::BargedIn& event) {
  due_[kSilence].reset();
  mark_text();
  // Over a machine it was on its way when that was told from a callee.
  if (mouth_.cut_by(event) && machine_) mouth_.resume();
}

void RealtimeConversation::on(const media::SpeechPaused& event) {
  if (!listening_ || !awaiting_hello_) return;
  if (event.speech_end_ms - spoken_from_ms_ >= agent_.turns.hello.count())
    port_.send(media::FinishTurn{});
}

void RealtimeConversation::on(const media::TurnEnded& event) {
  if (!std::exchange(listening_, false) || machine_) return;
  const auto voice_ms = event.speech_end_ms - event.start_ms;
  if (awaiting_hello_ && voice_ms < agent_.turns.hello.count()) return;
  const bool brief = voice_ms < agent_.turns.least_answer.count();
  const bool answers = !closing_ && mouth_.answered_at(event.speech_end_ms);
  if (mouth_.speaking() && event.overlapped && !answers) return;  // a "mhm": the agent goes on
  if (brief && mouth_.was_cut_off() && !answers) return mouth_.resume();
  abandon();
  if (collecting_) take_digits();  // the callee speaks instead
  keep_turn(event);
  engines_.engine->commit();
  if (closing_ && closing_recalled_) return agent_heard();
  closing_recalled_ = closing_recalled_ || closing_;
  closing_.reset();
  if (awaiting_hello_) return greet();
  if (running_.empty()) ask();
}

void RealtimeConversation::keep_turn(const media::TurnEnded& event) {
  record::Turn turn;
  turn.who = record::Speaker::callee;
  turn.start_ms = std::max<std::int64_t>(event.start_ms, 0);
  turn.end_ms = event.speech_end_ms;
  committed_turns_.push_back(report_.turns.size());
  report_.turns.push_back(std::move(turn));
  waterfall_.begin(committed_turns_.back(), event);
  steps_ = silences_ = 0;
}

void RealtimeConversation::on(const media::DigitPressed& event) {
  if (machine_) return;
  due_[kSilence].reset();
  report_.turns.push_back(turn_of_keys(std::string(1, event.digit), event.at_ms));
  if (collecting_) return collect(event.digit);
  if (awaiting_hello_) return greet();  // a machine presses no keys
  if (closing_) return;
  abandon();
  engines_.engine->tell(std::string("[pressed the key ") + event.digit + "]");
  steps_ = silences_ = 0;
  if (running_.empty()) ask();
}

void RealtimeConversation::collect(char key) {
  if (collecting_->keys.press(key) != KeyCollector::Outcome::more) return end_collecting();
  const auto& patience = collecting_->keys.empty() ? agent_.silence_after : agent_.turns.key_pause;
  due_[kKeys] = port_.clock_ms() + patience.count();
}

void RealtimeConversation::take_digits() {
  const auto digits = collecting_->keys.take();
  engines_.engine->tool_result(collecting_->call_id, json::dump(Json{{"digits", digits}}));
  running_.erase(collecting_->call_id);
  collecting_.reset();
  due_[kKeys].reset();
}

void RealtimeConversation::end_collecting() {
  abandon();
  take_digits();
  if (running_.empty()) next_step();
}

/// Nobody is there. Whatever was being said was said to a machine.
void RealtimeConversation::on(const media::MachineHeard& event) {
  const auto act = on_machine(agent_.turns, event.beep);
  if (act.kind == MachineAct::Kind::ignore) return;
  log_.debug("a machine has answered ({})", event.beep ? "beep" : "long greeting");
  machine_ = true;
  awaiting_hello_ = false;
  report_.outcome = "machine";
  waterfall_.close();
  abandon();
  stop_work();
  closing_.reset();
  due_.clear();
  if (act.kind == MachineAct::Kind::hang_up) port_.send(media::HangUp{std::string(act.reason)});
  if (act.kind == MachineAct::Kind::say) last_words(act);
  if (act.kind == MachineAct::Kind::wait)
    due_[kMachine] = event.at_ms + agent_.turns.machine_patience.count();
}

void RealtimeConversation::last_words(const MachineAct& act) {
  closing_ = Closing{std::string(act.reason)};
  last_words_ = render(act.words, variables_, Reader::anyone);
  ask(last_words_);
}

void RealtimeConversation::on(speech::FinalText& news) {
  if (news.utterance == 0 || news.utterance > committed_turns_.size()) return;
  report_.turns[committed_turns_[news.utterance - 1]].text = std::move(news.text);
}

/// What the agent was saying is over; the engine is told how much of it was heard.
void RealtimeConversation::abandon() {
  mark_text();
  mouth_.cut_now();
  const bool cut = mouth_.was_cut_off();
  if (answering_ || cut) {
    const auto heard = std::max<std::int64_t>(mouth_.heard_ms() - answer_from_ms_, 0);
    engines_.engine->interrupt(std::chrono::milliseconds(heard));
  }
  if (cut) mouth_.drop();
  answering_ = false;
}

// ---- the agent

/// The engine tells no times of its words: the text that has come is taken to be that of the audio.
void RealtimeConversation::mark_text() {
  if (!mouth_.is_open()) return;
  if (const auto rest = sentences_.finish(); !rest.empty()) mouth_.add(rest);
  speech::SpokenAudio mark{through_.current, {}, {{mouth_.text().size(), mouth_.audio_ms()}}};
  mouth_.on(mark);
}

/// A piece of the engine's answer, its first one perhaps.
void RealtimeConversation::answer_comes() {
  waterfall_.mark(&record::Waterfall::first_token_ms, port_.clock_ms());
  open_mouth();
}

void RealtimeConversation::open_mouth() {
  if (mouth_.is_open()) return;
  mouth_.prepare();
  // A good-bye that the engine chose itself is known as one only when it has been said.
  mouth_.open(!closing_, machine_ ? "voicemail" : "reply");
  waterfall_.mark(&record::Waterfall::reply_ready_ms, port_.clock_ms());
}

void RealtimeConversation::on(speech::SpokenAudio& news) {
  // Either of the engine, by its request, or of the spare voice, by the mouth's own number.
  if (answering_ && news.utterance == request_) {
    answer_comes();
    news.utterance = through_.current;
  }
  mouth_.on(news);
}

void RealtimeConversation::on(speech::ReplyText& news) {
  if (news.request != request_ || !answering_) return;
  answer_comes();
  for (const auto& sentence : sentences_.push(news.text)) mouth_.add(sentence);
}

void RealtimeConversation::on(speech::ReplyDone& news) {
  if (news.request != request_ || !answering_) return;
  answering_ = false;
  if (machine_) news.calls.clear();  // there is nobody to do anything for
  const bool said = mouth_.is_open();
  if (!said && news.calls.empty()) return engine_failed({Errc::protocol, "an empty answer"});
  failures_ = 0;
  if (said) mark_text();
  if (!news.calls.empty()) return run_calls(news.calls);
  finish_saying();
}

void RealtimeConversation::on(speech::ReplyFailed& news) {
  if (news.request == request_ && answering_) engine_failed(news.error);
}

void RealtimeConversation::run_calls(const std::vector<speech::ToolCall>& calls) {
  if (++steps_ > agent_.max_tool_steps)
    return engine_failed({Errc::limit, "the engine calls tools without end"});
  for (const auto& call : calls) {
    log_.info("the engine calls {}", call.name);
    auto result = run_builtin_tool(agent_, call, static_cast<bool>(engines_.transfer));
    const bool collects = result && result->collect;
    if (collects && collecting_) result->content = tool_error(kCollectingAlready);
    if (!result || (collects && !collecting_)) {
      running_[call.id] = call.name;
      if (collects) collecting_ = Collecting{call.id, {1, static_cast<int>(*result->collect)}};
      if (!collects) engines_.tools->run(request_, call);
      continue;
    }
    if (result->closing) closing_ = std::move(result->closing);
    report_.answers.merge(result->answers);
    engines_.engine->tool_result(call.id, result->content);
  }
  if (collecting_) {  // when the callee has heard what it is asked for
    finish_saying();
    return agent_heard();
  }
  if (running_.empty()) next_step();
}

/// No more of the present utterance follows.
void RealtimeConversation::finish_saying() {
  if (!mouth_.is_open()) return;
  mouth_.end();
  mouth_.on(speech::SpeakingDone{through_.current});
}

void RealtimeConversation::on(speech::ToolResult& news) {
  if (running_.erase(news.call_id) == 0) return;
  engines_.engine->tool_result(news.call_id, news.content);
  if (running_.empty()) next_step();
}

void RealtimeConversation::next_step() {
  if (!closing_) return ask();
  finish_saying();
  agent_heard();
}

void RealtimeConversation::on(const media::FirstAudioSent& event) {
  if (event.generation == mouth_.generation()) waterfall_.on(event);
}

void RealtimeConversation::on(const media::Heard& event) {
  const bool complete = mouth_.on(event);
  if (event.generation == mouth_.generation()) waterfall_.on(event);
  if (complete) agent_heard();
}

/// The agent has nothing more to say: what comes next? An interruption first shows whether it is one.
void RealtimeConversation::agent_heard() {
  if (mouth_.speaking() || mouth_.was_cut_off()) return;
  if (collecting_) {
    if (!due_[kKeys]) due_[kKeys] = port_.clock_ms() + agent_.silence_after.count();
    return;
  }
  if (!closing_) {
    if (!listening_ && !answering_) await_callee();
    return;
  }
  const auto ends = carry_out(*closing_, engines_.transfer, port_, report_, log_);
  if (ends) return;
  closing_.reset();
  engine_failed(ends.error());
}

void RealtimeConversation::await_callee() {
  if (machine_) return;
  due_[kSilence] = port_.clock_ms() + agent_.silence_after.count();
}

void RealtimeConversation::on_due() {
  if (ended_) return;
  const auto now = port_.clock_ms();
  if (due_.take(kHello, now)) {
    if (!listening_) return greet();
    due_[kHello] = now + agent_.turns.hello.count();  // let them finish
  }
  if (due_.take(kMachine, now)) last_words(on_machine(agent_.turns, true));
  if (due_.take(kKeys, now)) end_collecting();
  if (!due_.take(kSilence, now)) return;
  const bool last = ++silences_ > agent_.silence_prompts;
  if (last) closing_ = Closing{"silence", {}, "silence"};
  ask(last ? agent_.goodbye : agent_.silence_prompt);
}

/// Nothing that was begun for an answer goes on.
void RealtimeConversation::stop_work() {
  for (const auto& [id, name] : running_) engines_.tools->cancel(id);
  running_.clear();
  collecting_.reset();
  due_[kKeys].reset();
}

/// Never dead air: the embedded voice says what has to be said.
void RealtimeConversation::engine_failed(const Error& error) {
  const bool give_up = ++failures_ >= agent_.max_failures || closing_;
  log_.warn("the engine failed ({} in a row): {}", failures_, error.to_string());
  answering_ = false;
  stop_work();
  if (give_up && !closing_) closing_ = Closing{"engine_failed", {}, "failed"};
  open_mouth();
  mouth_.add(machine_ ? last_words_ : give_up ? agent_.give_up : agent_.fallback);
  mouth_.end();
  mouth_.on(speech::SpeakingFailed{through_.current, error});
}

void RealtimeConversation::on(const media::CallEnded& event) {
  ended_ = true;
  if (mouth_.speaking()) mouth_.cut(mouth_.heard_ms());
  if (closing_ && closing_->transfer_to.empty()) carried_out(*closing_, report_);
  log_.debug("ends: {}, outcome {}", event.reason, report_.outcome);
}

}  // namespace call::flow
