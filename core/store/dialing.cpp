#include "core/store/dialing.hpp"

#include "core/base/crash_point.hpp"
#include "core/store/attempt.hpp"
#include "core/store/driver.hpp"
#include "core/store/judge.hpp"

namespace call::store {
namespace {

/// The policy once more, as late as it can be asked: an entry may have waited for its turn while an
/// evening began or its number was put on a do-not-call list. Caps were counted when it was claimed.
Result<policy::Decision> judge_before_sending(Txn& txn, std::string_view attempt_id) {
  const auto row = query(txn,
                         "SELECT a.tenant_id, a.list_id, a.entry_id, a.to_number, e.timezone, "
                         "e.not_after <= now() AS late FROM attempts a JOIN entries e ON e.id = "
                         "a.entry_id WHERE a.id = $1::uuid",
                         {attempt_id})[0];
  CALL_TRY(auto policy, policy_of_list(txn, number(row, "list_id")));
  policy.caps.clear();
  policy.after_conversation = policy.after_abandoned = {};
  const Candidate candidate{number(row, "entry_id"), text(row, "to_number"), text(row, "timezone")};
  const auto facts = facts_about(txn, number(row, "tenant_id"), policy, {candidate})[0];
  if (!row["late"].is_null() && flag(row, "late"))
    return policy::Decision{policy::Verdict::wait, "not_after", "its time is over", facts.now};
  return policy::decide(policy, facts);
}

}  // namespace

Status mark_sending(Connection& connection, const DriverLease& lease, std::string_view attempt_id) {
  policy::Decision decision;
  const auto body = [&](Txn& txn) -> Status {
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
    if (!row)
      return Error{Errc::conflict, "attempt " + std::string(attempt_id) + " is not ours to send"};
    CALL_TRY(decision, judge_before_sending(txn, attempt_id));
    CALL_CRASH_POINT("sending.committing");
    if (decision.verdict == policy::Verdict::go) return {};
    query(txn, "UPDATE attempts SET state = 'intent', sent_at = NULL WHERE id = $1::uuid",
          {attempt_id});
    const auto attempt = lock_attempt_by_id(txn, attempt_id);
    undo_intent(txn, *attempt, std::chrono::milliseconds(0));
    put_off(txn, attempt->entry_id, decision);
    return {};
  };
  CALL_CHECK(transact(connection, kSystem, "cannot mark the attempt", body));
  if (decision.verdict == policy::Verdict::go) return {};
  return Error{Errc::permission, std::string(decision.reason) + ": " + decision.detail};
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
