#include "core/store/reconcile.hpp"

#include "core/store/attempt.hpp"
#include "core/store/db.hpp"
#include "core/store/driver.hpp"

namespace call::store {

Result<std::vector<StaleAttempt>> stale_attempts(Connection& connection, const StaleScope& scope,
                                                 std::chrono::milliseconds unknown_grace,
                                                 std::chrono::milliseconds overdue_grace,
                                                 int limit) {
  const auto body = [&](Txn& txn) -> Result<std::vector<StaleAttempt>> {
    const auto rows = query(
        txn,
        "SELECT a.id, a.token, a.list_id, a.state, a.to_number, a.from_number, a.call_sid, "
        "unix_us(coalesce(a.sent_at, a.created_at)) AS sent_at, (extract(epoch FROM now() - "
        "coalesce(a.sent_at, a.created_at)) * 1000)::bigint AS age_ms FROM attempts a JOIN lists l "
        "ON l.id = a.list_id WHERE a.state IN ('placed', 'unknown') AND ((a.state = 'unknown' AND "
        "coalesce(a.sent_at, a.created_at) <= now() - $1 * interval '1 ms') OR (a.state = 'placed' "
        "AND a.sent_at <= now() - $2 * interval '1 ms' - (l.ring_timeout_s + l.time_limit_s) * "
        "interval '1 s')) AND ($4::bigint IS NULL OR a.list_id = $4) AND (NOT $5::boolean OR NOT "
        "EXISTS (SELECT FROM list_drivers d WHERE d.list_id = a.list_id AND d.holder IS NOT NULL "
        "AND d.expires_at > now())) ORDER BY a.sent_at LIMIT $3",
        {unknown_grace.count(), overdue_grace.count(), limit, scope.list_id, scope.only_undriven});
    std::vector<StaleAttempt> out;
    for (const auto& row : rows) {
      out.push_back({text(row, "id"), text(row, "token"), number(row, "list_id"),
                     known(parse_attempt_state(text(row, "state"))), text(row, "to_number"),
                     text(row, "from_number"), text(row, "call_sid"), time(row, "sent_at"),
                     std::chrono::milliseconds(number(row, "age_ms"))});
    }
    return out;
  };
  return in_transaction(connection, kSystem, "cannot look for stale attempts", body);
}

Result<bool> sid_is_bound(Connection& connection, std::string_view call_sid) {
  const auto body = [&](Txn& txn) -> Result<bool> {
    return query_row(txn, "SELECT FROM attempts WHERE call_sid = $1", {call_sid}).has_value();
  };
  return in_transaction(connection, kSystem, "cannot look for the call", body);
}

Result<std::chrono::milliseconds> asked_in_vain(Connection& connection, std::string_view attempt_id,
                                                const Uptime& now,
                                                std::chrono::milliseconds round) {
  using std::chrono::milliseconds;
  const auto body = [&](Txn& txn) -> Result<milliseconds> {
    const auto row = query_row(
        txn,
        "UPDATE attempts SET asked_for_ms = asked_for_ms + CASE WHEN asked_on IS NULL THEN "
        "0 WHEN asked_on = $2 AND asked_at_ms <= $3 THEN $3 - asked_at_ms ELSE $4 END, "
        "asked_on = $2, asked_at_ms = $3 WHERE id = $1::uuid RETURNING asked_for_ms, "
        "set_config('synchronous_commit', 'off', true)",
        {attempt_id, now.boot, now.span.count(), round.count()});
    return row ? milliseconds(number(*row, "asked_for_ms")) : milliseconds(0);
  };
  return in_transaction(connection, kSystem, "cannot note that the carrier was asked", body);
}

Result<bool> abandon(Connection& connection, std::string_view attempt_id, std::string_view why) {
  const auto body = [&](Txn& txn) -> Result<bool> {
    auto attempt = lock_attempt_by_id(txn, attempt_id);
    if (!attempt || attempt->state != AttemptState::unknown) return false;
    abandon_attempt(txn, *attempt, why);
    return true;
  };
  return in_transaction(connection, kSystem, "cannot abandon the attempt", body);
}

namespace {

/// placed -> ended, its entry done/failed. Nothing of it is tried again by itself: there may have been a
/// conversation.
void lose(Txn& txn, AttemptRow& attempt) {
  attempt.state = AttemptState::ended;
  attempt.status = CallStatus::failed;
  attempt.error_code = kLostByCarrier;
  save(txn, attempt);
  query(txn, "UPDATE attempts SET ended_at = coalesce(ended_at, now()) WHERE id = $1::uuid",
        {attempt.id});
  lock_list_state(txn, attempt.list_id);
  finish_entry(txn, attempt.entry_id, Outcome::failed, kLostByCarrier);
}

bool is_overdue(Txn& txn, const AttemptRow& attempt) {
  return query_row(txn,
                   "SELECT 1 FROM attempts a JOIN lists l ON l.id = a.list_id WHERE a.id = "
                   "$1::uuid AND a.state = 'placed' AND a.sent_at <= now() - (l.ring_timeout_s + "
                   "l.time_limit_s) * interval '1 s'",
                   {attempt.id})
      .has_value();
}

/// The entry waits again, and a list that was completed without it goes on.
Status redial(Txn& txn, const AttemptRow& attempt) {
  const auto row = query_row(
      txn,
      "UPDATE entries e SET state = 'retry_wait', outcome = NULL, reason = 'redial', "
      "detail = '', next_attempt_at = now(), updated_at = now() FROM lists l WHERE e.id "
      "= $1 AND e.state = 'done' AND e.reason IN ($2, $3) AND l.id = e.list_id AND "
      "l.state IN ('draft', 'running', 'paused', 'completed', 'failed') AND l.erased_at IS NULL "
      "RETURNING e.id",
      {attempt.entry_id, kUnknownReason, kLostByCarrier});
  if (!row)
    return Error{Errc::conflict, "the entry went on already, or its list was cancelled or erased"};
  query(txn,
        "UPDATE lists SET state = 'running', finished_at = NULL, resumed_at = now() WHERE id = $1 "
        "AND state = 'completed'",
        {attempt.list_id});
  return {};
}

}  // namespace

Result<bool> lose_call(Connection& connection, std::string_view attempt_id) {
  const auto body = [&](Txn& txn) -> Result<bool> {
    auto attempt = lock_attempt_by_id(txn, attempt_id);
    if (!attempt || attempt->state != AttemptState::placed) return false;
    lose(txn, *attempt);
    return true;
  };
  return in_transaction(connection, kSystem, "cannot end the attempt", body);
}

Result<std::int64_t> abandoned_attempts(Connection& connection) {
  const auto body = [](Txn& txn) -> Result<std::int64_t> {
    return number(query(txn,
                        "SELECT count(*) AS n FROM attempts WHERE state = 'abandoned' AND "
                        "resolved_at IS NULL")[0],
                  "n");
  };
  return in_transaction(connection, kSystem, "cannot count abandoned attempts", body);
}

Status resolve_attempt(Connection& connection, std::int64_t tenant_id, std::string_view attempt_id,
                       Resolution resolution) {
  return transact(connection, tenant_id, "cannot resolve the attempt", [&](Txn& txn) -> Status {
    auto attempt = lock_attempt_by_id(txn, attempt_id);
    if (!attempt) {
      return Error{Errc::not_found, "there is no attempt " + std::string(attempt_id)};
    }
    // So that its driver cannot complete the list in between.
    query(txn, "SELECT FROM lists WHERE id = $1 FOR UPDATE", {attempt->list_id});
    if (attempt->state == AttemptState::unknown) {
      abandon_attempt(txn, *attempt, "resolved by an operator");
    } else if (is_overdue(txn, *attempt)) {
      lose(txn, *attempt);
    } else if (attempt->state != AttemptState::abandoned && attempt->error_code != kLostByCarrier) {
      return Error{Errc::conflict,
                   "the attempt is " + std::string(to_string(attempt->state)) +
                       ": only one that is unknown or abandoned, or that was placed and whose call "
                       "must have ended long ago, is an operator's to resolve"};
    }
    query(txn, "UPDATE attempts SET resolved_at = now() WHERE id = $1::uuid", {attempt->id});
    if (resolution == Resolution::give_up) return {};
    return redial(txn, *attempt);
  });
}

}  // namespace call::store
