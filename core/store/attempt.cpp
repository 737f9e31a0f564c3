#include "core/store/attempt.hpp"

#include <algorithm>
#include <cctype>

#include "core/policy/policy.hpp"
#include "core/store/outbox_rows.hpp"

namespace call::store {
namespace {

constexpr const char* kColumns =
    "id, tenant_id, list_id, entry_id, n, state, epoch, call_sid, call_status, status_sequence, "
    "answered_by, error_code, error_message, duration_s, unix_us(answered_at) AS answered_at, "
    "unix_us(ended_at) AS ended_at";

std::optional<AttemptRow> lock_attempt(Txn& txn, const char* condition,
                                       const std::vector<Value>& values) {
  const auto row = query_row(
      txn, std::string("SELECT ") + kColumns + " FROM attempts WHERE " + condition + " FOR UPDATE",
      values);
  if (!row) return std::nullopt;
  AttemptRow out;
  out.id = text(*row, "id");
  out.tenant_id = number(*row, "tenant_id");
  out.list_id = number(*row, "list_id");
  out.entry_id = number(*row, "entry_id");
  out.n = static_cast<int>(number(*row, "n"));
  out.state = known(parse_attempt_state(text(*row, "state")));
  out.epoch = number(*row, "epoch");
  out.call_sid = text(*row, "call_sid");
  out.status = parse_call_status(text(*row, "call_status"));
  out.status_sequence = optional_number(*row, "status_sequence");
  out.answered_by = text(*row, "answered_by");
  out.error_code = text(*row, "error_code");
  out.error_message = text(*row, "error_message");
  out.duration_s = optional_number(*row, "duration_s");
  out.answered_at = optional_time(*row, "answered_at");
  out.ended_at = optional_time(*row, "ended_at");
  out.was_open = is_open(out.state);
  return out;
}

void keep_first(std::string& kept, const std::string& said) {
  if (kept.empty()) kept = said;
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

/// What decides about an entry, its row locked.
struct Situation {
  ListState list = ListState::running;
  int max_attempts = 1;
  std::int64_t retry_after_s = 0;
  std::string policy;  // the document, empty if none
  EntryState entry = EntryState::pending;
  std::optional<Outcome> outcome;
  std::string reason;
  bool newest = false;  // this attempt is the entry's last

  bool in_progress() const { return entry == EntryState::dialing || entry == EntryState::in_call; }
};

/// Whether the entry may have to wait again. Then its list's state must hold until we commit, because
/// cancel_list() finishes only entries that it finds waiting.
bool may_wait_again(const AttemptRow& attempt) {
  if (attempt.state == AttemptState::placed) return false;
  return attempt.state != AttemptState::ended || attempt.status != CallStatus::completed ||
         is_machine(attempt.answered_by);
}

Situation lock_situation(Txn& txn, const AttemptRow& attempt) {
  if (may_wait_again(attempt))
    query(txn, "SELECT 1 FROM lists WHERE id = $1 FOR SHARE", {attempt.list_id});
  const auto row = query(
      txn,
      "SELECT l.state AS list, l.max_attempts, l.retry_after_s, p.document::text AS policy, "
      "e.state, e.outcome, e.reason, NOT EXISTS (SELECT FROM attempts a WHERE a.entry_id = e.id "
      "AND a.n > $2) AS newest FROM entries e JOIN lists l ON l.id = e.list_id JOIN tenants t ON "
      "t.id = l.tenant_id LEFT JOIN policies p ON p.id = coalesce(l.policy_id, t.policy_id) WHERE "
      "e.id = $1 FOR UPDATE OF e",
      {attempt.entry_id, attempt.n})[0];
  Situation out;
  out.list = known(parse_list_state(text(row, "list")));
  out.max_attempts = static_cast<int>(number(row, "max_attempts"));
  out.retry_after_s = number(row, "retry_after_s");
  out.policy = text(row, "policy");
  out.entry = known(parse_entry_state(text(row, "state")));
  out.outcome = parse_outcome(text(row, "outcome"));
  out.reason = text(row, "reason");
  // The look at the attempts may be older than the lock; of an entry in progress one is open, though, and
  // if it is not this one, it is a newer one.
  out.newest = flag(row, "newest") && (attempt.was_open || !out.in_progress());
  return out;
}

/// The table in events.hpp.
Outcome outcome_of(const AttemptRow& attempt, ListState list) {
  switch (*attempt.status) {
    case CallStatus::busy:
      return Outcome::busy;
    case CallStatus::no_answer:
      return Outcome::no_answer;
    case CallStatus::failed:
      return Outcome::failed;
    case CallStatus::canceled:
      return list == ListState::cancelled ? Outcome::cancelled : Outcome::no_answer;
    default:
      return is_machine(attempt.answered_by) ? Outcome::machine : Outcome::completed;
  }
}

bool reached_somebody(Outcome outcome) {
  return outcome == Outcome::completed || outcome == Outcome::machine;
}

/// The pause before the next try, if there is to be one: by the policy's rule for this outcome, else
/// by the list's settings.
std::optional<std::int64_t> retry_after_s(const Situation& now, const AttemptRow& attempt,
                                          Outcome outcome) {
  const bool goes_on = now.list != ListState::cancelled && now.list != ListState::completed;
  if (!goes_on) return std::nullopt;
  bool worth_it =
      outcome == Outcome::busy || outcome == Outcome::no_answer || outcome == Outcome::failed;
  int max_attempts = now.max_attempts;
  std::int64_t pause = now.retry_after_s;
  if (!now.policy.empty()) {
    const auto policy = policy::parse_policy(now.policy);
    if (!policy) return std::nullopt;
    if (const auto rule = policy->retry.find(to_string(outcome)); rule != policy->retry.end()) {
      worth_it = true;
      max_attempts = rule->second.max_attempts.value_or(max_attempts);
      const auto& steps = rule->second.after;
      const auto step = std::min(static_cast<std::size_t>(attempt.n), steps.size());
      if (step > 0) pause = steps[step - 1].count();
    }
  }
  if (worth_it && attempt.n < max_attempts) return pause;
  return std::nullopt;
}

void move_entry(Txn& txn, const AttemptRow& attempt, EntryState state) {
  query(txn,
        "UPDATE entries SET state = $2, outcome = NULL, reason = '', updated_at = now() WHERE id = "
        "$1",
        {attempt.entry_id, state});
}

/// The call is over: its entry is done or waits for the next attempt.
EntryStand conclude(Txn& txn, const Situation& now, const AttemptRow& attempt) {
  const Outcome outcome = outcome_of(attempt, now.list);
  const std::string reason = attempt.error_code.empty() ? "" : "carrier_" + attempt.error_code;
  const auto pause = now.in_progress() ? retry_after_s(now, attempt, outcome) : std::nullopt;
  if (pause) {
    query(txn,
          "UPDATE entries SET state = 'retry_wait', reason = $2, updated_at = now(), "
          "next_attempt_at = now() + $3 * interval '1 s' WHERE id = $1",
          {attempt.entry_id, outcome, *pause});
    return {EntryState::retry_wait, std::nullopt, true};
  }
  // Late news about an entry that has gone on already: a machine verdict after the end, the true
  // end of an attempt that was given up, or an operator's redial that is no longer needed.
  const bool correction = now.entry == EntryState::done
                              ? (now.outcome == Outcome::completed && outcome != *now.outcome) ||
                                    now.reason == kUnknownReason
                              : !now.in_progress() && reached_somebody(outcome);
  if (!now.in_progress() && !correction) return {now.entry, now.outcome, false};
  finish_entry(txn, attempt.entry_id, outcome, reason);
  return {EntryState::done, outcome, true};
}

/// An abandoned attempt whose call shows signs of life takes its entry and its number again, if
/// they are still free.
bool reopen(Txn& txn, const Situation& now, AttemptRow& attempt) {
  if (attempt.state != AttemptState::abandoned || !attempt.status) return false;
  const bool waits = now.entry == EntryState::retry_wait || now.entry == EntryState::pending;
  const bool given_up = now.entry == EntryState::done && now.reason == kUnknownReason;
  const bool list_open = now.list == ListState::running || now.list == ListState::paused;
  if (!list_open || !(waits || given_up)) return false;
  const auto taken =
      query_row(txn,
                "SELECT 1 FROM attempts o JOIN attempts a ON a.to_number = "
                "o.to_number AND a.from_number = o.from_number WHERE a.id = $1::uuid "
                "AND o.id <> a.id AND o.state IN ('intent', 'sending', 'placed', "
                "'unknown')",
                {attempt.id});
  if (taken) return false;
  attempt.state = AttemptState::placed;
  save(txn, attempt);
  return true;
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

std::optional<AttemptRow> lock_attempt_of_call(Txn& txn, std::string_view token,
                                               std::string_view call_sid) {
  if (token.empty() || call_sid.empty()) return std::nullopt;
  return lock_attempt(txn, "token = $1 AND call_sid = $2", {token, call_sid});
}

std::optional<AttemptRow> lock_attempt_by_sid(Txn& txn, std::string_view call_sid) {
  return lock_attempt(txn, "call_sid = $1", {call_sid});
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

void save(Txn& txn, const AttemptRow& attempt) {
  query(txn,
        "UPDATE attempts SET state = $2, call_sid = nullif($3, ''), call_status = $4, "
        "status_sequence = $5, answered_by = $6, error_code = $7, error_message = $8, duration_s = "
        "$9, answered_at = $10, ended_at = $11, placed_at = CASE WHEN $3 <> '' THEN "
        "coalesce(placed_at, now()) END WHERE id = $1::uuid",
        {attempt.id, attempt.state, attempt.call_sid, attempt.status, attempt.status_sequence,
         attempt.answered_by, attempt.error_code, attempt.error_message, attempt.duration_s,
         attempt.answered_at, attempt.ended_at});
}

EntryStand follow_attempt(Txn& txn, AttemptRow& attempt) {
  const Situation now = lock_situation(txn, attempt);
  if (!now.newest) return {now.entry, now.outcome, false};
  if (attempt.state == AttemptState::ended) return conclude(txn, now, attempt);
  const bool reopened = reopen(txn, now, attempt);
  if (attempt.state != AttemptState::placed) return {now.entry, now.outcome, false};
  const bool answered = attempt.status == CallStatus::in_progress;
  const EntryState wanted = answered ? EntryState::in_call : EntryState::dialing;
  if (now.entry == wanted || (now.entry != EntryState::dialing && !reopened)) {
    return {now.entry, now.outcome, false};
  }
  move_entry(txn, attempt, wanted);
  return {wanted, std::nullopt, true};
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

void finish_entry(Txn& txn, std::int64_t entry_id, Outcome outcome, std::string_view reason) {
  query(txn,
        "UPDATE entries SET state = 'done', outcome = $2, reason = $3, updated_at = now() WHERE id "
        "= $1",
        {entry_id, outcome, reason});
}

void abandon_attempt(Txn& txn, AttemptRow& attempt, std::string_view why) {
  attempt.state = AttemptState::abandoned;
  attempt.error_message = why;
  save(txn, attempt);
  query(txn, "SELECT 1 FROM lists WHERE id = $1 FOR SHARE", {attempt.list_id});
  finish_entry(txn, attempt.entry_id, Outcome::failed, kUnknownReason);
}

}  // namespace call::store
