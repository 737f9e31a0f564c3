// What the carrier answered to a create-call. These are facts from the driver that made the
// attempt, so they count whether or not it still holds the list; but a webhook may have come first,
// and what it proved stays.

#include "core/base/crash_point.hpp"
#include "core/log/log.hpp"
#include "core/store/attempt.hpp"
#include "core/store/dialing.hpp"
#include "core/store/driver.hpp"
#include "core/store/outbox_rows.hpp"

namespace call::store {
namespace {

Result<AttemptRow> lock_own(Txn& txn, const DriverLease& lease, std::string_view attempt_id) {
  auto attempt = lock_attempt_by_id(txn, attempt_id);
  const bool own = attempt && attempt->list_id == lease.list_id && attempt->epoch == lease.epoch;
  if (own && attempt->state != AttemptState::intent) return *std::move(attempt);
  return Error{Errc::conflict,
               "attempt " + std::string(attempt_id) + " was not sent by this driver"};
}

bool is_undecided(const AttemptRow& attempt) {
  return attempt.state == AttemptState::sending || attempt.state == AttemptState::unknown;
}

/// The usual case in one statement: nothing was heard of the call yet, so there is nothing to merge and
/// its entry stays where it is. Nobody waits for the disk: a PostgreSQL that dies and forgets this has
/// the attempt `sending`, and what became of it is asked, as if we had died before we wrote.
bool place_at_once(Txn& txn, const DriverLease& lease, std::string_view attempt_id,
                   std::string_view call_sid) {
  const auto row = query_row(
      txn,
      "UPDATE attempts SET state = 'placed', call_sid = $4, placed_at = now() WHERE id = $1::uuid "
      "AND list_id = $2 AND epoch = $3 AND state = 'sending' AND call_sid IS NULL AND call_status "
      "IS NULL AND answered_by = '' AND NOT EXISTS (SELECT FROM attempts o WHERE o.call_sid = $4) "
      "AND NOT EXISTS (SELECT FROM call_events e WHERE e.call_sid = $4 AND e.attempt_id IS NULL) "
      "RETURNING set_config('synchronous_commit', 'off', true)",
      {attempt_id, lease.list_id, lease.epoch, call_sid});
  return row.has_value();
}

/// Binds the SID and follows what it brings. Errc::conflict: the call belongs to another attempt.
Status place(Txn& txn, AttemptRow& attempt, std::string_view call_sid) {
  bind_sid(txn, attempt, call_sid);
  if (attempt.call_sid != call_sid) {
    return Error{Errc::conflict, "the call " + std::string(call_sid) + " is another attempt's"};
  }
  save(txn, attempt);
  follow_attempt(txn, attempt);
  end_machine_call(txn, attempt);
  return {};
}

}  // namespace

Status settle_placed(Connection& connection, const DriverLease& lease, std::string_view attempt_id,
                     std::string_view call_sid) {
  bool second_call = false;
  const auto body = [&](Txn& txn) -> Status {
    lock_sid(txn, call_sid);
    if (!place_at_once(txn, lease, attempt_id, call_sid)) {
      CALL_TRY(auto attempt, lock_own(txn, lease, attempt_id));
      second_call = !attempt.call_sid.empty() && attempt.call_sid != call_sid;
      if (second_call) {
        insert_end_call_job(txn, attempt.tenant_id, attempt.id, call_sid);
      } else {
        CALL_CHECK(place(txn, attempt, call_sid));
      }
    }
    CALL_CRASH_POINT("settle.committing");
    return {};
  };
  CALL_CHECK(transact(connection, kSystem, "cannot settle the attempt", body));
  if (second_call) {
    log::Logger("store").error("attempt {} has a second call, {}: ending it", attempt_id, call_sid);
  }
  return {};
}

Status settle_rejected(Connection& connection, const DriverLease& lease,
                       std::string_view attempt_id, std::string_view code,
                       std::string_view message) {
  return transact(connection, kSystem, "cannot settle the attempt", [&](Txn& txn) -> Status {
    CALL_TRY(auto attempt, lock_own(txn, lease, attempt_id));
    if (!is_undecided(attempt)) return {};
    attempt.state = AttemptState::rejected;
    attempt.error_code = code;
    attempt.error_message = message;
    save(txn, attempt);
    lock_list_state(txn, attempt.list_id);
    finish_entry(txn, attempt.entry_id, Outcome::failed, "carrier_" + std::string(code));
    return {};
  });
}

Status settle_not_sent(Connection& connection, const DriverLease& lease,
                       std::string_view attempt_id) {
  return transact(connection, kSystem, "cannot settle the attempt", [&](Txn& txn) -> Status {
    const bool live = lock_lease(txn, lease);
    CALL_TRY(auto attempt, lock_own(txn, lease, attempt_id));
    if (!is_undecided(attempt)) return {};
    attempt.state = AttemptState::intent;
    attempt.error_message.clear();
    save(txn, attempt);
    // Nobody would ever send it: a new driver has undone its predecessor's intents already.
    if (!live) undo_intent(txn, attempt, std::chrono::milliseconds(0));
    return {};
  });
}

Status settle_unknown(Connection& connection, const DriverLease& lease, std::string_view attempt_id,
                      std::string_view why) {
  return transact(connection, kSystem, "cannot settle the attempt", [&](Txn& txn) -> Status {
    CALL_TRY(auto attempt, lock_own(txn, lease, attempt_id));
    if (attempt.state != AttemptState::sending) return {};
    attempt.state = AttemptState::unknown;
    attempt.error_message = why;
    save(txn, attempt);
    return {};
  });
}

Status confirm_placed(Connection& connection, std::string_view attempt_id,
                      std::string_view call_sid) {
  return transact(connection, kSystem, "cannot confirm the attempt", [&](Txn& txn) -> Status {
    lock_sid(txn, call_sid);
    auto attempt = lock_attempt_by_id(txn, attempt_id);
    if (!attempt) {
      return Error{Errc::not_found, "there is no attempt " + std::string(attempt_id)};
    }
    return place(txn, *attempt, call_sid);
  });
}

}  // namespace call::store
