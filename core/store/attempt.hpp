// What happens to an attempt and its entry, whoever says so: a webhook, the driver, reconciliation,
// clean-up. Internal to this module; every function runs inside its caller's transaction.
//
// Rows are locked in one order everywhere, so that nothing deadlocks for long: advisory lock of the
// call SID, list_drivers, attempts, lists, entries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/store/db.hpp"
#include "core/store/outbox.hpp"
#include "core/store/types.hpp"

namespace call::store {

/// An attempt, its row locked.
struct AttemptRow {
  std::string id;
  std::int64_t tenant_id = 0;
  std::int64_t list_id = 0;
  std::int64_t entry_id = 0;
  int n = 0;
  AttemptState state = AttemptState::intent;
  std::int64_t epoch = 0;
  std::string token;
  std::string to_number;
  std::string call_sid;
  std::optional<CallStatus> status;
  std::optional<std::int64_t> status_sequence;
  std::string answered_by;
  std::string error_code;
  std::string error_message;
  std::optional<std::int64_t> duration_s;
  std::optional<WallTime> answered_at;
  std::optional<WallTime> ended_at;
  bool was_open = false;  // when it was locked

  bool operator==(const AttemptRow&) const = default;
};

/// What one event says about a call.
struct CallFacts {
  std::optional<CallStatus> status;
  std::optional<std::int64_t> sequence;
  std::string answered_by;
  std::optional<std::int64_t> duration_s;
  std::string error_code;
  std::string error_message;
  WallTime occurred_at;
};

/// Where an entry stands after its attempt changed.
struct EntryStand {
  EntryState state = EntryState::pending;
  std::optional<Outcome> outcome;
  bool changed = false;
};

bool is_uuid(std::string_view text);
/// machine_* and fax.
bool is_machine(std::string_view answered_by);

std::optional<AttemptRow> lock_attempt_by_id(Txn& txn, std::string_view id);
std::optional<AttemptRow> lock_attempt_by_token(Txn& txn, std::string_view token);
std::optional<AttemptRow> lock_attempt_by_sid(Txn& txn, std::string_view call_sid);
/// Those that have one of the tokens and one of the SIDs. Both must be [A-Za-z0-9]+.
std::vector<AttemptRow> lock_attempts_of_calls(Txn& txn, const std::vector<std::string>& tokens,
                                               const std::vector<std::string>& call_sids);

/// Adds what an event says. Pure, and the order of events does not matter: the status only rises in
/// rank, times keep the earliest, texts keep the first that says something.
void merge(AttemptRow& attempt, const CallFacts& facts);
/// Held to the end of the transaction by everything that binds a SID or looks for one, so that an
/// event without a token and the binding of its SID cannot miss each other.
void lock_sid(Txn& txn, std::string_view call_sid);
/// Gives the attempt its SID, unless it has one or another attempt has this one, and merges the
/// events that came under that SID before anybody knew whose it was.
void bind_sid(Txn& txn, AttemptRow& attempt, std::string_view call_sid);
/// Writes back what merge() and the protocol changed.
void save(Txn& txn, const std::vector<const AttemptRow*>& attempts);
inline void save(Txn& txn, const AttemptRow& attempt) {
  save(txn, std::vector<const AttemptRow*>{&attempt});
}
/// Moves the entry of each to where its newest attempt says, and tells where it stands. May reopen an
/// abandoned attempt whose call turns out to be up.
std::vector<EntryStand> follow_attempts(Txn& txn, const std::vector<AttemptRow*>& attempts);

/// An answering machine is on the line of a call that is up: asks for its end, once, unless the list
/// talks to machines.
std::optional<OutboxJob> end_machine_call(Txn& txn, const AttemptRow& attempt);

/// Deletes an intent; its entry waits again, after `delay` (0: where it was in the order), or is
/// done if its list was cancelled meanwhile.
void undo_intent(Txn& txn, const AttemptRow& attempt, std::chrono::milliseconds delay);
void finish_entry(Txn& txn, std::int64_t entry_id, Outcome outcome, std::string_view reason,
                  std::string_view detail = {});
/// unknown -> abandoned, entry done/failed.
void abandon_attempt(Txn& txn, AttemptRow& attempt, std::string_view why);

/// The reason of an entry whose only attempt has no known end.
inline constexpr std::string_view kUnknownReason = "unknown";

}  // namespace call::store
