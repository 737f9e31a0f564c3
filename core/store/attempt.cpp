#include "core/store/attempt.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "core/json/json.hpp"
#include "core/store/outbox_rows.hpp"

namespace call::store {
namespace {

constexpr const char* kColumns =
    "id, tenant_id, list_id, entry_id, n, state, epoch, token, to_number, call_sid, call_status, "
    "status_sequence, "
    "answered_by, error_code, error_message, duration_s, unix_us(answered_at) AS answered_at, "
    "unix_us(ended_at) AS ended_at";

AttemptRow to_attempt(const Row& row) {
  AttemptRow out;
  out.id = text(row, "id");
  out.tenant_id = number(row, "tenant_id");
  out.list_id = number(row, "list_id");
  out.entry_id = number(row, "entry_id");
  out.n = static_cast<int>(number(row, "n"));
  out.state = known(parse_attempt_state(text(row, "state")));
  out.epoch = number(row, "epoch");
  out.token = text(row, "token");
  out.to_number = text(row, "to_number");
  out.call_sid = text(row, "call_sid");
  out.status = parse_call_status(text(row, "call_status"));
  out.status_sequence = optional_number(row, "status_sequence");
  out.answered_by = text(row, "answered_by");
  out.error_code = text(row, "error_code");
  out.error_message = text(row, "error_message");
  out.duration_s = optional_number(row, "duration_s");
  out.answered_at = optional_time(row, "answered_at");
  out.ended_at = optional_time(row, "ended_at");
  out.was_open = is_open(out.state);
  return out;
}

std::optional<AttemptRow> lock_attempt(Txn& txn, const char* condition,
                                       const std::vector<Value>& values) {
  const auto row = query_row(
      txn, std::string("SELECT ") + kColumns + " FROM attempts WHERE " + condition + " FOR UPDATE",
      values);
  if (!row) return std::nullopt;
  return to_attempt(*row);
}

void keep_first(std::string& kept, const std::string& said) {
  if (kept.empty()) kept = said;
}

Json to_row(const AttemptRow& attempt) {
  Json out{{"id", attempt.id},
           {"state", to_string(attempt.state)},
           {"call_sid", attempt.call_sid},
           {"answered_by", attempt.answered_by},
           {"error_code", attempt.error_code},
           {"error_message", attempt.error_message}};
  if (attempt.status) out["call_status"] = to_string(*attempt.status);
  if (attempt.status_sequence) out["status_sequence"] = *attempt.status_sequence;
  if (attempt.duration_s) out["duration_s"] = *attempt.duration_s;
  if (attempt.answered_at) out["answered_at"] = to_rfc3339(*attempt.answered_at, 6);
  if (attempt.ended_at) out["ended_at"] = to_rfc3339(*attempt.ended_at, 6);
  return out;
}

/// The events that came under this SID before the attempt had it become the attempt's.
void adopt_events(Txn& txn, AttemptRow& attempt) {
  const auto rows = query(txn,
                          "UPDATE call_events SET attempt_id = $1::uuid, tenant_id = $2 WHERE "
                          "call_sid = $3 AND attempt_id IS NULL RETURNING call_status, sequence, "
                          "answered_by, duration_s, error_code, error_message, "
                          "unix_us(occurred_at) AS occurred_at",
                          {attempt.id, attempt.tenant_id, attempt.call_sid});
  for (const auto& row : rows) {
    merge(attempt, {parse_call_status(text(row, "call_status")), optional_number(row, "sequence"),
                    text(row, "answered_by"), optional_number(row, "duration_s"),
                    text(row, "error_code"), text(row, "error_message"), time(row, "occurred_at")});
  }
}

}  // namespace

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) {
      return false;
    }
  }
  return true;
}

bool is_machine(std::string_view answered_by) {
  return answered_by.starts_with("machine") || answered_by == "fax";
}

std::optional<AttemptRow> lock_attempt_by_id(Txn& txn, std::string_view id) {
  if (!is_uuid(id)) return std::nullopt;
  return lock_attempt(txn, "id = $1::uuid", {id});
}

std::optional<AttemptRow> lock_attempt_by_token(Txn& txn, std::string_view token) {
  return lock_attempt(txn, "token = $1", {token});
}

std::optional<AttemptRow> lock_attempt_by_sid(Txn& txn, std::string_view call_sid) {
  return lock_attempt(txn, "call_sid = $1", {call_sid});
}

std::vector<AttemptRow> lock_attempts_of_calls(Txn& txn, const std::vector<std::string>& tokens,
                                               const std::vector<std::string>& call_sids) {
  std::vector<AttemptRow> out;
  const auto rows = query(txn,
                          std::string("SELECT ") + kColumns +
                              " FROM attempts WHERE token = ANY($1::text[]) AND call_sid = "
                              "ANY($2::text[]) ORDER BY id FOR UPDATE",
                          {plain_array(tokens), plain_array(call_sids)});
  for (const auto& row : rows) out.push_back(to_attempt(row));
  return out;
}

void merge(AttemptRow& attempt, const CallFacts& facts) {
  if (facts.status) {
    if (*facts.status == CallStatus::in_progress) {
      attempt.answered_at =
          std::min(attempt.answered_at.value_or(facts.occurred_at), facts.occurred_at);
    }
    const int before = attempt.status ? rank(*attempt.status) : -1;
    if (rank(*facts.status) > before) {
      attempt.status = facts.status;
      attempt.status_sequence = facts.sequence;
      if (is_final(*facts.status)) attempt.ended_at = facts.occurred_at;
    }
  }
  if (facts.duration_s && !attempt.duration_s) attempt.duration_s = facts.duration_s;
  if (attempt.answered_by.empty() || attempt.answered_by == "unknown") {
    if (!facts.answered_by.empty()) attempt.answered_by = facts.answered_by;
  }
  keep_first(attempt.error_code, facts.error_code);
  keep_first(attempt.error_message, facts.error_message);

  const bool exists = attempt.status.has_value() || !attempt.call_sid.empty();
  if (attempt.status && is_final(*attempt.status)) {
    attempt.state = AttemptState::ended;
  } else if (exists && is_open(attempt.state)) {
    attempt.state = AttemptState::placed;
  }
}

void lock_sid(Txn& txn, std::string_view call_sid) {
  query(txn, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", {call_sid});
}

void bind_sid(Txn& txn, AttemptRow& attempt, std::string_view call_sid) {
  if (!attempt.call_sid.empty() || call_sid.empty()) return;
  if (query_row(txn, "SELECT 1 FROM attempts WHERE call_sid = $1", {call_sid})) return;
  attempt.call_sid = call_sid;
  if (is_open(attempt.state)) attempt.state = AttemptState::placed;
  adopt_events(txn, attempt);
}

void save(Txn& txn, const std::vector<const AttemptRow*>& attempts) {
  if (attempts.empty()) return;
  Json rows = Json::array();
  std::vector<std::string> ids;
  for (const auto* attempt : attempts) {
    ids.push_back(attempt->id);
    rows.push_back(to_row(*attempt));
  }
  query(
      txn,
      "UPDATE attempts a SET state = n.state, call_sid = nullif(n.call_sid, ''), call_status = "
      "n.call_status, status_sequence = n.status_sequence, answered_by = n.answered_by, error_code "
      "= n.error_code, error_message = n.error_message, duration_s = n.duration_s, answered_at = "
      "n.answered_at, ended_at = n.ended_at, placed_at = CASE WHEN n.call_sid <> '' THEN "
      "coalesce(a.placed_at, now()) END FROM jsonb_to_recordset($1::jsonb) AS n(id uuid, state "
      "text, call_sid text, call_status text, status_sequence bigint, answered_by text, error_code "
      "text, error_message text, duration_s bigint, answered_at timestamptz, ended_at timestamptz) "
      "WHERE a.id = n.id AND a.id = ANY($2::uuid[])",
      {json::dump(rows), plain_array(ids)});
}

std::optional<OutboxJob> end_machine_call(Txn& txn, const AttemptRow& attempt) {
  const bool up = attempt.state == AttemptState::placed && !attempt.call_sid.empty();
  if (!up || !is_machine(attempt.answered_by)) return std::nullopt;
  // With synchronous detection the answer to the carrier's question acts on the verdict.
  const auto wanted = query_row(
      txn, "SELECT 1 FROM lists WHERE id = $1 AND amd <> 'sync' AND on_machine = 'hang_up'",
      {attempt.list_id});
  if (!wanted) return std::nullopt;
  return insert_end_call_job(txn, attempt.tenant_id, attempt.id, attempt.call_sid, kFarewell);
}

void undo_intent(Txn& txn, const AttemptRow& attempt, std::chrono::milliseconds delay) {
  const auto list =
      query(txn, "SELECT state FROM lists WHERE id = $1 FOR SHARE", {attempt.list_id})[0];
  query(txn, "DELETE FROM attempts WHERE id = $1::uuid AND state = 'intent'", {attempt.id});
  if (text(list, "state") == to_string(ListState::cancelled)) {
    finish_entry(txn, attempt.entry_id, Outcome::cancelled, "list_cancelled");
    return;
  }
  query(txn,
        "UPDATE entries SET state = $2, updated_at = now(), next_attempt_at = CASE WHEN $3 = 0 "
        "THEN next_attempt_at ELSE now() + $3 * interval '1 ms' END WHERE id = $1 AND state = "
        "'dialing'",
        {attempt.entry_id, attempt.n == 1 ? EntryState::pending : EntryState::retry_wait,
         delay.count()});
}

void finish_entry(Txn& txn, std::int64_t entry_id, Outcome outcome, std::string_view reason,
                  std::string_view detail) {
  query(txn,
        "UPDATE entries SET state = 'done', outcome = $2, reason = $3, detail = $4, updated_at = "
        "now() WHERE id = $1",
        {entry_id, outcome, reason, detail});
}

void abandon_attempt(Txn& txn, AttemptRow& attempt, std::string_view why) {
  attempt.state = AttemptState::abandoned;
  attempt.error_message = why;
  save(txn, attempt);
  query(txn, "SELECT 1 FROM lists WHERE id = $1 FOR SHARE", {attempt.list_id});
  finish_entry(txn, attempt.entry_id, Outcome::failed, kUnknownReason);
}

}  // namespace call::store
