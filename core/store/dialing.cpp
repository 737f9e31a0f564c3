#include "core/store/dialing.hpp"

#include <algorithm>

#include "core/base/crash_point.hpp"
#include "core/base/ids.hpp"
#include "core/store/attempt.hpp"
#include "core/store/driver.hpp"

namespace call::store {
namespace {

ClaimResult none(NoClaim why, std::chrono::milliseconds next_due = {}) {
  return {std::nullopt, why, next_due};
}

void expire_entries(Txn& txn, std::int64_t list_id) {
  query(
      txn,
      "UPDATE entries SET state = 'done', outcome = 'expired', reason = 'not_after', updated_at = "
      "now() WHERE list_id = $1 AND state IN ('pending', 'retry_wait') AND not_after <= now()",
      {list_id});
}

/// The next entry, locked: due, and its number not in another call from the same caller.
std::optional<Row> pick_entry(Txn& txn, std::int64_t list_id, const std::string& from_number) {
  return query_row(
      txn,
      "SELECT e.id, e.tenant_id, e.phone, e.name, e.variables::text AS variables FROM entries e "
      "WHERE e.list_id = $1 AND e.state IN ('pending', 'retry_wait') AND e.next_attempt_at <= "
      "now() AND NOT EXISTS (SELECT FROM attempts a WHERE a.to_number = e.phone AND a.from_number "
      "= $2 AND a.state IN ('intent', 'sending', 'placed', 'unknown')) ORDER BY "
      "e.next_attempt_at, e.seq LIMIT 1 FOR UPDATE OF e SKIP LOCKED",
      {list_id, from_number});
}

ClaimResult explain_none(Txn& txn, std::int64_t list_id, std::int64_t open) {
  const auto row = query(txn,
                         "SELECT count(*) AS waiting, ceil(extract(epoch FROM "
                         "min(next_attempt_at) - now()) * 1000)::bigint AS due_ms FROM entries "
                         "WHERE list_id = $1 AND state IN ('pending', 'retry_wait')",
                         {list_id})[0];
  if (number(row, "waiting") > 0) {
    const auto due = std::max<std::int64_t>(0, number(row, "due_ms"));
    return none(NoClaim::not_due, std::chrono::milliseconds(due));
  }
  return none(open > 0 ? NoClaim::all_claimed : NoClaim::all_done);
}

Result<ClaimResult> claim(Txn& txn, const DriverLease& lease) {
  CALL_CHECK(require_lease(txn, lease));
  const auto list = query(txn,
                          "SELECT state, from_number, concurrency, (SELECT count(*) FROM attempts "
                          "a WHERE a.list_id = l.id AND a.state IN ('intent', 'sending', 'placed', "
                          "'unknown')) AS open FROM lists l WHERE id = $1 FOR SHARE OF l",
                          {lease.list_id})[0];
  if (text(list, "state") != to_string(ListState::running)) return none(NoClaim::list_not_running);
  expire_entries(txn, lease.list_id);
  const auto open = number(list, "open");
  if (open >= number(list, "concurrency")) return none(NoClaim::no_slot);
  const std::string from_number = text(list, "from_number");
  const auto entry = pick_entry(txn, lease.list_id, from_number);
  if (!entry) return explain_none(txn, lease.list_id, open);

  Claim out;
  out.entry_id = number(*entry, "id");
  out.to_number = text(*entry, "phone");
  out.from_number = from_number;
  out.name = text(*entry, "name");
  out.variables_json = text(*entry, "variables");
  out.token = random_hex(16);
  const auto made = query_row(
      txn,
      "INSERT INTO attempts (tenant_id, list_id, entry_id, n, state, token, epoch, to_number, "
      "from_number) SELECT $1, $2, $3, coalesce(max(n), 0) + 1, 'intent', $4, $5, $6, $7 FROM "
      "attempts WHERE entry_id = $3 ON CONFLICT DO NOTHING RETURNING id, n",
      {number(*entry, "tenant_id"), lease.list_id, out.entry_id, out.token, lease.epoch,
       out.to_number, out.from_number});
  // Another list claimed the same number between our look and our write.
  if (!made) return none(NoClaim::not_due);
  out.attempt_id = text(*made, "id");
  out.n = static_cast<int>(number(*made, "n"));
  query(txn, "UPDATE entries SET state = 'dialing', reason = '', updated_at = now() WHERE id = $1",
        {out.entry_id});
  CALL_CRASH_POINT("claim.committing", out.to_number);
  return ClaimResult{std::move(out), NoClaim::not_due, {}};
}

}  // namespace

Result<ClaimResult> claim_next(Connection& connection, const DriverLease& lease) {
  return in_transaction(connection, kSystem, "cannot claim an entry",
                        [&](Txn& txn) { return claim(txn, lease); });
}

Status mark_sending(Connection& connection, const DriverLease& lease, std::string_view attempt_id) {
  return transact(connection, kSystem, "cannot mark the attempt", [&](Txn& txn) -> Status {
    // A crash after the request left must find this row: the commit waits for the disk, whatever
    // the server's default.
    query(txn, "SET LOCAL synchronous_commit = on");
    CALL_CHECK(require_lease(txn, lease));
    const auto state = lock_list_state(txn, lease.list_id);
    if (state != ListState::running) {
      return Error{Errc::conflict, "the list is " + std::string(to_string(state))};
    }
    const auto row = query_row(txn,
                               "UPDATE attempts SET state = 'sending', sent_at = now() WHERE id = "
                               "$1::uuid AND state = 'intent' AND epoch = $2 RETURNING id",
                               {attempt_id, lease.epoch});
    CALL_CRASH_POINT("sending.committing");
    if (row) return {};
    return Error{Errc::conflict, "attempt " + std::string(attempt_id) + " is not ours to send"};
  });
}

Status drop_intent(Connection& connection, const DriverLease& lease, std::string_view attempt_id,
                   std::chrono::milliseconds delay) {
  return transact(connection, kSystem, "cannot drop the attempt", [&](Txn& txn) -> Status {
    const auto attempt = lock_attempt_by_id(txn, attempt_id);
    if (!attempt || attempt->state != AttemptState::intent || attempt->epoch != lease.epoch ||
        attempt->list_id != lease.list_id) {
      return Error{Errc::conflict, "attempt " + std::string(attempt_id) + " is no intent of ours"};
    }
    undo_intent(txn, *attempt, delay);
    return {};
  });
}

}  // namespace call::store
