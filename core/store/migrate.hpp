// The schema: numbered migrations, embedded in the binary from core/store/sql/NNNN_name.sql,
// applied in order, each in one transaction, recorded with its checksum in schema_migrations.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"

namespace call::store {

struct MigrationStatus {
  int number = 0;
  std::string name;
  std::optional<WallTime> applied_at;
  /// "applied", "pending", "changed" (its text differs from what was applied), "unknown" (applied
  /// by a newer calld)
  std::string state;
};

/// The number of the newest migration in this binary.
int schema_version();
/// Applies what is missing, under an advisory lock, so that two at once are harmless; as the owner of
/// what is there already (of an empty database: its owner), if we may act for that role. Returns what
/// was applied. Errc::conflict when the database is newer than this binary or an applied migration
/// was changed.
Result<std::vector<MigrationStatus>> migrate(Connection& connection);
/// Every migration known to the binary or the database, in order.
Result<std::vector<MigrationStatus>> migration_status(Connection& connection);
/// Errc::conflict unless the schema is exactly the one this binary knows; the text names the
/// command to run.
Status require_schema(Connection& connection);

}  // namespace call::store
