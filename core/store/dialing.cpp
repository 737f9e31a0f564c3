#include "core/store/dialing.hpp"

#include "core/base/crash_point.hpp"
#include "core/store/attempt.hpp"
#include "core/store/driver.hpp"
#include "core/store/judge.hpp"

namespace call::store {
namespace {

/// The policy once more, as late as it can be asked: an entry may have waited for its turn while an
/// evening began or its number was put on a do-not-call list. Caps were counted when it was claimed.
policy::Decision judge_before_sending(Txn& txn, policy::Policy policy, const Row& sent) {
  policy.caps.clear();
  policy.after_conversation = policy.after_abandoned = {};
  const Candidate candidate{number(sent, "entry_id"), text(sent, "to_number"),
                            text(sent, "timezone")};
  const auto now = std::chrono::floor<std::chrono::seconds>(time(sent, "now"));
  const auto facts = facts_about(txn, number(sent, "tenant_id"), policy, now, {candidate})[0];
  if (!sent["late"].is_null() && flag(sent, "late"))
    return policy::Decision{policy::Verdict::wait, "not_after", "its time is over", facts.now};
  return policy::decide(policy, facts);
}

/// The policy of a list that we drive and that is running. Both hold until we commit, and other sends
/// of the list need not wait for us. A crash after the request left must find what we write: the commit
/// waits for the disk, whatever the server's default.
Result<policy::Policy> require_running(Txn& txn, const DriverLease& lease) {
  const auto row = query_row(
      txn,
      "SELECT l.state, p.name, p.document::text AS document, set_config('synchronous_commit', "
      "'on', true) FROM list_drivers d JOIN lists l ON l.id = d.list_id JOIN tenants t ON t.id = "
      "l.tenant_id LEFT JOIN policies p ON p.id = coalesce(l.policy_id, t.policy_id) WHERE "
      "d.list_id = $1 AND d.epoch = $2 AND d.holder = $3 AND d.expires_at > now() FOR SHARE OF d, "
      "l",
      {lease.list_id, lease.epoch, lease.holder});
  if (!row)
    return Error{Errc::conflict, "the lease on list " + std::to_string(lease.list_id) + " is lost"};
  if (text(*row, "state") != to_string(ListState::running))
    return Error{Errc::conflict, "the list is " + text(*row, "state")};
  return policy_of_row(*row);
}

}  // namespace

Status mark_sending(Connection& connection, const DriverLease& lease, std::string_view attempt_id) {
  policy::Decision decision;
  const auto body = [&](Txn& txn) -> Status {
    CALL_TRY(auto policy, require_running(txn, lease));
    const auto row = query_row(
        txn,
        "UPDATE attempts a SET state = 'sending', sent_at = now() FROM entries e WHERE a.id = "
        "$1::uuid AND a.state = 'intent' AND a.epoch = $2 AND e.id = a.entry_id RETURNING "
        "a.tenant_id, a.entry_id, a.to_number, e.timezone, e.not_after <= now() AS late, "
        "unix_us(clock_timestamp()) AS now",
        {attempt_id, lease.epoch});
    if (!row)
      return Error{Errc::conflict, "attempt " + std::string(attempt_id) + " is not ours to send"};
    decision = judge_before_sending(txn, std::move(policy), *row);
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
