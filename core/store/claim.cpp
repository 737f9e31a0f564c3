// Which entries are called next, from which numbers, and whether they may be. One transaction; what it
// decides about entries that it passes over is written, so that no entry is judged twice for the same
// reason.
//
// What costs is the statements, so a claim takes several entries: they share the look at the list, its
// policy and its limits. Nobody waits for the disk: a claim that a dying PostgreSQL forgets was never
// sent, for mark_sending() waits, and its commit comes after this one's in the same log.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/crash_point.hpp"
#include "core/base/ids.hpp"
#include "core/json/json.hpp"
#include "core/store/attempt.hpp"
#include "core/store/dialing.hpp"
#include "core/store/driver.hpp"
#include "core/store/judge.hpp"
#include "core/store/slots.hpp"

namespace call::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kBatch = 200;           // entries judged together once the first may not be called
constexpr int kAbovePriority = 1000;  // of any entry
constexpr int kMostBatches = 10;      // in one transaction

/// What a claim needs to know about its list.
struct Terms {
  std::int64_t list_id = 0;
  std::int64_t tenant_id = 0;
  ListState state = ListState::running;
  milliseconds starts_in{0};
  std::string from_number;
  std::optional<std::int64_t> pool_id;
  std::int64_t concurrency = 1;
  std::optional<std::int64_t> tenant_concurrency;
  int priority = 0;
  seconds ring_timeout{0};
  std::int64_t open = 0;
  bool in_line = false;   ///< it waited for a slot that others share
  bool to_begin = false;  ///< it was scheduled, and has claimed nothing since
};

struct Waiting {
  Candidate candidate;
  std::string name;
  std::string variables_json;
};

ClaimResult none(NoClaim why, milliseconds next_due = {}) {
  return {{}, why, next_due, false, false};
}

Terms read_terms(Txn& txn, std::int64_t list_id) {
  const auto row = query(
      txn,
      "SELECT l.tenant_id, l.state, l.from_number, l.caller_pool_id, l.concurrency, (SELECT "
      "slot_wanted_until IS NOT NULL FROM list_drivers d WHERE d.list_id = l.id) AS in_line, "
      "l.started_at IS NULL OR coalesce(l.resumed_at < l.start_at, false) AS to_begin, "
      "t.concurrency "
      "AS tenant_concurrency, l.priority, l.ring_timeout_s, greatest(0, ceil(extract(epoch FROM "
      "coalesce(l.start_at, now()) - now()) * 1000))::bigint AS starts_in_ms, (SELECT count(*) "
      "FROM attempts a WHERE a.list_id = l.id AND a.state IN ('intent', 'sending', 'placed', "
      "'unknown')) AS open, set_config('synchronous_commit', 'off', true) FROM lists l JOIN "
      "tenants t ON t.id = l.tenant_id WHERE l.id = $1 FOR SHARE OF l",
      {list_id})[0];
  Terms out;
  out.list_id = list_id;
  out.tenant_id = number(row, "tenant_id");
  out.state = known(parse_list_state(text(row, "state")));
  out.starts_in = milliseconds(number(row, "starts_in_ms"));
  out.from_number = text(row, "from_number");
  out.pool_id = optional_number(row, "caller_pool_id");
  out.concurrency = number(row, "concurrency");
  out.tenant_concurrency = optional_number(row, "tenant_concurrency");
  out.priority = static_cast<int>(number(row, "priority"));
  out.ring_timeout = seconds(number(row, "ring_timeout_s"));
  out.open = number(row, "open");
  out.in_line = flag(row, "in_line");
  out.to_begin = flag(row, "to_begin");
  return out;
}

/// A list that waited for its time starts with its first claim, or the next if somebody has its row.
void begin(Txn& txn, const Terms& terms) {
  if (!terms.to_begin) return;
  query(txn,
        "UPDATE lists SET started_at = coalesce(started_at, now()), resumed_at = now() WHERE id = "
        "(SELECT id FROM lists WHERE id = $1 FOR UPDATE SKIP LOCKED)",
        {terms.list_id});
}

void expire_entries(Txn& txn, std::int64_t list_id) {
  query(txn,
        "UPDATE entries SET state = 'done', outcome = 'expired', reason = 'not_after', detail = "
        "'', updated_at = "
        "now() WHERE list_id = $1 AND state IN ('pending', 'retry_wait') AND not_after <= now()",
        {list_id});
}

/// A list of the tenant that has a higher priority and could use a slot.
bool another_goes_first(Txn& txn, const Terms& terms) {
  const auto first = query_row(txn,
                               "SELECT 1 FROM lists l WHERE l.tenant_id = $1 AND l.state = "
                               "'running' AND l.priority > $2 AND can_dial(l) LIMIT 1",
                               {terms.tenant_id, terms.priority});
  return first.has_value();
}

/// The pools that have a number of the list's: claims that could take the same one come one by one.
void lock_pools(Txn& txn, const Terms& terms) {
  query(txn,
        "SELECT FROM caller_pools WHERE id IN (SELECT o.pool_id FROM caller_numbers o WHERE "
        "o.tenant_id = $1 AND (o.number = $2 OR o.number IN (SELECT c.number FROM caller_numbers c "
        "WHERE c.pool_id = $3))) ORDER BY id FOR UPDATE",
        {terms.tenant_id, terms.from_number, terms.pool_id});
}

/// The list's own number, as often as it is free: it may be in pools, and their limits are the number's.
std::vector<std::string> fixed_caller(Txn& txn, const Terms& terms, std::int64_t most) {
  const auto row = query(txn,
                         "SELECT min(c.concurrency) - (SELECT count(*) FROM attempts a WHERE "
                         "a.tenant_id = $1 AND a.from_number = $2 AND a.state IN ('intent', "
                         "'sending', 'placed', 'unknown')) AS free FROM caller_numbers c WHERE "
                         "c.tenant_id = $1 AND c.number = $2",
                         {terms.tenant_id, terms.from_number})[0];
  if (const auto free = optional_number(row, "free"))
    most = std::clamp<std::int64_t>(*free, 0, most);
  return std::vector<std::string>(static_cast<std::size_t>(most), terms.from_number);
}

/// Caller ids for up to `most` calls: the list's, or those of its pool that have rested longest and are
/// not leased.
std::vector<std::string> pick_callers(Txn& txn, const Terms& terms, std::int64_t most) {
  lock_pools(txn, terms);
  if (!terms.pool_id) return fixed_caller(txn, terms, most);
  const auto rows = query(
      txn,
      "SELECT number FROM caller_numbers c WHERE c.pool_id = $1 AND (SELECT count(*) FROM attempts "
      "a WHERE a.tenant_id = c.tenant_id AND a.from_number = c.number AND a.state IN ('intent', "
      "'sending', 'placed', 'unknown')) < (SELECT min(o.concurrency) FROM caller_numbers o WHERE "
      "o.tenant_id = c.tenant_id AND o.number = c.number) ORDER BY c.used_at NULLS FIRST, c.id "
      "LIMIT "
      "$2",
      {*terms.pool_id, most});
  std::vector<std::string> out;
  for (const auto& row : rows) out.push_back(text(row, "number"));
  return out;
}

/// The highest priority below `below` of which entries wait.
std::optional<std::int64_t> next_priority(Txn& txn, std::int64_t list_id, std::int64_t below) {
  const auto row = query(txn,
                         "SELECT max(priority) AS priority FROM entries WHERE list_id = $1 AND "
                         "state IN ('pending', 'retry_wait') AND priority < $2",
                         {list_id, below})[0];
  return optional_number(row, "priority");
}

/// The next entries of one priority, locked: due, and their number not in another call of the tenant,
/// nor in one from the same callers.
std::vector<Waiting> due_entries(Txn& txn, const Terms& terms, const std::string& callers_json,
                                 std::int64_t priority, std::size_t limit) {
  const auto rows = query(
      txn,
      "SELECT e.id, e.phone, e.timezone, e.name, e.variables::text AS variables FROM entries e "
      "WHERE e.list_id = $1 AND e.state IN ('pending', 'retry_wait') AND e.priority = $2 AND "
      "e.next_attempt_at <= now() AND NOT EXISTS (SELECT FROM attempts a WHERE a.to_number = "
      "e.phone AND (a.tenant_id = $3 OR a.from_number IN (SELECT jsonb_array_elements_text($4))) "
      "AND a.state IN ('intent', 'sending', 'placed', 'unknown')) ORDER BY e.next_attempt_at, "
      "e.seq LIMIT $5 FOR UPDATE OF e SKIP LOCKED",
      {terms.list_id, priority, terms.tenant_id, callers_json, limit});
  std::vector<Waiting> out;
  for (const auto& row : rows) {
    out.push_back({{number(row, "id"), text(row, "phone"), text(row, "timezone")},
                   text(row, "name"),
                   text(row, "variables")});
  }
  return out;
}

/// The next entries of the list: those of the highest priority that has any due.
std::vector<Waiting> due_entries(Txn& txn, const Terms& terms,
                                 const std::vector<std::string>& callers, std::size_t limit) {
  const auto callers_json = text_array(callers);
  auto priority = next_priority(txn, terms.list_id, kAbovePriority);
  while (priority) {
    auto due = due_entries(txn, terms, callers_json, *priority, limit);
    if (!due.empty()) return due;
    priority = next_priority(txn, terms.list_id, *priority);
  }
  return {};
}

std::vector<Candidate> candidates_of(const std::vector<Waiting>& entries) {
  std::vector<Candidate> out;
  for (const auto& entry : entries) out.push_back(entry.candidate);
  return out;
}

/// Lists of a tenant take turns at a number, so that no two of them count its calls at once. Those
/// that another list is not at.
std::vector<Waiting> lock_numbers(Txn& txn, const Terms& terms, std::vector<Waiting> entries) {
  std::vector<std::string> keys;
  for (const auto& entry : entries)
    keys.push_back(std::to_string(terms.tenant_id) + ":" + entry.candidate.phone);
  const auto rows = query(txn,
                          "SELECT pg_try_advisory_xact_lock(hashtextextended(key, 1)) AS mine FROM "
                          "jsonb_array_elements_text($1) WITH ORDINALITY AS k (key, n) ORDER BY n",
                          {text_array(keys)});
  std::vector<Waiting> out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (flag(rows[static_cast<pqxx::result::size_type>(i)], "mine"))
      out.push_back(std::move(entries[i]));
  }
  return out;
}

/// Numbers that are in a call of the tenant.
std::set<std::string, std::less<>> numbers_in_calls(Txn& txn, const Terms& terms,
                                                    const std::vector<Waiting>& entries) {
  std::vector<std::string> numbers;
  for (const auto& entry : entries) numbers.push_back(entry.candidate.phone);
  std::set<std::string, std::less<>> out;
  for (const auto& row :
       query(txn,
             "SELECT to_number FROM attempts WHERE to_number IN (SELECT "
             "jsonb_array_elements_text($1)) AND tenant_id = $2 AND state IN ('intent', 'sending', "
             "'placed', 'unknown')",
             {text_array(numbers), terms.tenant_id}))
    out.insert(text(row, "to_number"));
  return out;
}

/// Those that may be called now, their numbers locked; each "no" is written.
std::vector<Waiting> judge(Txn& txn, const Terms& terms, const policy::Policy& policy,
                           std::vector<Waiting> entries) {
  entries = lock_numbers(txn, terms, std::move(entries));
  if (entries.empty()) return {};
  const auto facts =
      facts_about(txn, terms.tenant_id, policy, clock_now(txn), candidates_of(entries));
  const auto taken = numbers_in_calls(txn, terms, entries);
  std::vector<Waiting> out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto decision = policy::decide(policy, facts[i]);
    if (decision.verdict != policy::Verdict::go)
      put_off(txn, entries[i].candidate.entry_id, decision);
    else if (!taken.contains(entries[i].candidate.phone))
      out.push_back(std::move(entries[i]));
  }
  return out;
}

/// The first entries that may be called, one for each caller at most. Most often those are the very
/// first; where they are not, as in the evening of a long list, many are judged at a time.
std::vector<Waiting> pick_entries(Txn& txn, const Terms& terms, const policy::Policy& policy,
                                  const std::vector<std::string>& callers) {
  auto first = due_entries(txn, terms, callers, callers.size());
  if (first.empty()) return {};
  first = judge(txn, terms, policy, std::move(first));
  if (!first.empty()) return first;
  for (int batch = 0; batch < kMostBatches; ++batch) {
    auto waiting = due_entries(txn, terms, callers, kBatch);
    const auto facts =
        facts_about(txn, terms.tenant_id, policy, clock_now(txn), candidates_of(waiting));
    const bool full = waiting.size() == kBatch;
    bool judged = false;
    std::vector<Waiting> hopeful;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      const auto decision = policy::decide(policy, facts[i]);
      if (decision.verdict != policy::Verdict::go) {
        put_off(txn, waiting[i].candidate.entry_id, decision);
        judged = true;
      } else if (hopeful.size() < callers.size()) {
        hopeful.push_back(std::move(waiting[i]));
      }
    }
    hopeful = judge(txn, terms, policy, std::move(hopeful));
    if (!hopeful.empty()) return hopeful;
    if (!judged || !full) break;
  }
  return {};
}

ClaimResult explain_none(Txn& txn, const Terms& terms) {
  const auto row = query(txn,
                         "SELECT count(*) AS waiting, ceil(extract(epoch FROM "
                         "min(next_attempt_at) - now()) * 1000)::bigint AS due_ms FROM entries "
                         "WHERE list_id = $1 AND state IN ('pending', 'retry_wait')",
                         {terms.list_id})[0];
  if (number(row, "waiting") == 0)
    return none(terms.open > 0 ? NoClaim::all_claimed : NoClaim::all_done);
  auto result =
      none(NoClaim::not_due, milliseconds(std::max<std::int64_t>(0, number(row, "due_ms"))));
  result.idle = terms.open == 0;
  return result;
}

/// In the order of their numbers: another tenant's list that claims the same ones for the same caller
/// then waits for us, and never we for it, too. A number that it had first is left out.
std::vector<Claim> insert_attempts(Txn& txn, const DriverLease& lease, const Terms& terms,
                                   const std::vector<Waiting>& entries,
                                   const std::vector<std::string>& callers) {
  std::map<std::int64_t, Claim> wanted;
  Json rows = Json::array();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& [candidate, name, variables] = entries[i];
    auto& claim = wanted[candidate.entry_id];
    claim.entry_id = candidate.entry_id;
    claim.token = random_hex(16);
    claim.to_number = candidate.phone;
    claim.from_number = callers[i];
    claim.name = name;
    claim.variables_json = variables;
    rows.push_back({{"entry_id", claim.entry_id},
                    {"token", claim.token},
                    {"to_number", claim.to_number},
                    {"from_number", claim.from_number}});
  }
  const auto made =
      query(txn,
            "INSERT INTO attempts (tenant_id, list_id, entry_id, n, state, token, epoch, "
            "to_number, from_number) SELECT $1, $2, c.entry_id, (SELECT coalesce(max(a.n), 0) + 1 "
            "FROM attempts a WHERE a.entry_id = c.entry_id), 'intent', c.token, $3, c.to_number, "
            "c.from_number FROM jsonb_to_recordset($4) AS c (entry_id bigint, token text, "
            "to_number text, from_number text) ORDER BY c.to_number ON CONFLICT DO NOTHING "
            "RETURNING id, n, entry_id",
            {terms.tenant_id, lease.list_id, lease.epoch, json::dump(rows)});
  std::map<std::int64_t, const pqxx::row> ids;
  for (const auto& row : made) ids.emplace(number(row, "entry_id"), row);
  std::vector<Claim> out;
  for (const auto& entry : entries) {
    const auto row = ids.find(entry.candidate.entry_id);
    if (row == ids.end()) continue;
    auto& claim = out.emplace_back(std::move(wanted[entry.candidate.entry_id]));
    claim.attempt_id = text(row->second, "id");
    claim.n = static_cast<int>(number(row->second, "n"));
  }
  return out;
}

void note_claimed(Txn& txn, const Terms& terms, const std::vector<Claim>& claims) {
  std::vector<std::int64_t> entries;
  std::vector<std::string> callers;
  for (const auto& claim : claims) {
    entries.push_back(claim.entry_id);
    callers.push_back(claim.from_number);
  }
  query(txn,
        "UPDATE entries SET state = 'dialing', reason = '', detail = '', updated_at = now() WHERE "
        "id = "
        "ANY($1::bigint[])",
        {int_array(entries)});
  if (!terms.pool_id) return;
  query(txn,
        "UPDATE caller_numbers SET used_at = clock_timestamp() WHERE pool_id = $1 AND number IN "
        "(SELECT jsonb_array_elements_text($2))",
        {*terms.pool_id, text_array(callers)});
}

SlotSeeker seeker_of(const Terms& terms, const ClaimLimits& limits) {
  return {terms.list_id,
          terms.tenant_id,
          terms.priority,
          terms.concurrency - terms.open,
          terms.tenant_concurrency,
          limits.account_concurrency,
          terms.in_line};
}

Result<ClaimResult> claim(Txn& txn, const DriverLease& lease, const ClaimLimits& limits) {
  CALL_CHECK(require_lease(txn, lease));
  const auto terms = read_terms(txn, lease.list_id);
  if (terms.state != ListState::running) return none(NoClaim::list_not_running);
  expire_entries(txn, lease.list_id);
  if (terms.starts_in.count() > 0) {
    auto result = none(NoClaim::not_due, terms.starts_in);
    result.idle = terms.open == 0;
    return result;
  }
  begin(txn, terms);
  const auto seeker = seeker_of(terms, limits);
  const auto room = room_for_calls(txn, seeker);
  stand_in_line(txn, seeker, room);
  const auto most = std::min(room.calls, limits.most);
  if (most <= 0) {
    auto result = none(NoClaim::no_slot, room.again);
    result.shared_slot = room.waits_for != nullptr;
    return result;
  }
  if (another_goes_first(txn, terms)) return none(NoClaim::no_slot);
  const auto policy = policy_of_list(txn, lease.list_id);
  if (!policy) {
    pause_itself(txn, lease.list_id, policy.error().context);
    return none(NoClaim::list_not_running);
  }
  const auto callers = pick_callers(txn, terms, most);
  if (callers.empty()) return none(NoClaim::no_slot);
  const auto entries = pick_entries(txn, terms, *policy, callers);
  if (entries.empty()) return explain_none(txn, terms);
  auto result = none(NoClaim::not_due);
  result.claims = insert_attempts(txn, lease, terms, entries, callers);
  note_claimed(txn, terms, result.claims);
  note_served(txn, seeker);
  for (auto& made : result.claims) {
    made.ring_timeout = std::max(terms.ring_timeout, policy->ring_at_least);
    CALL_CRASH_POINT("claim.committing", made.to_number);
  }
  return result;
}

}  // namespace

Result<ClaimResult> claim_entries(Connection& connection, const DriverLease& lease,
                                  const ClaimLimits& limits) {
  return in_transaction(connection, kSystem, "cannot claim entries",
                        [&](Txn& txn) { return claim(txn, lease, limits); });
}

}  // namespace call::store
