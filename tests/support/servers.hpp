// Real servers for tests: one private PostgreSQL and one private Redis per test binary, started by
// the first test that asks, stopped when the binary ends. Call these on the main thread. A server
// that cannot start fails the test with the reason.
#pragma once

#include <string>
#include <vector>

#include "core/local/postgres.hpp"
#include "core/local/redis.hpp"
#include "core/store/connection.hpp"

namespace call::support {

local::Postgres& postgres();
local::Redis& redis();

/// URL of a new, empty database.
std::string fresh_database();
/// URL of a new database with the current schema (a copy of a template, about 50 ms).
std::string migrated_database();
/// A connection of the store to it.
store::Connection connect(const std::string& url);
/// URL of the Redis, emptied.
std::string fresh_redis();

/// Runs SQL and returns the rows as text (NULL: "NULL"): for looking at what the product wrote.
std::vector<std::vector<std::string>> sql(const std::string& url, const std::string& statement);
/// The single value of a query.
std::string sql_value(const std::string& url, const std::string& statement);

}  // namespace call::support
