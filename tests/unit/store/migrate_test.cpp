#include "core/store/migrate.hpp"

#include <thread>

#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

TEST_CASE("store.migrate: an empty database comes up to the newest schema, once") {
  const std::string url = support::fresh_database();
  auto connection = support::connect(url);
  const auto refused = require_schema(connection);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().context.find("callctl db migrate") != std::string::npos);

  const auto applied = take(migrate(connection));
  REQUIRE(applied.size() == static_cast<std::size_t>(schema_version()));
  CHECK(applied.front().state == "applied");
  CHECK(applied.front().applied_at.has_value());
  CHECK(require_schema(connection).ok());
  CHECK(take(migrate(connection)).empty());
  CHECK(support::sql_value(url, "SELECT name FROM tenants") == "default");
}

TEST_CASE("store.migrate: two at once are harmless") {
  const std::string url = support::fresh_database();
  std::size_t applied[2] = {0, 0};
  {
    std::vector<std::jthread> threads;
    for (auto& count : applied) {
      threads.emplace_back([&count, &url] {
        auto connection = support::connect(url);
        if (auto done = migrate(connection)) count = done->size();
      });
    }
  }
  CHECK(applied[0] + applied[1] == static_cast<std::size_t>(schema_version()));
}

namespace {

std::string as(const std::string& who, std::string url) {
  const auto begin = url.find("//") + 2;
  return url.replace(begin, url.find('@') - begin, who);
}

std::string owners(const std::string& url) {
  return support::sql_value(url,
                            "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables "
                            "WHERE schemaname = 'public'");
}

}  // namespace

TEST_CASE("store.migrate: what an operator's migration makes belongs to the daemons' role") {
  const std::string url = support::fresh_database();
  support::sql(url, "CREATE ROLE daemons LOGIN CREATEROLE");
  support::sql(url, "CREATE ROLE operator LOGIN PASSWORD 'test'");
  support::sql(url, "GRANT daemons TO operator");
  const auto database = support::sql_value(url, "SELECT current_database()");

  // `sudo callctl db migrate` on an empty database.
  support::sql(url, "ALTER DATABASE \"" + database + "\" OWNER TO daemons");
  auto connection = support::connect(as("operator:test", url));
  REQUIRE(take(migrate(connection)).size() == static_cast<std::size_t>(schema_version()));
  CHECK(owners(url) == "daemons");

  // The administrator's, where what is there belongs to another than the database does.
  const std::string other = support::fresh_database();
  support::sql(other, "GRANT CREATE ON SCHEMA public TO daemons");
  support::sql(
      other,
      "CREATE TABLE schema_migrations (number int PRIMARY KEY, name text NOT NULL, checksum "
      "text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())");
  support::sql(other, "ALTER TABLE schema_migrations OWNER TO daemons");
  auto administrator = support::connect(other);
  REQUIRE(take(migrate(administrator)).size() == static_cast<std::size_t>(schema_version()));
  CHECK(owners(other) == "daemons");
  CHECK(support::sql_value(other, "SELECT current_user") != "daemons");
}

TEST_CASE("store.migrate: a newer database is refused with the way out") {
  Database database;
  database.run("INSERT INTO schema_migrations (number, name, checksum) VALUES (999, 'later', 'x')");
  const auto refused = require_schema(database.connection);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Errc::conflict);
  CHECK(refused.error().context.find("upgrade calld") != std::string::npos);
  CHECK_FALSE(migrate(database.connection).ok());
  CHECK(take(migration_status(database.connection)).back().state == "unknown");
}

TEST_CASE("store.migrate: a migration that was applied with another text is refused") {
  Database database;
  database.run("UPDATE schema_migrations SET checksum = 'other' WHERE number = 1");
  CHECK_FALSE(require_schema(database.connection).ok());
  CHECK(take(migration_status(database.connection)).front().state == "changed");
}
