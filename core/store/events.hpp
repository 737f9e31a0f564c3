// What the carrier says about a call, in whatever order it arrives: stored as received, once, and
// applied.
//
// Order does not matter: a status only ever rises in rank (types.hpp), and of two with the same
// rank the first stays (a call has one end), so every permutation of a call's events, with any of
// them repeated, ends in the same row. An event is matched by its token, else by its call SID; one
// that matches nothing is kept and applied when settle_placed() or another event binds its SID.
// System-wide: webhooks come before any tenant is known.
//
// A busy API applies events together (event_writer.hpp): a transaction for all of them costs hardly
// more than one for each.
//
// How a call's end becomes an entry's outcome:
//   completed, machine verdict          machine
//   completed                           completed
//   busy | no-answer | failed           busy | no_answer | failed
//   canceled                            cancelled if the list is, else no_answer
// busy, no_answer and failed are tried again (retry_wait) while attempts are left and the list is
// not cancelled.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"
#include "core/store/outbox.hpp"
#include "core/store/types.hpp"

namespace call::store {

enum class EventKind {
  status,        ///< StatusCallback
  amd,           ///< AsyncAmdStatusCallback
  answer,        ///< TwiML was fetched
  stream,        ///< the stream's statusCallback
  stream_ended,  ///< the action of <Connect>
  fetched,       ///< not a webhook: what a REST read of the call said
};
std::string_view to_string(EventKind kind);

struct Event {
  EventKind kind = EventKind::status;
  std::string token;     ///< from the address; empty if none
  std::string call_sid;  ///< empty if none
  std::optional<CallStatus> status;
  std::optional<std::int64_t> sequence;
  /// Twilio's AnsweredBy: human, machine_start, machine_end_beep, fax, unknown ...
  std::string answered_by;
  std::optional<std::int64_t> duration_s;
  std::string error_code;
  std::string error_message;
  std::optional<WallTime> occurred_at;  ///< the carrier's Timestamp; none: the time of arrival
  std::string params_json = "{}";       ///< all parameters as received
  std::string dedup_key;  ///< I-Twilio-Idempotency-Token; empty: a digest of the fields above
};

struct EventEffect {
  bool duplicate = false;      ///< seen before: nothing happened
  bool matched = false;        ///< belongs to a known attempt
  bool changed = false;        ///< the attempt or its entry changed
  bool attempt_ended = false;  ///< by this event
  bool second_call = false;    ///< the token is bound to another SID: this call must not exist
  std::int64_t tenant_id = 0;
  std::int64_t list_id = 0;
  std::int64_t entry_id = 0;
  std::string attempt_id;
  EntryState entry_state = EntryState::pending;
  std::optional<Outcome> outcome;  ///< once the entry is done
  /// Committed with the event, to be pushed now: end_call after a machine verdict or for a second
  /// call.
  std::vector<OutboxJob> jobs;
};

Result<EventEffect> apply_event(Connection& connection, const Event& event);
/// The same for several, one result each, in their order. Those of calls that are known share one
/// transaction; an event that PostgreSQL refuses harms no other.
std::vector<Result<EventEffect>> apply_events(Connection& connection,
                                              const std::vector<const Event*>& events);

/// What a webhook needs to answer a call: its attempt's data. Errc::not_found for an unknown token.
struct CallContext {
  std::string attempt_id;
  std::string token;
  std::string call_sid;
  AttemptState state = AttemptState::intent;
  std::int64_t list_id = 0;
  std::int64_t entry_id = 0;
  std::string tenant;
  std::string agent;
  std::string name;
  std::string variables_json;
  bool end_machine = false;  ///< a machine answered, and the list does not talk to machines
};
Result<CallContext> call_by_token(Connection& connection, std::string_view token);
/// The same by attempt UUID, for calld.end_call.
Result<CallContext> call_by_attempt(Connection& connection, std::string_view attempt_id);

}  // namespace call::store
