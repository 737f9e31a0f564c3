// Where entries go after their attempts changed. Of an entry only the newest attempt counts.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/json/json.hpp"
#include "core/policy/policy.hpp"
#include "core/store/attempt.hpp"

namespace call::store {
namespace {

/// What decides about an entry, its row locked.
struct Situation {
  ListState list = ListState::running;
  int max_attempts = 1;
  std::int64_t retry_after_s = 0;
  std::string policy;  // the document, empty if none
  EntryState entry = EntryState::pending;
  std::optional<Outcome> outcome;
  std::string reason;
  int last_attempt = 0;  // the number of its newest

  bool in_progress() const { return entry == EntryState::dialing || entry == EntryState::in_call; }
  /// The look at the attempts may be older than the lock; of an entry in progress one is open, though,
  /// and if it is not this one, it is a newer one.
  bool is_newest(const AttemptRow& attempt) const {
    return attempt.n >= last_attempt && (attempt.was_open || !in_progress());
  }
};

/// Where an entry is to go, and why.
struct Move {
  std::int64_t entry_id = 0;
  EntryState state = EntryState::pending;
  std::optional<Outcome> outcome = std::nullopt;
  std::string reason = {};
  std::optional<std::int64_t> pause_s = std::nullopt;  // before the next try
};

/// Whether the entry may have to wait again. Then its list's state must hold until we commit, because
/// cancel_list() finishes only entries that it finds waiting.
bool may_wait_again(const AttemptRow& attempt) {
  if (attempt.state == AttemptState::placed) return false;
  return attempt.state != AttemptState::ended || attempt.status != CallStatus::completed ||
         is_machine(attempt.answered_by);
}

std::map<std::int64_t, Situation> lock_situations(Txn& txn,
                                                  const std::vector<AttemptRow*>& attempts) {
  std::set<std::int64_t> lists;
  std::set<std::int64_t> entries;
  for (const auto* attempt : attempts) {
    if (may_wait_again(*attempt)) lists.insert(attempt->list_id);
    entries.insert(attempt->entry_id);
  }
  if (!lists.empty()) {
    query(txn, "SELECT 1 FROM lists WHERE id = ANY($1::bigint[]) ORDER BY id FOR SHARE",
          {int_array({lists.begin(), lists.end()})});
  }
  std::map<std::int64_t, Situation> out;
  for (const auto& row : query(
           txn,
           "SELECT e.id, l.state AS list, l.max_attempts, l.retry_after_s, p.document::text AS "
           "policy, e.state, e.outcome, e.reason, (SELECT max(n) FROM attempts a WHERE a.entry_id "
           "= e.id) AS last_attempt FROM entries e JOIN lists l ON l.id = e.list_id JOIN tenants t "
           "ON t.id = l.tenant_id LEFT JOIN policies p ON p.id = coalesce(l.policy_id, "
           "t.policy_id) WHERE e.id = ANY($1::bigint[]) ORDER BY e.id FOR UPDATE OF e",
           {int_array({entries.begin(), entries.end()})})) {
    auto& now = out[number(row, "id")];
    now.list = known(parse_list_state(text(row, "list")));
    now.max_attempts = static_cast<int>(number(row, "max_attempts"));
    now.retry_after_s = number(row, "retry_after_s");
    now.policy = text(row, "policy");
    now.entry = known(parse_entry_state(text(row, "state")));
    now.outcome = parse_outcome(text(row, "outcome"));
    now.reason = text(row, "reason");
    now.last_attempt = static_cast<int>(number(row, "last_attempt"));
  }
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

/// The call is over: its entry is done or waits for the next attempt.
std::optional<Move> conclude(const Situation& now, const AttemptRow& attempt) {
  const Outcome outcome = outcome_of(attempt, now.list);
  const std::string reason = attempt.error_code.empty() ? "" : "carrier_" + attempt.error_code;
  const auto pause = now.in_progress() ? retry_after_s(now, attempt, outcome) : std::nullopt;
  if (pause) {
    return Move{attempt.entry_id, EntryState::retry_wait, std::nullopt,
                std::string(to_string(outcome)), pause};
  }
  // Late news about an entry that has gone on already: a machine verdict after the end, the true
  // end of an attempt that was given up, or an operator's redial that is no longer needed.
  const bool correction = now.entry == EntryState::done
                              ? (now.outcome == Outcome::completed && outcome != *now.outcome) ||
                                    now.reason == kUnknownReason
                              : !now.in_progress() && reached_somebody(outcome);
  if (!now.in_progress() && !correction) return std::nullopt;
  return Move{attempt.entry_id, EntryState::done, outcome, reason};
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

/// Where this attempt sends its entry, if elsewhere.
std::optional<Move> decide(Txn& txn, const Situation& now, AttemptRow& attempt) {
  if (!now.is_newest(attempt)) return std::nullopt;
  if (attempt.state == AttemptState::ended) return conclude(now, attempt);
  const bool reopened = reopen(txn, now, attempt);
  if (attempt.state != AttemptState::placed) return std::nullopt;
  const bool answered = attempt.status == CallStatus::in_progress;
  const EntryState wanted = answered ? EntryState::in_call : EntryState::dialing;
  if (now.entry == wanted || (now.entry != EntryState::dialing && !reopened)) return std::nullopt;
  return Move{attempt.entry_id, wanted};
}

void carry_out(Txn& txn, const std::vector<Move>& moves) {
  if (moves.empty()) return;
  Json rows = Json::array();
  std::vector<std::int64_t> ids;
  for (const auto& move : moves) {
    ids.push_back(move.entry_id);
    Json row{{"id", move.entry_id}, {"state", to_string(move.state)}, {"reason", move.reason}};
    if (move.outcome) row["outcome"] = to_string(*move.outcome);
    if (move.pause_s) row["pause_s"] = *move.pause_s;
    rows.push_back(std::move(row));
  }
  query(txn,
        "UPDATE entries e SET state = n.state, outcome = n.outcome, reason = n.reason, "
        "detail = '', "
        "updated_at = now(), next_attempt_at = CASE WHEN n.pause_s IS NULL THEN "
        "e.next_attempt_at ELSE now() + n.pause_s * interval '1 s' END FROM "
        "jsonb_to_recordset($1::jsonb) AS n(id bigint, state text, outcome text, reason text, "
        "pause_s bigint) WHERE e.id = n.id AND e.id = ANY($2::bigint[])",
        {json::dump(rows), int_array(ids)});
}

}  // namespace

std::vector<EntryStand> follow_attempts(Txn& txn, const std::vector<AttemptRow*>& attempts) {
  std::vector<EntryStand> out;
  if (attempts.empty()) return out;
  const auto situations = lock_situations(txn, attempts);
  std::vector<Move> moves;
  for (auto* attempt : attempts) {
    const auto& now = situations.at(attempt->entry_id);
    auto move = decide(txn, now, *attempt);
    out.push_back(move ? EntryStand{move->state, move->outcome, true}
                       : EntryStand{now.entry, now.outcome, false});
    if (move) moves.push_back(*std::move(move));
  }
  carry_out(txn, moves);
  return out;
}

}  // namespace call::store
