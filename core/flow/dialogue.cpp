#include "core/flow/dialogue.hpp"

#include <vector>

#include "core/flow/builtin_phrases.hpp"

namespace call::flow {
namespace {

std::string join_words(std::string before, const std::string& text) {
  if (!before.empty() && !text.empty()) before += ' ';
  return before + text;
}

}  // namespace

Dialogue::Dialogue(const Agent& agent, const speech::IntentMatcher& matcher, Variables variables)
    : agent_(agent),
      matcher_(matcher),
      variables_(std::move(variables)),
      state_(&agent.states.at(agent.start)) {}

Reply Dialogue::begin() {
  return enter(agent_.start);
}

/// Says everything up to the next state that waits for an answer or ends the call.
Reply Dialogue::enter(const std::string& name, std::string before) {
  reprompts_ = 0;
  state_ = &agent_.states.at(name);
  std::string text = join_words(std::move(before), render(state_->say, variables_));
  if (!state_->outcome.empty()) outcome_ = state_->outcome;
  while (!awaits_answer() && !state_->hang_up) {
    state_ = &agent_.states.at(state_->next);
    if (!state_->outcome.empty()) outcome_ = state_->outcome;
    text = join_words(std::move(text), render(state_->say, variables_));
  }
  return {std::move(text), state_->name, state_->interruptible, state_->hang_up};
}

std::optional<Understood> Dialogue::understand(std::string_view words) const {
  if (!awaits_answer() || words.empty()) return std::nullopt;
  std::vector<std::string> among;
  if (state_->expect == Expect::number) among.emplace_back(kNumber);
  for (const auto& [intent, target] : state_->on) among.push_back(intent);
  const auto match = matcher_.match(words, among);
  if (!match) return std::nullopt;
  if (match->intent != kNumber || state_->expect != Expect::number)
    return Understood{match->intent, match->intent};
  const auto said = match->slots.find(std::string(kNumber));
  if (said == match->slots.end()) return std::nullopt;
  const auto number = speech::number_of(said->second);
  if (!number || *number < state_->least || *number > state_->most) return std::nullopt;
  return Understood{match->intent, std::to_string(*number)};
}

std::optional<Understood> Dialogue::understand_key(char key) const {
  if (state_->expect == Expect::yes_no && (key == '1' || key == '2')) {
    const std::string intent(key == '1' ? kYes : kNo);
    return Understood{intent, intent};
  }
  const int digit = key - '0';
  if (state_->expect == Expect::number && digit >= 0 && digit <= 9 && digit >= state_->least &&
      digit <= state_->most) {
    return Understood{std::string(kNumber), std::to_string(digit)};
  }
  return std::nullopt;
}

std::optional<Understood> Dialogue::skip() const {
  const std::string intent(kSkip);
  return state_->on.contains(intent) ? std::optional(Understood{intent, intent}) : std::nullopt;
}

Reply Dialogue::last_words(const std::string& text) const {
  return {render(text, variables_), state_->name, false, true};
}

Reply Dialogue::accept(const Understood& answer) {
  const auto target = state_->on.find(answer.intent);
  const bool by_intent = target != state_->on.end();
  // Where a further intent leads away, the question itself has not been answered.
  const bool answered = !by_intent || answer.intent == kYes || answer.intent == kNo ||
                        state_->expect == Expect::choice;
  if (answered && !state_->slot.empty()) {
    answers_[state_->slot] = answer.value;
    variables_[state_->slot] = answer.value;
  }
  return enter(by_intent ? target->second : state_->next);
}

Reply Dialogue::reprompt(const std::string& words) {
  if (++reprompts_ > agent_.reprompts) return enter(agent_.give_up);
  return {join_words(render(words, variables_), render(state_->say, variables_)), state_->name,
          state_->interruptible, false};
}

Reply Dialogue::no_match() {
  return reprompt(state_->no_match);
}
Reply Dialogue::silence() {
  return reprompt(state_->silence);
}

}  // namespace call::flow
