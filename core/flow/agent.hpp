// An agent: a scripted dialogue as data, read from a TOML file. Pure. The whole format by example
// is agents/survey.toml; in short:
//
//   voice = "slt"                      # optional
//   start = "greeting"                 # the first state
//   give_up = "silent"                 # the state after too many reprompts
//   [intents]                          # what callees say: templates of core/speech/phrases.hpp;
//   stop = ["stop calling me"]         # "yes", "no" and "number" are built in
//   [states.greeting]
//   say = "Hello {first_name|there}."  # {variable|what to say when it cannot be pronounced}
//   expect = "yes_no"                  # nothing | yes_no | number | digits | choice
//   yes = "rating"                     # where each answer leads
//   no = "later"
//   on = { stop = "removed" }          # further intents
//   slot = "good_time"                 # where the answer is kept
//   [listener]                         # optional: another recogniser than the built-in one
//   provider = "libvosk"               # with model and extra.library, as in docs/agents.md
//   [turns]                            # how it takes turns: docs/turn-taking.md
//   [voicemail]                        # what it does when a machine answers: there as well
//
// Keys of the telephone answer too: 1 is yes, 2 is no, and a digit is a number. "digits" are several
// keys, ended by # or by `most` of them; * begins anew, # alone is the intent "skip".
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/flow/turn_policy.hpp"
#include "core/speech/phrases.hpp"
#include "core/speech/vosk.hpp"

namespace call::flow {

enum class Expect { nothing, yes_no, number, digits, choice };

struct AgentState {
  std::string name;
  std::string say;
  Expect expect = Expect::nothing;
  int least = 0;  ///< of a number; of digits: how many
  int most = 9;
  std::string slot;                       ///< empty: the answer is not kept
  std::map<std::string, std::string> on;  ///< intent -> state; yes and no are here as well
  std::string next;                       ///< behind nothing and behind a number
  std::string no_match;                   ///< said when the answer was not understood
  std::string silence;                    ///< said when there was none
  std::chrono::milliseconds silence_after{6000};
  std::chrono::milliseconds end_after{700};  ///< silence that ends the callee's turn
  bool interruptible = true;
  bool hang_up = false;  ///< the call ends when this has been heard
  std::string outcome;   ///< the record's outcome from here on; empty: as before
};

/// The numbers of a state that say when it is over.
std::span<const NumberKey<AgentState>> state_keys();

struct Agent {
  std::string name;
  std::string voice;    ///< empty: the configured one
  std::string start;    ///< state
  std::string give_up;  ///< state after too many reprompts
  int reprompts = 2;    ///< of one state, before it gives up
  TurnPolicy turns;
  std::optional<speech::VoskOptions> neural;  ///< who listens; none: PocketSphinx with the phrases
  speech::PhraseBook phrases;
  std::map<std::string, AgentState> states;
};

/// Errc::invalid_argument: "file:line: what is wrong", with the key's path. `source` names the
/// file.
Result<Agent> parse_agent(std::string_view toml, std::string_view name, std::string_view source);

}  // namespace call::flow
