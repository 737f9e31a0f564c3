#include "core/store/events.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/crash_point.hpp"
#include "core/crypto/hash.hpp"
#include "core/json/json.hpp"
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

bool is_plain(const Event& event) {
  return is_plain(event.call_sid) && is_plain(event.token);
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

/// An event on its way, and what comes of it.
struct Told {
  const Event* event = nullptr;
  std::size_t place = 0;                              // among those that came together
  std::optional<std::size_t> attempt = std::nullopt;  // in Batch::attempts; none: nobody's yet
  EventEffect effect = {};
};

struct Batch {
  std::vector<AttemptRow> attempts;  // locked
  std::vector<Told> told;
};

/// What a later report or a look at the carrier's books says anyway: a PostgreSQL that dies may forget it.
bool is_passing(const Batch& batch, const Told& told) {
  const auto& event = *told.event;
  if (!event.status || rank(*event.status) >= rank(CallStatus::in_progress) || !told.attempt)
    return false;
  const auto& attempt = batch.attempts[*told.attempt];
  return attempt.state == AttemptState::placed && attempt.call_sid == event.call_sid;
}

Json to_row(const Event& event, const std::string& dedup, const AttemptRow* attempt) {
  Json out{{"dedup", dedup},
           {"kind", to_string(event.kind)},
           {"token", event.token},
           {"call_sid", event.call_sid},
           {"answered_by", event.answered_by},
           {"error_code", event.error_code},
           {"error_message", event.error_message},
           {"params", event.params_json}};
  if (attempt != nullptr) {
    out["tenant_id"] = attempt->tenant_id;
    out["attempt_id"] = attempt->id;
  }
  if (event.status) out["call_status"] = to_string(*event.status);
  if (event.sequence) out["sequence"] = *event.sequence;
  if (event.duration_s) out["duration_s"] = *event.duration_s;
  if (event.occurred_at) out["occurred_at"] = to_rfc3339(*event.occurred_at, 6);
  return out;
}

/// When each arrived; nullopt: an event like this is stored already.
std::vector<std::optional<WallTime>> insert_events(Txn& txn, const Batch& batch) {
  std::vector<std::string> keys;
  Json rows = Json::array();
  bool passing = true;
  for (const auto& told : batch.told) {
    keys.push_back(dedup_key(*told.event));
    rows.push_back(
        to_row(*told.event, keys.back(), told.attempt ? &batch.attempts[*told.attempt] : nullptr));
    passing = passing && is_passing(batch, told);
  }
  std::map<std::string, WallTime, std::less<>> stored;
  for (const auto& row : query(
           txn,
           "INSERT INTO call_events (tenant_id, attempt_id, dedup, kind, token, call_sid, "
           "call_status, sequence, answered_by, duration_s, error_code, error_message, "
           "occurred_at, params) SELECT tenant_id, attempt_id, dedup, kind, token, call_sid, "
           "call_status, sequence, answered_by, duration_s, error_code, error_message, "
           "coalesce(occurred_at, now()), params::jsonb FROM jsonb_to_recordset($1::jsonb) AS "
           "n(tenant_id bigint, attempt_id uuid, dedup text, kind text, token text, call_sid text, "
           "call_status text, sequence bigint, answered_by text, duration_s bigint, error_code "
           "text, error_message text, occurred_at timestamptz, params text) ON CONFLICT (dedup) DO "
           "NOTHING RETURNING dedup, unix_us(received_at) AS received_at, CASE WHEN $2 THEN "
           "set_config('synchronous_commit', 'off', true) END",
           {json::dump(rows), passing})) {
    stored.emplace(text(row, "dedup"), time(row, "received_at"));
  }
  std::vector<std::optional<WallTime>> out;
  for (const auto& key : keys) {
    const auto found = stored.find(key);
    out.push_back(found == stored.end() ? std::nullopt : std::optional(found->second));
    if (found != stored.end()) stored.erase(found);  // the same twice at once: one is the first
  }
  return out;
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

/// A call that goes on as before, as when it begins to ring, moves no entry.
bool moves_entry(const AttemptRow& before, const AttemptRow& now) {
  const auto answered = [](const AttemptRow& attempt) {
    return attempt.status == CallStatus::in_progress;
  };
  return before.state != AttemptState::placed || now.state != AttemptState::placed ||
         answered(before) != answered(now);
}

/// Stores what the event says in its attempt, in memory. False if there is nothing to apply.
bool tell(Txn& txn, Told& told, AttemptRow& attempt, std::optional<WallTime> arrival) {
  const auto& event = *told.event;
  auto& effect = told.effect;
  effect.matched = true;
  effect.tenant_id = attempt.tenant_id;
  effect.list_id = attempt.list_id;
  effect.entry_id = attempt.entry_id;
  effect.attempt_id = attempt.id;
  effect.second_call =
      !event.call_sid.empty() && !attempt.call_sid.empty() && event.call_sid != attempt.call_sid;
  if (effect.duplicate) return false;
  if (effect.second_call) {
    const bool over = event.status && is_final(*event.status);
    if (!over)
      add_job(effect, insert_end_call_job(txn, attempt.tenant_id, attempt.id, event.call_sid));
    return false;
  }
  const AttemptRow before = attempt;
  bind_sid(txn, attempt, event.call_sid);
  merge(attempt, facts_of(event, *arrival));
  effect.changed = attempt != before;
  effect.attempt_ended =
      attempt.state == AttemptState::ended && before.state != AttemptState::ended;
  return true;
}

/// Writes what changed of the attempts, and moves their entries. Where these stand now, by attempt.
std::vector<EntryStand> settle(Txn& txn, const std::vector<AttemptRow>& before,
                               std::vector<AttemptRow>& attempts) {
  std::vector<EntryStand> out;
  std::vector<const AttemptRow*> changed;
  std::vector<AttemptRow*> moving;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    auto& attempt = attempts[i];
    out.push_back(
        {attempt.status == CallStatus::in_progress ? EntryState::in_call : EntryState::dialing,
         std::nullopt, false});
    if (attempt != before[i]) changed.push_back(&attempt);
    if (!moves_entry(before[i], attempt)) continue;
    moving.push_back(&attempt);
    places.push_back(i);
  }
  save(txn, changed);
  const auto stands = follow_attempts(txn, moving);
  for (std::size_t i = 0; i < places.size(); ++i) out[places[i]] = stands[i];
  return out;
}

void apply(Txn& txn, Batch& batch) {
  const auto before = batch.attempts;
  const auto arrivals = insert_events(txn, batch);
  std::vector<Told*> applied;
  for (std::size_t i = 0; i < batch.told.size(); ++i) {
    auto& told = batch.told[i];
    told.effect.duplicate = !arrivals[i];
    if (told.attempt && tell(txn, told, batch.attempts[*told.attempt], arrivals[i]))
      applied.push_back(&told);
  }
  const auto stands = settle(txn, before, batch.attempts);
  for (auto* told : applied) {
    const auto& attempt = batch.attempts[*told->attempt];
    const auto& stand = stands[*told->attempt];
    told->effect.changed = told->effect.changed || stand.changed;
    told->effect.entry_state = stand.state;
    told->effect.outcome = stand.outcome;
    add_job(told->effect, end_machine_call(txn, attempt));
    CALL_CRASH_POINT("webhook.committing", attempt.to_number);
  }
}

/// The events whose attempts have their SIDs already, as most have: nothing is to be bound, and there
/// is no need to keep others from binding.
Batch find_known(Txn& txn, const std::vector<const Event*>& events) {
  std::vector<std::string> tokens;
  std::vector<std::string> sids;
  for (const auto* event : events) {
    if (event->token.empty() || event->call_sid.empty() || !is_plain(*event)) continue;
    tokens.push_back(event->token);
    sids.push_back(event->call_sid);
  }
  Batch out;
  if (tokens.empty()) return out;
  out.attempts = lock_attempts_of_calls(txn, tokens, sids);
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto own = std::find_if(out.attempts.begin(), out.attempts.end(), [&](const auto& row) {
      return row.token == events[i]->token && row.call_sid == events[i]->call_sid;
    });
    if (own == out.attempts.end()) continue;
    out.told.push_back({events[i], i, static_cast<std::size_t>(own - out.attempts.begin())});
  }
  return out;
}

/// What is known of an event's call while nobody can bind its SID.
Batch find_alone(Txn& txn, const Event& event) {
  if (!event.call_sid.empty()) lock_sid(txn, event.call_sid);
  std::optional<AttemptRow> attempt;
  if (!event.token.empty()) attempt = lock_attempt_by_token(txn, event.token);
  if (!attempt && !event.call_sid.empty()) attempt = lock_attempt_by_sid(txn, event.call_sid);
  Batch out;
  out.told.push_back({&event});
  if (!attempt) return out;
  out.attempts.push_back(*std::move(attempt));
  out.told.front().attempt = 0;
  return out;
}

using Finder = std::function<Batch(Txn&)>;

Result<std::vector<Told>> apply_found(Connection& connection, const Finder& find) {
  return in_transaction(connection, kSystem, "cannot apply the event",
                        [&](Txn& txn) -> Result<std::vector<Told>> {
                          auto batch = find(txn);
                          if (!batch.told.empty()) apply(txn, batch);
                          return std::move(batch.told);
                        });
}

Result<EventEffect> apply_alone(Connection& connection, const Event& event) {
  if (!is_plain(event))
    return Error{Errc::invalid_argument, "the event's call SID or token is malformed"};
  CALL_TRY(auto told, apply_found(connection, [&](Txn& txn) { return find_alone(txn, event); }));
  return std::move(told.front().effect);
}

void note(const Event& event, const EventEffect& effect) {
  const auto log = log::Logger("store").with("sid", event.call_sid);
  if (!effect.matched) {
    log.warn("{} event of an unknown call: kept until its call is known", to_string(event.kind));
  } else if (effect.second_call) {
    log.error("attempt {} has a second call: ending it", effect.attempt_id);
  } else {
    log.debug("{} event {}: entry {} is {}", to_string(event.kind),
              event.status ? to_string(*event.status) : "-", effect.entry_id,
              to_string(effect.entry_state));
  }
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

std::vector<Result<EventEffect>> apply_events(Connection& connection,
                                              const std::vector<const Event*>& events) {
  auto known = apply_found(connection, [&](Txn& txn) { return find_known(txn, events); });
  // Where PostgreSQL is not there, asking again for each would only take longer.
  const bool away =
      !known && (known.error().code == Errc::unavailable || known.error().code == Errc::timeout);
  if (away) return std::vector(events.size(), Result<EventEffect>(known.error()));
  std::vector<std::optional<Result<EventEffect>>> results(events.size());
  if (known) {
    for (auto& told : *known) results[told.place] = std::move(told.effect);
  }
  std::vector<Result<EventEffect>> out;
  for (std::size_t i = 0; i < events.size(); ++i) {
    out.push_back(results[i] ? *std::move(results[i]) : apply_alone(connection, *events[i]));
    if (out.back()) note(*events[i], *out.back());
  }
  return out;
}

Result<EventEffect> apply_event(Connection& connection, const Event& event) {
  return std::move(apply_events(connection, {&event}).front());
}

Result<CallContext> call_by_token(Connection& connection, std::string_view token) {
  return call_context(connection, "a.token = $1", token);
}

Result<CallContext> call_by_attempt(Connection& connection, std::string_view attempt_id) {
  if (!is_uuid(attempt_id)) return Error{Errc::not_found, "there is no such attempt"};
  return call_context(connection, "a.id = $1::uuid", attempt_id);
}

}  // namespace call::store
