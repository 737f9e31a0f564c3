#include "core/store/events.hpp"

#include <algorithm>
#include <cctype>

#include "core/base/crash_point.hpp"
#include "core/crypto/hash.hpp"
#include "core/log/log.hpp"
#include "core/store/attempt.hpp"
#include "core/store/db.hpp"
#include "core/store/outbox_rows.hpp"

namespace call::store {
namespace {

/// Forged requests are stopped by the signature; this keeps odd ones out of job arguments and
/// indexes.
bool is_plain(std::string_view text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(),
                                          [](unsigned char c) { return std::isalnum(c) != 0; });
}

std::string dedup_key(const Event& event) {
  std::string all(to_string(event.kind));
  const auto add = [&](std::string_view part) {
    all += '\n';
    all += part;
  };
  add(event.token);
  add(event.call_sid);
  add(event.status ? to_string(*event.status) : "");
  add(event.sequence ? std::to_string(*event.sequence) : "");
  if (event.dedup_key.empty()) {
    add(event.answered_by);
    add(event.params_json);
  } else {
    add(event.dedup_key);
  }
  return crypto::sha256_hex(all);
}

/// What a later report or a look at the carrier's books says anyway: a PostgreSQL that dies may forget it.
bool is_passing(const Event& event, const std::optional<AttemptRow>& attempt) {
  return event.status && rank(*event.status) < rank(CallStatus::in_progress) && attempt &&
         attempt->state == AttemptState::placed && attempt->call_sid == event.call_sid;
}

/// When it arrived; nullopt: an event like this is stored already.
std::optional<WallTime> insert_event(Txn& txn, const Event& event,
                                     const std::optional<AttemptRow>& attempt) {
  std::optional<std::string> attempt_id;
  std::optional<std::int64_t> tenant_id;
  if (attempt) {
    attempt_id = attempt->id;
    tenant_id = attempt->tenant_id;
  }
  const auto row = query_row(
      txn,
      "INSERT INTO call_events (tenant_id, attempt_id, dedup, kind, token, call_sid, call_status, "
      "sequence, answered_by, duration_s, error_code, error_message, occurred_at, params) VALUES "
      "($1, $2::uuid, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, coalesce($13::timestamptz, "
      "now()), $14::jsonb) ON CONFLICT (dedup) DO NOTHING RETURNING unix_us(received_at) AS "
      "received_at, CASE WHEN $15 THEN set_config('synchronous_commit', 'off', true) END",
      {tenant_id, attempt_id, dedup_key(event), event.kind, event.token, event.call_sid,
       event.status, event.sequence, event.answered_by, event.duration_s, event.error_code,
       event.error_message, event.occurred_at, event.params_json, is_passing(event, attempt)});
  return row ? std::optional(time(*row, "received_at")) : std::nullopt;
}

void add_job(EventEffect& effect, std::optional<OutboxJob> job) {
  if (job) effect.jobs.push_back(*std::move(job));
}

/// The carrier's times are whole seconds. An event that arrives within its own second says more about
/// when it happened by its arrival.
WallTime happened_at(const Event& event, WallTime arrival) {
  const auto stamp = event.occurred_at.value_or(arrival);
  const bool within = arrival >= stamp && arrival < stamp + std::chrono::seconds(1);
  return within ? arrival : stamp;
}

CallFacts facts_of(const Event& event, WallTime arrival) {
  return {event.status,     event.sequence,      event.answered_by,          event.duration_s,
          event.error_code, event.error_message, happened_at(event, arrival)};
}

/// The event's attempt. Most often it has the event's SID already; then there is nothing to bind, and no
/// need to keep others from binding.
std::optional<AttemptRow> find(Txn& txn, const Event& event) {
  auto attempt = lock_attempt_of_call(txn, event.token, event.call_sid);
  if (attempt) return attempt;
  if (!event.call_sid.empty()) lock_sid(txn, event.call_sid);
  if (!event.token.empty()) attempt = lock_attempt_by_token(txn, event.token);
  if (!attempt && !event.call_sid.empty()) attempt = lock_attempt_by_sid(txn, event.call_sid);
  return attempt;
}

/// A call that goes on as before, as when it begins to ring, moves no entry.
bool moves_entry(const AttemptRow& before, const AttemptRow& now) {
  const auto answered = [](const AttemptRow& attempt) {
    return attempt.status == CallStatus::in_progress;
  };
  return before.state != AttemptState::placed || now.state != AttemptState::placed ||
         answered(before) != answered(now);
}

void apply_to_attempt(Txn& txn, const Event& event, WallTime arrival, AttemptRow& attempt,
                      EventEffect& effect) {
  const AttemptRow before = attempt;
  bind_sid(txn, attempt, event.call_sid);
  merge(attempt, facts_of(event, arrival));
  if (attempt != before) save(txn, attempt);
  EntryStand stand{
      attempt.status == CallStatus::in_progress ? EntryState::in_call : EntryState::dialing,
      std::nullopt, false};
  if (moves_entry(before, attempt)) stand = follow_attempt(txn, attempt);
  effect.changed = attempt != before || stand.changed;
  effect.attempt_ended =
      attempt.state == AttemptState::ended && before.state != AttemptState::ended;
  effect.entry_state = stand.state;
  effect.outcome = stand.outcome;
  add_job(effect, end_machine_call(txn, attempt));
}

Result<EventEffect> apply(Txn& txn, const Event& event) {
  auto attempt = find(txn, event);
  EventEffect effect;
  const auto arrival = insert_event(txn, event, attempt);
  effect.duplicate = !arrival;
  if (!attempt) return effect;
  effect.matched = true;
  effect.tenant_id = attempt->tenant_id;
  effect.list_id = attempt->list_id;
  effect.entry_id = attempt->entry_id;
  effect.attempt_id = attempt->id;
  effect.second_call =
      !event.call_sid.empty() && !attempt->call_sid.empty() && event.call_sid != attempt->call_sid;
  if (effect.duplicate) return effect;
  if (effect.second_call) {
    const bool over = event.status && is_final(*event.status);
    if (!over) {
      add_job(effect, insert_end_call_job(txn, attempt->tenant_id, attempt->id, event.call_sid));
    }
    return effect;
  }
  apply_to_attempt(txn, event, *arrival, *attempt, effect);
  CALL_CRASH_POINT("webhook.committing");
  return effect;
}

constexpr const char* kContext =
    "SELECT a.id, a.token, a.call_sid, a.state, a.list_id, a.entry_id, t.name AS tenant, l.agent, "
    "a.answered_by, l.on_machine, e.name, e.variables::text AS variables FROM attempts a JOIN "
    "lists l ON l.id = a.list_id JOIN "
    "entries e ON e.id = a.entry_id JOIN tenants t ON t.id = a.tenant_id WHERE ";

Result<CallContext> call_context(Connection& connection, const char* condition,
                                 std::string_view value) {
  const auto body = [&](Txn& txn) -> Result<CallContext> {
    const auto row = query_row(txn, std::string(kContext) + condition, {value});
    if (!row) return Error{Errc::not_found, "there is no such attempt"};
    CallContext out;
    out.attempt_id = text(*row, "id");
    out.token = text(*row, "token");
    out.call_sid = text(*row, "call_sid");
    out.state = known(parse_attempt_state(text(*row, "state")));
    out.list_id = number(*row, "list_id");
    out.entry_id = number(*row, "entry_id");
    out.tenant = text(*row, "tenant");
    out.agent = text(*row, "agent");
    out.name = text(*row, "name");
    out.variables_json = text(*row, "variables");
    out.end_machine = is_machine(text(*row, "answered_by")) &&
                      text(*row, "on_machine") == to_string(OnMachine::hang_up);
    return out;
  };
  return in_transaction(connection, kSystem, "cannot read the call", body);
}

}  // namespace

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::status:
      return "status";
    case EventKind::amd:
      return "amd";
    case EventKind::answer:
      return "answer";
    case EventKind::stream:
      return "stream";
    case EventKind::stream_ended:
      return "stream_ended";
    case EventKind::fetched:
      return "fetched";
  }
  return "";
}

Result<EventEffect> apply_event(Connection& connection, const Event& event) {
  if (!is_plain(event.call_sid) || !is_plain(event.token)) {
    return Error{Errc::invalid_argument, "the event's call SID or token is malformed"};
  }
  auto effect = in_transaction(connection, kSystem, "cannot apply the event",
                               [&](Txn& txn) { return apply(txn, event); });
  if (!effect) return effect;
  const auto log = log::Logger("store").with("sid", event.call_sid);
  if (!effect->matched) {
    log.warn("{} event of an unknown call: kept until its call is known", to_string(event.kind));
  } else if (effect->second_call) {
    log.error("attempt {} has a second call: ending it", effect->attempt_id);
  } else {
    log.debug("{} event {}: entry {} is {}", to_string(event.kind),
              event.status ? to_string(*event.status) : "-", effect->entry_id,
              to_string(effect->entry_state));
  }
  return effect;
}

Result<CallContext> call_by_token(Connection& connection, std::string_view token) {
  return call_context(connection, "a.token = $1", token);
}

Result<CallContext> call_by_attempt(Connection& connection, std::string_view attempt_id) {
  if (!is_uuid(attempt_id)) return Error{Errc::not_found, "there is no such attempt"};
  return call_context(connection, "a.id = $1::uuid", attempt_id);
}

}  // namespace call::store
