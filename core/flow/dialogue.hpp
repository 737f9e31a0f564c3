// The conversation as a state machine over an agent's states: what was understood goes in, what to
// say next comes out. Pure: no audio, no clock, no thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/flow/agent.hpp"
#include "core/flow/render.hpp"
#include "core/speech/intent.hpp"

namespace call::flow {

/// What the agent says next.
struct Reply {
  std::string text;
  std::string state;  ///< where the dialogue stands now
  bool interruptible = true;
  bool hang_up = false;  ///< when it has been heard
};

/// An answer as the dialogue takes it.
struct Understood {
  std::string intent;
  std::string value;  ///< of a number its figures, else the intent
};

class Dialogue {
 public:
  /// Agent and matcher must outlive the dialogue; the matcher is of the agent's phrases.
  Dialogue(const Agent& agent, const speech::IntentMatcher& matcher, Variables variables);

  Reply begin();
  /// What the words mean as an answer to the present question; nullopt: nothing that was expected.
  std::optional<Understood> understand(std::string_view words) const;
  std::optional<Understood> understand_key(char key) const;
  /// The answer of a callee that pressed # alone: the intent "skip", where it leads anywhere.
  std::optional<Understood> skip() const;
  Reply accept(const Understood& answer);
  Reply no_match();
  Reply silence();
  /// A text outside of the dialogue, behind which the agent hangs up.
  Reply last_words(const std::string& text) const;

  bool awaits_answer() const { return state_->expect != Expect::nothing; }
  const AgentState& state() const { return *state_; }
  const std::map<std::string, std::string>& answers() const { return answers_; }
  /// The last outcome that a state named; "incomplete" before any did.
  const std::string& outcome() const { return outcome_; }

 private:
  Reply enter(const std::string& name, std::string before = {});
  Reply reprompt(const std::string& words);

  const Agent& agent_;
  const speech::IntentMatcher& matcher_;
  Variables variables_;
  const AgentState* state_;
  int reprompts_ = 0;
  std::map<std::string, std::string> answers_;
  std::string outcome_ = "incomplete";
};

}  // namespace call::flow
