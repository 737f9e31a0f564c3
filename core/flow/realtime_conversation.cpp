#include "core/flow/realtime_conversation.hpp"

#include <algorithm>
#include <utility>

#include "core/audio/g711.hpp"

namespace call::flow {
namespace {

/// Sounds that are shorter are no turn.
constexpr std::int64_t kLeastTurnMs = 350;

}  // namespace

RealtimeConversation::RealtimeConversation(const OpenAgent& agent, const Variables& variables,
                                           Port port, RealtimeEngines engines, log::Logger log)
    : agent_(agent),
      variables_(variables),
      port_(std::move(port)),
      engines_(std::move(engines)),
      log_(std::move(log)),
      mouth_(port_, through_, *engines_.spare_voice, report_, log_) {}

void RealtimeConversation::begin() {
  report_.outcome = "incomplete";
  port_.send(media::SetEndpointing{agent_.end_after});
  if (agent_.waits) return await_callee();
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
  silence_due_ms_.reset();
  sentences_ = {};
  answer_from_ms_ = mouth_.is_open() ? mouth_.audio_ms() : 0;
  engines_.engine->respond(++request_, say);
}

// ---- the callee

void RealtimeConversation::on(const media::SpeechBegan&) {
  silence_due_ms_.reset();
  listening_ = true;
  engines_.engine->begin();
}

void RealtimeConversation::on(const media::SpeechAudio& event) {
  if (listening_) engines_.engine->push(audio::mulaw_encode(event.pcm));
}

void RealtimeConversation::on(const media::BargedIn& event) {
  silence_due_ms_.reset();
  mouth_.cut_by(event);
}

void RealtimeConversation::on(const media::TurnEnded& event) {
  if (!std::exchange(listening_, false)) return;
  const bool brief = event.speech_end_ms - event.start_ms < kLeastTurnMs;
  if (mouth_.speaking() && event.overlapped) return;  // a "mhm": the agent goes on
  if (brief && mouth_.was_cut_off()) return mouth_.resume();
  if (closing_) return;
  abandon();
  record::Turn turn;
  turn.who = record::Speaker::callee;
  turn.start_ms = std::max<std::int64_t>(event.start_ms, 0);
  turn.end_ms = event.speech_end_ms;
  unheard_turn_ = report_.turns.size();
  report_.turns.push_back(std::move(turn));
  record::Waterfall waterfall;
  waterfall.turn = static_cast<std::uint32_t>(*unheard_turn_);
  waterfall.speech_end_ms = event.speech_end_ms;
  waterfall.endpoint_ms = event.endpoint_ms;
  open_waterfall_ = report_.waterfalls.size();
  report_.waterfalls.push_back(waterfall);
  steps_ = silences_ = 0;
  engines_.engine->commit();
  if (running_.empty()) ask();
}

void RealtimeConversation::on(speech::FinalText& news) {
  if (!unheard_turn_) return;
  report_.turns[*unheard_turn_].text = std::move(news.text);
  unheard_turn_.reset();
}

/// What the agent was saying is over; the engine is told how much of it was heard.
void RealtimeConversation::abandon() {
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

void RealtimeConversation::open_mouth() {
  if (mouth_.is_open()) return;
  mouth_.prepare();
  mouth_.open(true, "reply");
  if (open_waterfall_) report_.waterfalls[*open_waterfall_].reply_ready_ms = port_.clock_ms();
}

void RealtimeConversation::on(speech::SpokenAudio& news) {
  // Either of the engine, by its request, or of the spare voice, by the mouth's own number.
  if (answering_ && news.utterance == request_) {
    open_mouth();
    news.utterance = through_.current;
  }
  mouth_.on(news);
}

void RealtimeConversation::on(speech::ReplyText& news) {
  if (news.request != request_ || !answering_) return;
  open_mouth();
  for (const auto& sentence : sentences_.push(news.text)) mouth_.add(sentence);
}

void RealtimeConversation::on(speech::ReplyDone& news) {
  if (news.request != request_ || !answering_) return;
  answering_ = false;
  if (const auto rest = sentences_.finish(); !rest.empty()) mouth_.add(rest);
  const bool said = mouth_.is_open();
  if (!said && news.calls.empty()) return engine_failed({Errc::protocol, "an empty answer"});
  failures_ = 0;
  if (said) {
    speech::SpokenAudio mark{through_.current, {}, {{mouth_.text().size(), mouth_.audio_ms()}}};
    mouth_.on(mark);
  }
  if (!news.calls.empty()) return run_calls(news.calls);
  mouth_.end();
  mouth_.on(speech::SpeakingDone{through_.current});
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
    if (!result) {
      running_[call.id] = call.name;
      engines_.tools->run(request_, call);
      continue;
    }
    if (result->collect)
      result->content = tool_error("digits cannot be collected here: ask for them");
    if (result->closing) closing_ = std::move(result->closing);
    if (!result->outcome.empty()) report_.outcome = result->outcome;
    report_.answers.merge(result->answers);
    engines_.engine->tool_result(call.id, result->content);
  }
  if (running_.empty()) next_step();
}

void RealtimeConversation::on(speech::ToolResult& news) {
  if (running_.erase(news.call_id) == 0) return;
  engines_.engine->tool_result(news.call_id, news.content);
  if (running_.empty()) next_step();
}

void RealtimeConversation::next_step() {
  if (!closing_) return ask();
  if (!mouth_.is_open()) return agent_heard();
  mouth_.end();
  mouth_.on(speech::SpeakingDone{through_.current});
}

void RealtimeConversation::on(const media::FirstAudioSent& event) {
  if (event.generation != mouth_.generation() || !open_waterfall_) return;
  report_.waterfalls[*open_waterfall_].first_audio_sent_ms = event.at_ms;
}

void RealtimeConversation::on(const media::Heard& event) {
  const bool complete = mouth_.on(event);
  if (event.generation == mouth_.generation() && open_waterfall_) {
    report_.waterfalls[*open_waterfall_].first_heard_ms = event.at_ms - event.heard_ms;
    open_waterfall_.reset();
  }
  if (complete) agent_heard();
}

void RealtimeConversation::agent_heard() {
  if (mouth_.speaking()) return;
  if (!closing_) {
    if (!listening_ && !answering_) await_callee();
    return;
  }
  if (!closing_->transfer_to.empty() && engines_.transfer) {
    if (const auto done = engines_.transfer(closing_->transfer_to); !done) {
      closing_.reset();
      return engine_failed(done.error());
    }
  }
  port_.send(media::HangUp{closing_->reason});
}

void RealtimeConversation::await_callee() {
  silence_due_ms_ = port_.clock_ms() + agent_.silence_after.count();
}

void RealtimeConversation::on_due() {
  if (ended_ || !silence_due_ms_ || port_.clock_ms() < *silence_due_ms_) return;
  silence_due_ms_.reset();
  const bool last = ++silences_ > agent_.silence_prompts;
  if (last) {
    report_.outcome = "silence";
    closing_ = Closing{"silence", {}};
  }
  ask(last ? agent_.goodbye : agent_.silence_prompt);
}

/// Never dead air: the embedded voice says what has to be said.
void RealtimeConversation::engine_failed(const Error& error) {
  const bool give_up = ++failures_ >= agent_.max_failures || closing_;
  log_.warn("the engine failed ({} in a row): {}", failures_, error.to_string());
  answering_ = false;
  for (const auto& [id, name] : running_) engines_.tools->cancel(id);
  running_.clear();
  if (give_up && !closing_) {
    report_.outcome = "failed";
    closing_ = Closing{"engine_failed", {}};
  }
  open_mouth();
  mouth_.add(give_up ? agent_.give_up : agent_.fallback);
  mouth_.end();
  mouth_.on(speech::SpeakingFailed{through_.current, error});
}

void RealtimeConversation::on(const media::CallEnded& event) {
  ended_ = true;
  if (mouth_.speaking()) mouth_.cut(mouth_.heard_ms());
  log_.debug("ends: {}, outcome {}", event.reason, report_.outcome);
}

media::HandlerReport RealtimeConversation::report() {
  return std::move(report_);
}

}  // namespace call::flow
