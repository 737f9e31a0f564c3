// Asking the policy about entries, inside their caller's transaction. Internal to this module.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/policy/decide.hpp"
#include "core/store/db.hpp"

namespace call::store {

/// An entry that could be called.
struct Candidate {
  std::int64_t entry_id = 0;
  std::string phone;
  std::string timezone;
};

/// The policy of a list: its own, else its tenant's, else one that allows everything. Errc::internal
/// when the stored document cannot be read: then nothing may be dialed.
Result<policy::Policy> policy_of_list(Txn& txn, std::int64_t list_id);
/// The same from a row that has the policy's `name` and `document`, or nulls.
Result<policy::Policy> policy_of_row(const Row& row);

/// PostgreSQL's clock.
policy::UtcTime clock_now(Txn& txn);

/// What the policy wants to know about each of them. Calls count when they were made, or may have
/// been, by any list of the tenant.
std::vector<policy::Facts> facts_about(Txn& txn, std::int64_t tenant_id,
                                       const policy::Policy& policy, policy::UtcTime now,
                                       const std::vector<Candidate>& candidates);
/// The do-not-call rule that each number matches ("+1900* (us-ftc)"), or an empty text.
std::vector<std::string> dnc_matches(Txn& txn, std::int64_t tenant_id,
                                     const std::vector<std::string>& numbers);

/// The patterns that can match a number: itself, and each of its beginnings with a star.
std::vector<std::string> dnc_patterns_of(const std::string& number);

/// Writes a "no" into an entry that waits: refused for good, or not due before the decision's time.
void put_off(Txn& txn, std::int64_t entry_id, const policy::Decision& decision);

}  // namespace call::store
