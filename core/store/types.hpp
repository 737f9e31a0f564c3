// The words of the schema: states, outcomes and Twilio's call statuses, with their text forms (as
// stored, as shown, as accepted by filters). Times are PostgreSQL's clock unless a field says
// otherwise.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace call::store {

/// draft -> running <-> paused -> completed | cancelled | failed
enum class ListState { draft, running, paused, completed, cancelled, failed };

/// pending -> dialing -> in_call -> (retry_wait -> dialing ...) -> done
enum class EntryState { pending, dialing, in_call, retry_wait, done };

/// What became of an entry. Set when, and only when, its state is done.
enum class Outcome { completed, busy, no_answer, failed, machine, cancelled, refused, expired };

/// One try to reach an entry. Open (the call may exist, the slot is taken): intent, sending,
/// placed, unknown.
///   intent     claimed, nothing sent            rejected   the carrier refused, no call was made
///   sending    the request may be on the wire   abandoned  no evidence came in time; a redial is
///                                                          an operator's decision
///   placed     the carrier gave a call SID      ended      the call is over
///   unknown    sent, but no answer proves or disproves the call
enum class AttemptState { intent, sending, placed, unknown, rejected, abandoned, ended };

/// Twilio's CallStatus. rank() orders them; a status never moves to a lower rank.
enum class CallStatus {
  queued,
  initiated,
  ringing,
  in_progress,
  completed,
  busy,
  no_answer,
  failed,
  canceled
};

/// Answering machine detection of a list.
///   async   the conversation begins at once, the verdict comes meanwhile
///   sync    the carrier listens first, the conversation begins with the verdict
enum class Amd { off, async, sync };
/// What a machine's verdict does. Neither ends a call in silence: a verdict can be wrong, so whoever
/// is there hears a sentence before the line goes.
enum class OnMachine { hang_up, talk };

constexpr bool is_open(AttemptState state) {
  return state <= AttemptState::unknown;
}
/// 0 queued, 1 initiated, 2 ringing, 3 in_progress, 4 every final status.
int rank(CallStatus status);
inline bool is_final(CallStatus status) {
  return rank(status) == 4;
}

std::string_view to_string(ListState state);
std::string_view to_string(EntryState state);
std::string_view to_string(Outcome outcome);
std::string_view to_string(AttemptState state);
/// Twilio's spelling: "in-progress", "no-answer".
std::string_view to_string(CallStatus status);
std::string_view to_string(Amd amd);
std::string_view to_string(OnMachine on_machine);  ///< "hang_up", "talk"

std::optional<ListState> parse_list_state(std::string_view text);
std::optional<EntryState> parse_entry_state(std::string_view text);
std::optional<Outcome> parse_outcome(std::string_view text);
std::optional<AttemptState> parse_attempt_state(std::string_view text);
std::optional<CallStatus> parse_call_status(std::string_view text);
std::optional<Amd> parse_amd(std::string_view text);
std::optional<OnMachine> parse_on_machine(std::string_view text);

}  // namespace call::store
