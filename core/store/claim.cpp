// Which entry is called next, from which number, and whether it may be. One transaction; whatever it
// decides about entries that it passes over is written, so that no entry is judged twice for the same
// reason.
#include <algorithm>

#include "core/base/crash_point.hpp"
#include "core/base/ids.hpp"
#include "core/store/attempt.hpp"
#include "core/store/dialing.hpp"
#include "core/store/driver.hpp"
#include "core/store/judge.hpp"

namespace call::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kBatch = 200;       // entries judged together once the first may not be called
constexpr int kMostBatches = 10;  // in one transaction

// Second keys of transaction-level advisory locks; the first says of what.
constexpr int kTenantLock = 1;
constexpr int kAccountLock = 2;

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
};

struct Waiting {
  Candidate candidate;
  std::string name;
  std::string variables_json;
};

ClaimResult none(NoClaim why, milliseconds next_due = {}) {
  return {std::nullopt, why, next_due, false};
}

Terms read_terms(Txn& txn, std::int64_t list_id) {
  const auto row = query(
      txn,
      "SELECT l.tenant_id, l.state, l.from_number, l.caller_pool_id, l.concurrency, t.concurrency "
      "AS tenant_concurrency, l.priority, l.ring_timeout_s, greatest(0, ceil(extract(epoch FROM "
      "coalesce(l.start_at, now()) - now()) * 1000))::bigint AS starts_in_ms, (SELECT count(*) "
      "FROM "
      "attempts a WHERE a.list_id = l.id AND a.state IN ('intent', 'sending', 'placed', "
      "'unknown')) AS open FROM lists l JOIN tenants t ON t.id = l.tenant_id WHERE l.id = $1 FOR "
      "SHARE OF l",
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
  return out;
}

void expire_entries(Txn& txn, std::int64_t list_id) {
  query(
      txn,
      "UPDATE entries SET state = 'done', outcome = 'expired', reason = 'not_after', updated_at = "
      "now() WHERE list_id = $1 AND state IN ('pending', 'retry_wait') AND not_after <= now()",
      {list_id});
}

/// Counted under a lock that claims of all lists concerned take, each in a statement of its own: a
/// snapshot from before the lock would not see what its last holder committed.
bool slot_is_free(Txn& txn, int lock, std::int64_t key, std::int64_t most, const char* which) {
  query(txn, "SELECT pg_advisory_xact_lock($1, $2)", {lock, static_cast<int>(key)});
  const auto row = query(txn,
                         std::string("SELECT count(*) AS open FROM attempts WHERE state IN "
                                     "('intent', 'sending', 'placed', 'unknown')") +
                             which,
                         {key})[0];
  return number(row, "open") < most;
}

/// Room in the list, the tenant and the account, and no list of the tenant that goes first.
bool may_claim(Txn& txn, const Terms& terms, const ClaimLimits& limits) {
  if (terms.open >= terms.concurrency) return false;
  if (terms.tenant_concurrency && !slot_is_free(txn, kTenantLock, terms.tenant_id,
                                                *terms.tenant_concurrency, " AND tenant_id = $1"))
    return false;
  if (limits.account_concurrency > 0 &&
      !slot_is_free(txn, kAccountLock, 0, limits.account_concurrency, " AND $1 = 0"))
    return false;
  const auto first = query_row(
      txn,
      "SELECT 1 FROM lists l WHERE l.tenant_id = $1 AND l.state = 'running' AND l.priority > $2 "
      "AND "
      "coalesce(l.start_at, now()) <= now() AND EXISTS (SELECT FROM entries e WHERE e.list_id = "
      "l.id AND e.state IN ('pending', 'retry_wait') AND e.next_attempt_at <= now()) AND (SELECT "
      "count(*) FROM attempts a WHERE a.list_id = l.id AND a.state IN ('intent', 'sending', "
      "'placed', 'unknown')) < l.concurrency LIMIT 1",
      {terms.tenant_id, terms.priority});
  return !first;
}

/// The caller id: the list's, or the number of its pool that has rested longest and is not leased.
std::optional<std::string> pick_caller(Txn& txn, const Terms& terms) {
  if (!terms.pool_id) return terms.from_number;
  query(txn, "SELECT 1 FROM caller_pools WHERE id = $1 FOR UPDATE", {*terms.pool_id});
  const auto row = query_row(
      txn,
      "UPDATE caller_numbers SET used_at = clock_timestamp() WHERE id = (SELECT c.id FROM "
      "caller_numbers c WHERE c.pool_id = $1 AND (SELECT count(*) FROM attempts a WHERE "
      "a.tenant_id "
      "= c.tenant_id AND a.from_number = c.number AND a.state IN ('intent', 'sending', 'placed', "
      "'unknown')) < c.concurrency ORDER BY c.used_at NULLS FIRST, c.id LIMIT 1) RETURNING number",
      {*terms.pool_id});
  if (!row) return std::nullopt;
  return text(*row, "number");
}

/// The next entries, locked: due, and their number not in another call of the tenant, nor in one
/// from the same caller.
std::vector<Waiting> due_entries(Txn& txn, const Terms& terms, const std::string& caller,
                                 int limit) {
  const auto rows = query(
      txn,
      "SELECT e.id, e.phone, e.timezone, e.name, e.variables::text AS variables FROM entries e "
      "WHERE e.list_id = $1 AND e.state IN ('pending', 'retry_wait') AND e.next_attempt_at <= "
      "now() AND NOT EXISTS (SELECT FROM attempts a WHERE a.to_number = e.phone AND "
      "(a.from_number = $2 OR a.tenant_id = $3) AND a.state IN ('intent', 'sending', 'placed', "
      "'unknown')) ORDER BY e.next_attempt_at, e.seq LIMIT $4 FOR UPDATE OF e SKIP LOCKED",
      {terms.list_id, caller, terms.tenant_id, limit});
  std::vector<Waiting> out;
  for (const auto& row : rows) {
    out.push_back({{number(row, "id"), text(row, "phone"), text(row, "timezone")},
                   text(row, "name"),
                   text(row, "variables")});
  }
  return out;
}

/// Lists of a tenant take turns at a number, so that no two of them count its calls at once. False:
/// another one is at it.
bool lock_number(Txn& txn, const Terms& terms, const std::string& phone) {
  const auto key = std::to_string(terms.tenant_id) + ":" + phone;
  const auto row =
      query(txn, "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 1)) AS mine", {key})[0];
  return flag(row, "mine");
}

/// Whether it may be called now; a "no" is written. False as well while another list is at the
/// number.
bool judge(Txn& txn, const Terms& terms, const policy::Policy& policy, const Candidate& candidate) {
  if (!lock_number(txn, terms, candidate.phone)) return false;
  const auto facts = facts_about(txn, terms.tenant_id, policy, {candidate})[0];
  const auto decision = policy::decide(policy, facts);
  if (decision.verdict != policy::Verdict::go) {
    put_off(txn, candidate.entry_id, decision);
    return false;
  }
  const auto taken = query_row(
      txn,
      "SELECT 1 FROM attempts WHERE to_number = $1 AND tenant_id = $2 AND state IN ('intent', "
      "'sending', 'placed', 'unknown') LIMIT 1",
      {candidate.phone, terms.tenant_id});
  return !taken;
}

/// The first entry that may be called. Most often that is the very first; where it is not, as in the
/// evening of a long list, the others are judged many at a time.
std::optional<Waiting> pick_entry(Txn& txn, const Terms& terms, const policy::Policy& policy,
                                  const std::string& caller) {
  auto first = due_entries(txn, terms, caller, 1);
  if (first.empty()) return std::nullopt;
  if (judge(txn, terms, policy, first[0].candidate)) return std::move(first[0]);
  for (int batch = 0; batch < kMostBatches; ++batch) {
    auto waiting = due_entries(txn, terms, caller, kBatch);
    std::vector<Candidate> candidates;
    for (const auto& entry : waiting) candidates.push_back(entry.candidate);
    const auto facts = facts_about(txn, terms.tenant_id, policy, candidates);
    bool judged = false;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      const auto decision = policy::decide(policy, facts[i]);
      if (decision.verdict != policy::Verdict::go) {
        put_off(txn, candidates[i].entry_id, decision);
        judged = true;
      } else if (judge(txn, terms, policy, candidates[i])) {
        return std::move(waiting[i]);
      }
    }
    if (!judged || waiting.size() < kBatch) break;
  }
  return std::nullopt;
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

std::optional<Claim> insert_attempt(Txn& txn, const DriverLease& lease, const Terms& terms,
                                    Waiting&& entry, std::string caller) {
  Claim out;
  out.entry_id = entry.candidate.entry_id;
  out.to_number = std::move(entry.candidate.phone);
  out.from_number = std::move(caller);
  out.name = std::move(entry.name);
  out.variables_json = std::move(entry.variables_json);
  out.token = random_hex(16);
  const auto made = query_row(
      txn,
      "INSERT INTO attempts (tenant_id, list_id, entry_id, n, state, token, epoch, to_number, "
      "from_number) SELECT $1, $2, $3, coalesce(max(n), 0) + 1, 'intent', $4, $5, $6, $7 FROM "
      "attempts WHERE entry_id = $3 ON CONFLICT DO NOTHING RETURNING id, n",
      {terms.tenant_id, lease.list_id, out.entry_id, out.token, lease.epoch, out.to_number,
       out.from_number});
  // Another tenant's list claimed the same number for the same caller between our look and our write.
  if (!made) return std::nullopt;
  out.attempt_id = text(*made, "id");
  out.n = static_cast<int>(number(*made, "n"));
  query(txn, "UPDATE entries SET state = 'dialing', reason = '', updated_at = now() WHERE id = $1",
        {out.entry_id});
  CALL_CRASH_POINT("claim.committing", out.to_number);
  return out;
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
  if (!may_claim(txn, terms, limits)) return none(NoClaim::no_slot);
  CALL_TRY(const auto policy, policy_of_list(txn, lease.list_id));
  const auto caller = pick_caller(txn, terms);
  if (!caller) return none(NoClaim::no_slot);
  auto entry = pick_entry(txn, terms, policy, *caller);
  if (!entry) return explain_none(txn, terms);
  auto made = insert_attempt(txn, lease, terms, *std::move(entry), *caller);
  if (!made) return none(NoClaim::not_due);
  made->ring_timeout = std::max(terms.ring_timeout, policy.ring_at_least);
  return ClaimResult{std::move(made), NoClaim::not_due, {}, false};
}

}  // namespace

Result<ClaimResult> claim_next(Connection& connection, const DriverLease& lease,
                               const ClaimLimits& limits) {
  return in_transaction(connection, kSystem, "cannot claim an entry",
                        [&](Txn& txn) { return claim(txn, lease, limits); });
}

}  // namespace call::store
