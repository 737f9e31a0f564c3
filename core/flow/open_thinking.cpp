// The half of an open conversation that asks the model, says its answer, and runs its tools.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/flow/open_conversation.hpp"
#include "core/json/json.hpp"

namespace call::flow {
namespace {

/// A model that calls tools in spite of being told not to is not asked for ever.
constexpr int kStepsBeyond = 2;

}  // namespace

void OpenConversation::speculate(std::string_view text) {
  const bool idle = !mouth_.speaking() && !mouth_.was_cut_off() && running_.empty() && !closing_ &&
                    !machine_ && !(awaiting_hello_ && !agent_.greeting.empty());
  if (!agent_.speculative || !idle || (question_ && question_->committed)) return;
  if (question_ && question_->about == plain_words(text)) return;
  ask(text);
}

void OpenConversation::ask(std::string_view speculative_text) {
  using Role = speech::ChatMessage::Role;
  Question question;
  question.id = ++next_request_;
  question.about = plain_words(speculative_text);
  speech::ChatRequest request;
  request.id = question.id;
  request.messages = history_.messages();
  auto& messages = request.messages;
  if (!speculative_text.empty()) {
    if (messages.back().role == Role::user) {
      messages.back().text.append(" ").append(speculative_text);
    } else {
      messages.push_back({Role::user, std::string(speculative_text), {}, {}});
    }
  } else if (messages.size() == 1) {  // some servers refuse a conversation without a user
    messages.push_back({Role::user, "[The call was answered.]", {}, {}});
  }
  request.tools = agent_.tools;
  request.tools_allowed = steps_ < agent_.max_tool_steps;
  question_ = std::move(question);
  engines_.model->ask(std::move(request));
}

void OpenConversation::commit() {
  question_->committed = true;
  thinking_ = true;
  if (!due_[kFiller]) due_[kFiller] = port_.clock_ms() + agent_.filler_after.count();
  mouth_.prepare();
  release();
}

void OpenConversation::release() {
  if (!question_ || !question_->committed) return;
  for (const auto& sentence : std::exchange(question_->held, {})) say_sentence(sentence);
  if (question_->done) conclude();
}

void OpenConversation::say_sentence(const std::string& sentence) {
  auto& question = *question_;
  if (question.silenced || sentence.empty()) return;
  due_[kFiller].reset();
  if (!mouth_.is_open()) {
    said_.clear();
    mouth_.open(true, "reply");
  }
  if (question.text.empty()) {
    question.text_begin = mouth_.text().size();
    note_reply(question.first_token_ms);
  }
  if (!mouth_.add(sentence)) {
    question.silenced = true;
    return;
  }
  if (!question.text.empty()) question.text += ' ';
  question.text += sentence;
}

/// The first sentence of an answer is known. Of a model that began at the pause the first token may
/// have come before the turn was over.
void OpenConversation::note_reply(const std::optional<std::int64_t>& first_token_ms) {
  if (first_token_ms) waterfall_.mark(&record::Waterfall::first_token_ms, *first_token_ms);
  waterfall_.mark(&record::Waterfall::reply_ready_ms, port_.clock_ms());
}

void OpenConversation::on(speech::ReplyText& news) {
  if (!question_ || news.request != question_->id) return;
  if (!question_->first_token_ms) question_->first_token_ms = port_.clock_ms();
  // While the callee speaks nothing new is begun.
  const bool callee_speaks = listening_.open || listening_.turn;
  const bool may_speak = question_->committed && (!callee_speaks || mouth_.is_open());
  for (auto& sentence : question_->sentences.push(news.text)) {
    if (may_speak && question_->held.empty()) {
      say_sentence(sentence);
    } else {
      question_->held.push_back(std::move(sentence));
    }
  }
}

void OpenConversation::on(speech::ReplyDone& news) {
  if (!question_ || news.request != question_->id) return;
  auto& question = *question_;
  if (auto rest = question.sentences.finish(); !rest.empty())
    question.held.push_back(std::move(rest));
  question.calls = std::move(news.calls);
  question.done = true;
  if (news.cut_short) log_.warn("the model's answer was cut short by its limit or its filter");
  if (question.committed && !(listening_.open || listening_.turn)) {
    release();
  } else if (question.committed && mouth_.is_open()) {
    release();
  }
}

void OpenConversation::on(speech::ReplyFailed& news) {
  if (!question_ || news.request != question_->id) return;
  if (!question_->committed) {  // asked again when the turn is over
    log_.debug("the speculative answer failed: {}", news.error.to_string());
    question_.reset();
    return;
  }
  engine_failed("the model failed", news.error);
}

/// The answer is complete, and as far as it is text, said.
void OpenConversation::conclude() {
  auto question = std::move(*question_);
  question_.reset();
  if (question.text.empty() && question.calls.empty()) {
    return engine_failed("the model said nothing", {Errc::protocol, "an empty answer"});
  }
  failures_ = 0;
  const auto id = history_.agent_said(question.text, question.calls);
  if (!question.text.empty()) said_.push_back({id, question.text_begin, mouth_.text().size()});
  if (!question.calls.empty()) return run_calls(question.calls);
  thinking_ = false;
  due_[kFiller].reset();
  mouth_.end();
}

void OpenConversation::run_calls(const std::vector<speech::ToolCall>& calls) {
  if (steps_ >= agent_.max_tool_steps + kStepsBeyond) {
    return engine_failed("the model calls tools without end",
                         {Errc::limit, fmt::format("{} rounds of tools in one turn", steps_)});
  }
  due_[kFiller] = port_.clock_ms() + agent_.filler_after.count();
  std::vector<const speech::ToolCall*> outside;
  for (const auto& call : calls) {
    if (running_.contains(call.id)) continue;
    log_.info("the model calls {}", call.name);
    if (steps_ >= agent_.max_tool_steps) {
      history_.tool_result(call.id, tool_error("no more tools in this turn: speak to the caller"));
      continue;
    }
    if (const auto result = run_builtin(call)) {
      history_.tool_result(call.id, *result);
    } else {
      running_[call.id] = call.name;
      if (!collecting_ || collecting_->call_id != call.id) outside.push_back(&call);
    }
  }
  for (const auto* call : outside) engines_.tools->run(next_request_, *call);
  if (collecting_) mouth_.end();
  if (collecting_ && !mouth_.speaking()) agent_heard();
  if (running_.empty()) next_step();
}

std::optional<std::string> OpenConversation::run_builtin(const speech::ToolCall& call) {
  auto result = run_builtin_tool(agent_, call, static_cast<bool>(engines_.transfer));
  if (!result) return std::nullopt;
  if (result->collect) {
    if (collecting_) return tool_error(kCollectingAlready);
    collecting_ = Collecting{call.id, {1, static_cast<int>(*result->collect)}};
    return std::nullopt;
  }
  if (result->closing) closing_ = std::move(result->closing);
  report_.answers.merge(result->answers);
  return std::move(result->content);
}

void OpenConversation::on(speech::ToolResult& news) {
  const auto found = running_.find(news.call_id);
  if (found == running_.end()) return;
  if (!news.ok) log_.warn("the tool {} failed: {}", found->second, news.content);
  history_.tool_result(news.call_id, news.content);
  running_.erase(found);
  if (running_.empty()) next_step();
}

void OpenConversation::take_digits() {
  const auto digits = collecting_->keys.take();
  history_.tool_result(collecting_->call_id, json::dump(Json{{"digits", digits}}));
  running_.erase(collecting_->call_id);
  collecting_.reset();
  due_[kKeys].reset();
}

void OpenConversation::end_collecting() {
  break_off();
  take_digits();
  if (running_.empty()) next_step();
}

/// All tools have answered: the model goes on, or the call ends.
void OpenConversation::next_step() {
  if (closing_) {
    thinking_ = false;
    due_[kFiller].reset();
    mouth_.end();
    return agent_heard();
  }
  ++steps_;
  ask();
  commit();
}

void OpenConversation::say_alone(const std::string& text, bool interruptible,
                                 std::string_view state) {
  if (text.empty()) return agent_heard();
  if (!mouth_.is_open()) {
    said_.clear();
    mouth_.open(interruptible, state);
  }
  const auto begin = mouth_.text().size();
  for (auto sentences = SentenceStream(); const auto& sentence : sentences.push(text + "\n"))
    mouth_.add(sentence);
  said_.push_back({history_.agent_said(text), begin, mouth_.text().size()});
  mouth_.end();
}

/// No answer is due any more, and nothing that was begun for one goes on.
void OpenConversation::stop_work() {
  question_.reset();
  for (const auto& [id, name] : running_) engines_.tools->cancel(id);
  running_.clear();
  collecting_.reset();
  thinking_ = false;
  due_[kFiller].reset();
  due_[kKeys].reset();
}

/// Never dead air: the agent says that it did not work, and after several times ends the call.
void OpenConversation::engine_failed(const char* what, const Error& error) {
  ++failures_;
  log_.warn("{} ({} in a row): {}", what, failures_, error.to_string());
  const bool said_something = question_ && !question_->text.empty();
  if (said_something) {
    said_.push_back(
        {history_.agent_said(question_->text), question_->text_begin, mouth_.text().size()});
  }
  stop_work();
  const bool give_up = failures_ >= agent_.max_failures;
  if (said_something && !give_up) return mouth_.end();  // the callee has something to answer to
  if (give_up) closing_ = Closing{"engine_failed", {}, "failed"};
  say_alone(give_up ? agent_.give_up : agent_.fallback, !give_up, "fallback");
}

}  // namespace call::flow
