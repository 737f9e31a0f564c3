// Reading list rows. Internal to this module.
#pragma once

#include <string>

#include "core/store/db.hpp"
#include "core/store/lists.hpp"

namespace call::store {

/// For "SELECT " + kListColumns + kListFrom + " WHERE l.id = $1".
inline constexpr const char* kListColumns =
    "l.id, l.tenant_id, t.name AS tenant, l.name, l.state, l.reason, l.agent, l.from_number, "
    "c.name AS caller_pool, l.concurrency, l.calls_per_second, l.ring_timeout_s, l.time_limit_s, "
    "l.max_attempts, l.retry_after_s, l.amd, l.on_machine, l.priority, p.name AS policy, d.name AS "
    "tenant_policy, t.calls_per_second AS tenant_calls_per_second, unix_us(l.start_at) AS "
    "start_at, unix_us(l.created_at) AS created_at, unix_us(l.started_at) AS started_at, "
    "unix_us(l.finished_at) AS finished_at";
inline constexpr const char* kListFrom =
    " FROM lists l JOIN tenants t ON t.id = l.tenant_id LEFT JOIN policies p ON p.id = l.policy_id "
    "LEFT JOIN policies d ON d.id = t.policy_id LEFT JOIN caller_pools c ON c.id = "
    "l.caller_pool_id";

List to_list(const Row& row);
/// Errc::not_found when the scope of the transaction does not see it. FOR UPDATE of the list when
/// `lock`.
Result<List> read_list(Txn& txn, std::int64_t list_id, bool lock = false);
/// The error of a list that must be in another state.
Error wrong_state(const List& list, std::string_view wanted);

}  // namespace call::store
