// What the PostgreSQL server is and how it is set, as far as calld's promises rest on it: for `callctl doctor`.
#pragma once

#include <chrono>
#include <cstdint>
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
  bool standby = false;                            ///< recovering: no change can be written
  bool pooled = false;                             ///< a pooler (PgBouncer) stands in between
  std::chrono::milliseconds statement_timeout{0};  ///< as the server has it for us; 0: none
  std::int64_t connections = 0;
  std::int64_t connections_max = 0;
  WallTime now;
};

/// Errors as every function of the module. Changes nothing.
Result<ServerFacts> server_facts(Connection& connection);

}  // namespace call::store
