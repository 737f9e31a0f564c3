#include "core/store/migrate.hpp"

#include <algorithm>

#include "core/crypto/hash.hpp"
#include "core/log/log.hpp"
#include "core/store/db.hpp"
#include "core/store/migrations.hpp"

namespace call::store {
namespace {

/// Any number that nothing else uses as an advisory lock: "calldmig" in ASCII, cut to fit.
constexpr std::int64_t kMigrationLock = 0x63616c6c646d;

bool table_exists(Txn& txn) {
  return flag(query(txn, "SELECT to_regclass('schema_migrations') IS NOT NULL AS there")[0],
              "there");
}

/// Known migrations beside applied ones. Both are few.
std::vector<MigrationStatus> read_status(Txn& txn) {
  std::vector<MigrationStatus> out;
  for (const auto& known : migrations()) {
    out.push_back({known.number, std::string(known.name), std::nullopt, "pending"});
  }
  if (!table_exists(txn)) return out;
  const auto rows = query(txn,
                          "SELECT number, name, checksum, unix_us(applied_at) AS applied_at FROM "
                          "schema_migrations ORDER BY number");
  for (const auto& row : rows) {
    const auto applied = number(row, "number");
    const auto same = std::find_if(out.begin(), out.end(),
                                   [&](const auto& status) { return status.number == applied; });
    if (same == out.end()) {
      out.push_back({static_cast<int>(applied), text(row, "name"), optional_time(row, "applied_at"),
                     "unknown"});
      continue;
    }
    const auto& migration = migrations()[static_cast<std::size_t>(same - out.begin())];
    const bool equal = crypto::sha256_hex(migration.sql) == text(row, "checksum");
    same->applied_at = optional_time(row, "applied_at");
    same->state = equal ? "applied" : "changed";
  }
  return out;
}

Status refuse_foreign(const std::vector<MigrationStatus>& all) {
  for (const auto& status : all) {
    const std::string what = std::to_string(status.number) + " (" + status.name + ")";
    if (status.state == "unknown") {
      return Error{Errc::conflict, "the database has schema version " + what +
                                       ", newer than this program knows (" +
                                       std::to_string(schema_version()) + "): upgrade calld"};
    }
    if (status.state == "changed") {
      return Error{Errc::conflict, "migration " + what +
                                       " was applied with another text than this program's: the "
                                       "database was made by a different build of calld"};
    }
  }
  return {};
}

/// What a migration makes belongs to whoever the rest belongs to, or the daemons could not use it: the
/// operator who runs it (root, postgres) often is another role, a member of the owner or a superuser.
void become_owner(Txn& txn) {
  query(txn, R"(
    SELECT set_config('role', owner.rolname, true) FROM pg_roles owner
    WHERE owner.oid = coalesce(
            (SELECT relowner FROM pg_class WHERE oid = to_regclass('schema_migrations')),
            (SELECT datdba FROM pg_database WHERE datname = current_database()))
      AND owner.rolname <> current_user AND pg_has_role(owner.oid, 'MEMBER'))");
}

void apply(Txn& txn, const Migration& migration) {
  txn.work().exec(std::string(migration.sql));
  query(txn, "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
        {migration.number, migration.name, crypto::sha256_hex(migration.sql)});
}

}  // namespace

int schema_version() {
  return migrations().back().number;
}

Result<std::vector<MigrationStatus>> migrate(Connection& connection) {
  const auto body = [](Txn& txn) -> Result<std::vector<MigrationStatus>> {
    query(txn, "SET LOCAL statement_timeout = 0");  // a migration takes what it takes
    query(txn, "SELECT pg_advisory_xact_lock($1)", {kMigrationLock});
    become_owner(txn);
    query(txn,
          "CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, name text NOT "
          "NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())");
    std::vector<int> applied;
    for (const auto& row : query(txn, "SELECT number FROM schema_migrations")) {
      applied.push_back(static_cast<int>(number(row, "number")));
    }
    if (!applied.empty()) CALL_CHECK(refuse_foreign(read_status(txn)));
    std::vector<int> fresh;
    for (const auto& migration : migrations()) {
      if (std::count(applied.begin(), applied.end(), migration.number) > 0) continue;
      apply(txn, migration);
      fresh.push_back(migration.number);
    }
    auto all = read_status(txn);
    std::erase_if(all, [&](const auto& status) {
      return std::count(fresh.begin(), fresh.end(), status.number) == 0;
    });
    return all;
  };
  auto done = in_transaction(connection, kSystem, "cannot migrate the database", body);
  if (done) {
    for (const auto& status : *done) {
      log::Logger("store").info("applied migration {} ({})", status.number, status.name);
    }
  }
  return done;
}

Result<std::vector<MigrationStatus>> migration_status(Connection& connection) {
  return in_transaction(
      connection, kSystem, "cannot read the schema version",
      [](Txn& txn) -> Result<std::vector<MigrationStatus>> { return read_status(txn); });
}

Status require_schema(Connection& connection) {
  CALL_TRY(const auto all, migration_status(connection));
  CALL_CHECK(refuse_foreign(all));
  for (const auto& status : all) {
    if (status.state == "pending") {
      return Error{Errc::conflict, "the database lacks schema version " +
                                       std::to_string(status.number) + " (" + status.name +
                                       "): run callctl db migrate"};
    }
  }
  return {};
}

}  // namespace call::store
