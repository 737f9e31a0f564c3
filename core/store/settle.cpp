// What the carrier answered to a create-call. These are facts from the driver that made the
// attempt, so they count whether or not it still holds the list; but a webhook may have come first,
// and what it proved stays.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/crash_point.hpp"
#include "core/json/json.hpp"
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

/// The usual case, in one statement for all: nothing was heard of the call yet, so there is nothing to
/// merge and its entry stays where it is. Nobody waits for the disk: a PostgreSQL that dies and forgets
/// this has the attempt `sending`, and what became of it is asked, as if we had died before we wrote.
/// The ids of those that are placed now.
std::set<std::string> place_at_once(Txn& txn, const std::vector<const OnItsWay*>& attempts) {
  Json rows = Json::array();
  std::vector<std::string> ids;
  std::vector<std::string> sids;
  for (const auto* one : attempts) {
    ids.push_back(one->attempt_id);
    sids.push_back(one->call_sid);
    rows.push_back({{"id", one->attempt_id},
                    {"list_id", one->lease.list_id},
                    {"epoch", one->lease.epoch},
                    {"call_sid", one->call_sid}});
  }
  std::sort(sids.begin(), sids.end());
  for (const auto& sid : sids) lock_sid(txn, sid);
  std::set<std::string> out;
  for (const auto& row : query(
           txn,
           "UPDATE attempts a SET state = 'placed', call_sid = n.call_sid, placed_at = now() FROM "
           "jsonb_to_recordset($1::jsonb) AS n(id uuid, list_id bigint, epoch bigint, call_sid "
           "text) WHERE a.id = n.id AND a.id = ANY($2::uuid[]) AND a.list_id = n.list_id AND "
           "a.epoch = n.epoch AND a.state = 'sending' AND a.call_sid IS NULL AND a.call_status IS "
           "NULL AND a.answered_by = '' AND NOT EXISTS (SELECT FROM attempts o WHERE o.call_sid = "
           "n.call_sid) AND NOT EXISTS (SELECT FROM call_events e WHERE e.call_sid = n.call_sid "
           "AND e.attempt_id IS NULL) RETURNING a.id, a.to_number, "
           "set_config('synchronous_commit', 'off', true)",
           {json::dump(rows), plain_array(ids)})) {
    out.insert(text(row, "id"));
    CALL_CRASH_POINT("settle.committing", text(row, "to_number"));
  }
  return out;
}

/// Binds the SID and follows what it brings. Errc::conflict: the call belongs to another attempt.
Status place(Txn& txn, AttemptRow& attempt, std::string_view call_sid) {
  bind_sid(txn, attempt, call_sid);
  if (attempt.call_sid != call_sid) {
    return Error{Errc::conflict, "the call " + std::string(call_sid) + " is another attempt's"};
  }
  save(txn, attempt);
  follow_attempts(txn, {&attempt});
  end_machine_call(txn, attempt);
  return {};
}

/// Something was heard of the call already, or it is not the attempt's.
Status settle_alone(Connection& connection, const OnItsWay& one) {
  bool second_call = false;
  const auto body = [&](Txn& txn) -> Status {
    lock_sid(txn, one.call_sid);
    CALL_TRY(auto attempt, lock_own(txn, one.lease, one.attempt_id));
    second_call = !attempt.call_sid.empty() && attempt.call_sid != one.call_sid;
    if (second_call) {
      insert_end_call_job(txn, attempt.tenant_id, attempt.id, one.call_sid);
    } else {
      CALL_CHECK(place(txn, attempt, one.call_sid));
    }
    CALL_CRASH_POINT("settle.committing", attempt.to_number);
    return {};
  };
  CALL_CHECK(transact(connection, kSystem, "cannot settle the attempt", body));
  if (second_call) {
    log::Logger("store").error("attempt {} has a second call, {}: ending it", one.attempt_id,
                               one.call_sid);
  }
  return {};
}

}  // namespace

std::vector<Status> settle_placed(Connection& connection,
                                  const std::vector<const OnItsWay*>& attempts) {
  const auto placed = in_transaction(
      connection, kSystem, "cannot settle the attempt",
      [&](Txn& txn) -> Result<std::set<std::string>> { return place_at_once(txn, attempts); });
  // Where PostgreSQL is not there, asking again for each would only take longer.
  const bool away =
      !placed && (placed.error().code == Errc::unavailable || placed.error().code == Errc::timeout);
  if (away) return std::vector(attempts.size(), Status(placed.error()));
  std::vector<Status> out;
  for (const auto* one : attempts) {
    const bool done = placed && placed->contains(one->attempt_id);
    out.push_back(done ? Status() : settle_alone(connection, *one));
  }
  return out;
}

Status settle_placed(Connection& connection, const DriverLease& lease, std::string_view attempt_id,
                     std::string_view call_sid) {
  const OnItsWay one{lease, std::string(attempt_id), std::string(call_sid)};
  return settle_placed(connection, std::vector<const OnItsWay*>{&one}).front();
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
