// What the PostgreSQL server is and how it is set, as far as calld's promises rest on it: for `callctl doctor`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"

namespace call::store {

struct ServerFacts {
  std::int64_t version = 0;  ///< 150014 is 15.14
  std::string version_text;
  std::string synchronous_commit;
  bool fsync = true;
  bool full_page_writes = true;
  bool standby = false;       ///< recovering: no change can be written
  std::string standby_names;  ///< synchronous_standby_names
  std::int64_t standbys = 0;  ///< that are connected; no base backups, no subscribers of changes
  /// Of them, those that a commit waits for; nullopt: only pg_read_all_stats may see that.
  std::optional<std::int64_t> standbys_in_step;
  bool pooled = false;                             ///< a pooler (PgBouncer) stands in between
  std::chrono::milliseconds statement_timeout{0};  ///< as the server has it for us; 0: none
  std::int64_t connections = 0;
  std::int64_t connections_max = 0;
  WallTime now;
};

/// Errors as every function of the module. Changes nothing.
Result<ServerFacts> server_facts(Connection& connection);

}  // namespace call::store
