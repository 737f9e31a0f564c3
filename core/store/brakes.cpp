#include "core/store/brakes.hpp"

#include <fmt/format.h>

#include "core/store/db.hpp"
#include "core/store/driver.hpp"
#include "core/store/judge.hpp"

namespace call::store {
namespace {

double share(std::int64_t part, std::int64_t whole) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

/// Calls since the list was last started count, so that an operator who mended the fault can go on.
std::string too_many_failures(Txn& txn, std::int64_t list_id, const policy::Breaker& breaker) {
  const auto row = query(
      txn,
      "SELECT count(*) AS ended, count(*) FILTER (WHERE a.state = 'rejected' OR a.call_status = "
      "'failed') AS failed FROM attempts a JOIN lists l ON l.id = a.list_id WHERE a.list_id = $1 "
      "AND a.state IN ('rejected', 'ended') AND a.created_at > greatest(now() - $2 * interval '1 "
      "s', l.resumed_at)",
      {list_id, breaker.within.count()})[0];
  const auto ended = number(row, "ended");
  const auto failed = number(row, "failed");
  if (ended < breaker.least_calls || share(failed, ended) <= breaker.failed_percent) return {};
  return fmt::format("circuit breaker: {} of {} calls failed within {} s, more than {} %", failed,
                     ended, breaker.within.count(), breaker.failed_percent);
}

std::string too_many_silent(Txn& txn, std::int64_t list_id, const policy::AbandonLimit& limit) {
  const auto row =
      query(txn,
            "SELECT count(*) FILTER (WHERE person_answered(a)) AS answered, count(*) FILTER (WHERE "
            "was_left_silent(a)) AS silent FROM attempts a WHERE a.list_id = $1 AND a.created_at > "
            "now() - $2 * interval '1 hour'",
            {list_id, limit.over.count()})[0];
  const AbandonRate rate{number(row, "answered"), number(row, "silent")};
  if (rate.answered < limit.least_calls || rate.percent() <= limit.at_most_percent) return {};
  return fmt::format(
      "abandon rate: {} of {} people who answered within {} h heard nothing for two "
      "seconds, more than {} %",
      rate.silent, rate.answered, limit.over.count(), limit.at_most_percent);
}

}  // namespace

Result<std::string> brake_if_needed(Connection& connection, const DriverLease& lease) {
  const auto body = [&](Txn& txn) -> Result<std::string> {
    CALL_TRY(const auto policy, policy_of_list(txn, lease.list_id));
    std::string why;
    if (policy.breaker) why = too_many_failures(txn, lease.list_id, *policy.breaker);
    if (why.empty() && policy.abandoned)
      why = too_many_silent(txn, lease.list_id, *policy.abandoned);
    if (why.empty()) return why;
    CALL_CHECK(require_lease(txn, lease));
    return pause_itself(txn, lease.list_id, why) ? why : std::string();
  };
  return in_transaction(connection, kSystem, "cannot look at the list's brakes", body);
}

}  // namespace call::store
