// callctl db: the schema of the database.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/tables.hpp"
#include "core/store/migrate.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct NoOptions {};

Status show_migrations(Session& session, const std::vector<store::MigrationStatus>& migrations) {
  json rows = json::array();
  for (const auto& migration : migrations) {
    rows.push_back({{"number", migration.number},
                    {"name", migration.name},
                    {"state", migration.state},
                    {"applied_at", time_or_null(migration.applied_at)}});
  }
  return session.show(table("db status"), rows);
}

Result<Exit> migrate(Session& session, const NoOptions&) {
  CALL_TRY(auto* connection, session.database_any_schema());
  CALL_TRY(const auto applied, store::migrate(*connection));
  session.say("{}", applied.empty() ? "the schema is up to date"
                                    : fmt::format("applied {} migration(s)", applied.size()));
  CALL_CHECK(show_migrations(session, applied));
  return kDone;
}

Result<Exit> status(Session& session, const NoOptions&) {
  CALL_TRY(auto* connection, session.database_any_schema());
  CALL_TRY(const auto migrations, store::migration_status(*connection));
  CALL_CHECK(show_migrations(session, migrations));
  const auto schema = store::require_schema(*connection);
  if (!schema) {
    session.warn("{}", schema.error().context);
    return kFailed;
  }
  return kDone;
}

}  // namespace

void add_db_commands(CLI::App& app, Session& session) {
  auto* db = add_group(app, "db", "The database's schema");
  add_command<NoOptions>(
      *db, session, "migrate", "Bring the schema up to this version", [](CLI::App&, NoOptions&) {},
      migrate);
  add_command<NoOptions>(
      *db, session, "status", "Migrations; exit 1 unless the schema is the one this version knows",
      [](CLI::App&, NoOptions&) {}, status);
}

}  // namespace call::cmd
