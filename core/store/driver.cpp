#include "core/store/driver.hpp"

#include "core/store/attempt.hpp"
#include "core/store/list_rows.hpp"

namespace call::store {
namespace {

/// A list that sleeps is woken a little early: a job has to be found and taken first.
constexpr int kWakeAheadS = 5;

}  // namespace

bool lock_lease(Txn& txn, const DriverLease& lease) {
  const auto row = query_row(txn,
                             "SELECT epoch = $2 AND holder = $3 AND expires_at > now() AS live "
                             "FROM list_drivers WHERE list_id = $1 FOR UPDATE",
                             {lease.list_id, lease.epoch, lease.holder});
  return row && !(*row)["live"].is_null() && flag(*row, "live");
}

Status require_lease(Txn& txn, const DriverLease& lease) {
  if (lock_lease(txn, lease)) return {};
  return Error{Errc::conflict, "the lease on list " + std::to_string(lease.list_id) + " is lost"};
}

ListState lock_list_state(Txn& txn, std::int64_t list_id) {
  const auto row = query(txn, "SELECT state FROM lists WHERE id = $1 FOR SHARE", {list_id})[0];
  return known(parse_list_state(text(row, "state")));
}

bool pause_itself(Txn& txn, std::int64_t list_id, std::string_view reason) {
  return query_row(
             txn,
             "UPDATE lists SET state = 'paused', reason = $2 WHERE id = (SELECT id FROM lists "
             "WHERE id = $1 AND state = 'running' FOR UPDATE SKIP LOCKED) RETURNING id",
             {list_id, reason})
      .has_value();
}

void take_over(Txn& txn, std::int64_t list_id, std::int64_t epoch) {
  query(
      txn,
      "UPDATE attempts SET state = 'unknown', error_message = 'its driver was lost' WHERE list_id "
      "= $1 AND epoch <= $2 AND state = 'sending'",
      {list_id, epoch});
  const auto rows = query(txn,
                          "SELECT id FROM attempts WHERE list_id = $1 AND epoch <= $2 AND state = "
                          "'intent' ORDER BY id",
                          {list_id, epoch});
  for (const auto& row : rows) {
    const auto attempt = lock_attempt_by_id(txn, text(row, "id"));
    if (attempt && attempt->state == AttemptState::intent) {
      undo_intent(txn, *attempt, std::chrono::milliseconds(0));
    }
  }
}

Result<DriverLease> acquire_lease(Connection& connection, std::int64_t list_id,
                                  std::string_view holder, std::chrono::milliseconds ttl) {
  const auto body = [&](Txn& txn) -> Result<DriverLease> {
    CALL_CHECK(read_list(txn, list_id));
    const auto row = query_row(
        txn,
        "INSERT INTO list_drivers AS d (list_id, epoch, holder, expires_at) VALUES ($1, 1, $2, "
        "now() + $3 * interval '1 ms') ON CONFLICT (list_id) DO UPDATE SET epoch = d.epoch + 1, "
        "holder = excluded.holder, expires_at = excluded.expires_at WHERE d.holder IS NULL OR "
        "d.holder = excluded.holder OR d.expires_at <= now() RETURNING epoch",
        {list_id, holder, ttl.count()});
    if (!row) {
      const auto other =
          query(txn, "SELECT holder FROM list_drivers WHERE list_id = $1", {list_id})[0];
      return Error{Errc::conflict,
                   "list " + std::to_string(list_id) + " is driven by " + text(other, "holder")};
    }
    const DriverLease lease{list_id, std::string(holder), number(*row, "epoch")};
    take_over(txn, list_id, lease.epoch - 1);
    return lease;
  };
  return in_transaction(connection, kSystem, "cannot lease the list", body);
}

Status renew_lease(Connection& connection, const DriverLease& lease,
                   std::chrono::milliseconds ttl) {
  return transact(connection, kSystem, "cannot renew the lease", [&](Txn& txn) -> Status {
    CALL_CHECK(require_lease(txn, lease));
    query(txn,
          "UPDATE list_drivers SET expires_at = now() + $2 * interval '1 ms' WHERE list_id = $1",
          {lease.list_id, ttl.count()});
    return {};
  });
}

Status release_lease(Connection& connection, const DriverLease& lease) {
  return transact(connection, kSystem, "cannot release the lease", [&](Txn& txn) -> Status {
    if (!lock_lease(txn, lease)) return {};
    take_over(txn, lease.list_id, lease.epoch);
    query(txn,
          "UPDATE list_drivers SET holder = NULL, expires_at = now(), slot_wanted = NULL, "
          "slot_wanted_until = NULL WHERE list_id = $1",
          {lease.list_id});
    return {};
  });
}

Result<List> load_list(Connection& connection, std::int64_t list_id) {
  return in_transaction(connection, kSystem, "cannot read the list",
                        [&](Txn& txn) { return read_list(txn, list_id); });
}

Result<std::vector<std::int64_t>> lists_without_driver(Connection& connection) {
  const auto body = [](Txn& txn) -> Result<std::vector<std::int64_t>> {
    const auto rows = query(txn,
                            "SELECT l.id FROM lists l LEFT JOIN list_drivers d ON d.list_id = l.id "
                            "WHERE l.state = 'running' AND (d.holder IS NULL OR d.expires_at <= "
                            "now()) AND coalesce(l.start_at, now()) <= now() + $1 * interval '1 s' "
                            "AND (EXISTS (SELECT FROM attempts a WHERE a.list_id = l.id AND "
                            "a.state IN ('intent', 'sending', 'placed', 'unknown')) OR NOT EXISTS "
                            "(SELECT FROM entries e WHERE e.list_id = l.id AND e.state IN "
                            "('pending', 'retry_wait')) OR EXISTS (SELECT FROM entries e WHERE "
                            "e.list_id = l.id AND e.state IN ('pending', 'retry_wait') AND "
                            "e.next_attempt_at <= now() + $1 * interval '1 s') OR EXISTS (SELECT "
                            "FROM entries e WHERE e.list_id = l.id AND e.state IN ('pending', "
                            "'retry_wait') AND e.not_after <= now())) ORDER BY l.id",
                            {kWakeAheadS});
    std::vector<std::int64_t> out;
    for (const auto& row : rows) out.push_back(number(row, "id"));
    return out;
  };
  return in_transaction(connection, kSystem, "cannot look for lists without a driver", body);
}

Result<bool> complete_if_done(Connection& connection, const DriverLease& lease) {
  const auto body = [&](Txn& txn) -> Result<bool> {
    CALL_CHECK(require_lease(txn, lease));
    // An operator who adds entries has the list locked, and the lease must not run out meanwhile.
    const auto list = query_row(txn, "SELECT state FROM lists WHERE id = $1 FOR UPDATE SKIP LOCKED",
                                {lease.list_id});
    if (!list) return false;
    const auto state = known(parse_list_state(text(*list, "state")));
    if (state != ListState::running) return state == ListState::completed;
    const auto row =
        query(txn,
              "SELECT EXISTS (SELECT FROM entries WHERE list_id = $1 AND state <> 'done') OR "
              "EXISTS (SELECT FROM attempts WHERE list_id = $1 AND state IN ('intent', 'sending', "
              "'placed', 'unknown')) AS busy",
              {lease.list_id})[0];
    if (flag(row, "busy")) return false;
    query(txn, "UPDATE lists SET state = 'completed', finished_at = now() WHERE id = $1",
          {lease.list_id});
    return true;
  };
  return in_transaction(connection, kSystem, "cannot complete the list", body);
}

Status pause_list(Connection& connection, const DriverLease& lease, std::string_view reason) {
  return transact(connection, kSystem, "cannot pause the list", [&](Txn& txn) -> Status {
    CALL_CHECK(require_lease(txn, lease));
    pause_itself(txn, lease.list_id, reason);
    return {};
  });
}

}  // namespace call::store
