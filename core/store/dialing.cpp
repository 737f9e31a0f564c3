#include "core/store/dialing.hpp"

#include <map>
#include <tuple>

#include "core/base/crash_point.hpp"
#include "core/store/attempt.hpp"
#include "core/store/driver.hpp"
#include "core/store/judge.hpp"

namespace call::store {
namespace {

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

constexpr const char* kMark =
    "UPDATE attempts a SET state = 'sending', sent_at = now() FROM entries e WHERE a.id = "
    "ANY($1::uuid[]) AND a.state = 'intent' AND a.epoch = $2 AND e.id = a.entry_id RETURNING a.id, "
    "a.tenant_id, a.entry_id, a.to_number, e.timezone, e.not_after <= now() AS late, "
    "unix_us(clock_timestamp()) AS now";

/// The policy once more, as late as it can be asked: an entry may have waited for its turn while an
/// evening began or its number was put on a do-not-call list. Caps were counted when it was claimed.
std::vector<policy::Decision> judge_before_sending(Txn& txn, policy::Policy policy,
                                                   const pqxx::result& sent) {
  policy.caps.clear();
  policy.after_conversation = policy.after_abandoned = {};
  std::vector<Candidate> candidates;
  for (const auto& row : sent)
    candidates.push_back({number(row, "entry_id"), text(row, "to_number"), text(row, "timezone")});
  // The clock of the last: none is sent before.
  const auto now = std::chrono::floor<std::chrono::seconds>(time(sent.back(), "now"));
  const auto facts = facts_about(txn, number(sent[0], "tenant_id"), policy, now, candidates);
  std::vector<policy::Decision> out;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const auto& row = sent[static_cast<pqxx::result::size_type>(i)];
    const bool late = !row["late"].is_null() && flag(row, "late");
    out.push_back(late ? policy::Decision{policy::Verdict::wait, "not_after", "its time is over",
                                          facts[i].now}
                       : policy::decide(policy, facts[i]));
  }
  return out;
}

/// As if it had never been claimed.
void take_back(Txn& txn, const std::string& attempt_id, const policy::Decision& decision) {
  query(txn, "UPDATE attempts SET state = 'intent', sent_at = NULL WHERE id = $1::uuid",
        {attempt_id});
  const auto attempt = lock_attempt_by_id(txn, attempt_id);
  undo_intent(txn, *attempt, std::chrono::milliseconds(0));
  put_off(txn, attempt->entry_id, decision);
}

/// Those of one driver; what became of each that is its own to send.
std::map<std::string, Status> mark(Txn& txn, const DriverLease& lease,
                                   const std::vector<std::string>& attempts) {
  std::map<std::string, Status> out;
  auto policy = require_running(txn, lease);
  if (!policy) {
    for (const auto& id : attempts) out.emplace(id, policy.error());
    return out;
  }
  const auto sent = query(txn, kMark, {plain_array(attempts), lease.epoch});
  if (sent.empty()) return out;
  const auto decisions = judge_before_sending(txn, *std::move(policy), sent);
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    const auto& row = sent[static_cast<pqxx::result::size_type>(i)];
    const auto id = text(row, "id");
    CALL_CRASH_POINT("sending.committing", text(row, "to_number"));
    Status& status = out[id];
    if (decisions[i].verdict == policy::Verdict::go) continue;
    status = Error{Errc::permission, std::string(decisions[i].reason) + ": " + decisions[i].detail};
    take_back(txn, id, decisions[i]);
  }
  return out;
}

using Driven = std::map<std::tuple<std::int64_t, std::int64_t, std::string>,
                        std::pair<DriverLease, std::vector<std::string>>>;

/// In the order of their lists, so that no two batches wait for each other.
Driven by_driver(const std::vector<const OnItsWay*>& attempts) {
  Driven out;
  for (const auto* one : attempts) {
    auto& [lease, ids] = out[{one->lease.list_id, one->lease.epoch, one->lease.holder}];
    lease = one->lease;
    ids.push_back(one->attempt_id);
  }
  return out;
}

}  // namespace

std::vector<Status> mark_sending(Connection& connection,
                                 const std::vector<const OnItsWay*>& attempts) {
  std::map<std::string, Status> marked;
  const auto done =
      transact(connection, kSystem, "cannot mark the attempt", [&](Txn& txn) -> Status {
        marked.clear();
        for (const auto& [key, driven] : by_driver(attempts))
          marked.merge(mark(txn, driven.first, driven.second));
        return {};
      });
  std::vector<Status> out;
  for (const auto* one : attempts) {
    const auto found = marked.find(one->attempt_id);
    if (!done)
      out.push_back(done);
    else if (found == marked.end())
      out.push_back(Error{Errc::conflict, "attempt " + one->attempt_id + " is not ours to send"});
    else
      out.push_back(found->second);
  }
  return out;
}

Status mark_sending(Connection& connection, const DriverLease& lease, std::string_view attempt_id) {
  const OnItsWay one{lease, std::string(attempt_id), {}};
  return mark_sending(connection, std::vector<const OnItsWay*>{&one}).front();
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
