// How an agent takes turns: every constant of it, with its default and its limits. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/flow/number_key.hpp"
#include "core/media/session.hpp"

namespace call::flow {

struct TurnPolicy {
  enum class Machine { ignore, hang_up, leave_message };

  /// What the call's session needs to know. The server's own longest duration counts as well.
  media::CallTuning tuning;

  bool callee_first = false;                       ///< the agent says nothing before a hello
  std::chrono::milliseconds hello{400};            ///< so much voice is one; any understood word is
  std::chrono::milliseconds hello_patience{5000};  ///< then the agent speaks all the same

  std::int64_t min_words = 1;  ///< over the agent's voice; fewer do not stop it
  std::vector<std::string> back_channel = {"mhm", "uh huh", "aha",   "okay",
                                           "ok",  "right",  "i see", "yeah"};
  std::int64_t max_resumes = 2;  ///< of one utterance; then it cannot be interrupted
  std::chrono::milliseconds resume_overlap{400};
  std::chrono::milliseconds least_answer{
      350};  ///< sounds that are shorter and not understood are none

  std::chrono::milliseconds key_pause{3000};  ///< behind the last of several keys

  Machine machine = Machine::hang_up;
  std::string machine_farewell = "We are sorry to have disturbed you. Good bye.";
  std::string machine_message;  ///< after the beep, or after machine_patience
  std::chrono::milliseconds machine_patience{20000};
};

/// The numbers of an agent's [turns] and [voicemail].
std::span<const NumberKey<TurnPolicy>> turn_keys();

/// The policy of an agent's file.
Result<TurnPolicy> read_turn_policy(const nlohmann::json& agent, const MakeFault& fault);

/// What an agent does now that a machine has been heard. A beep is a machine's; whoever talks on and on
/// may be a person after all, and is not hung up on in silence.
struct MachineAct {
  enum class Kind {
    ignore,
    hang_up,  ///< at once
    say,      ///< `words`, then hang up
    wait,     ///< machine_patience for the beep, then as if it had come
  };
  Kind kind = Kind::ignore;
  std::string_view reason{};  ///< of hanging up; lives as long as the program
  std::string words{};
};
MachineAct on_machine(const TurnPolicy& policy, bool beep);

/// Nothing but such words, once or more ("okay okay"); letters count, case and marks do not.
bool is_back_channel(const TurnPolicy& policy, std::string_view words);
std::int64_t count_words(std::string_view text);

}  // namespace call::flow
