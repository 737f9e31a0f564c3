// Pools of caller ids. Fenced to one tenant, as lists.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"

namespace call::store {

struct CallerNumber {
  std::string number;     ///< E.164
  int concurrency = 1;    ///< calls from it at once; 1 leases it to one call
  std::int64_t open = 0;  ///< calls from it now
  std::optional<WallTime> used_at;
};

struct CallerPool {
  std::string name;  ///< [a-z0-9][a-z0-9_-]{0,62}
  std::vector<CallerNumber> numbers;
};

/// Adds the numbers, making the pool when it is new; a number that is there gets the concurrency.
/// Errc::invalid_argument: one is not E.164.
Result<CallerPool> put_callers(Connection& connection, std::int64_t tenant_id,
                               std::string_view pool, const std::vector<std::string>& numbers,
                               int concurrency);
Result<std::vector<CallerPool>> caller_pools(Connection& connection, std::int64_t tenant_id);
/// Takes one number out of the pool, or with an empty one removes the pool, which Errc::conflict
/// refuses while a list names it. Calls that use the number go on.
Status remove_callers(Connection& connection, std::int64_t tenant_id, std::string_view pool,
                      std::string_view number);

}  // namespace call::store
