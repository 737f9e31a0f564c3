#include "core/store/connection.hpp"

#include <thread>

#include "core/store/pool.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

TEST_CASE("store.connection: a server that is not there is unavailable") {
  Options options;
  options.url = Secret("postgresql://calld@127.0.0.1:1/calld");
  const auto refused = Connection::open(options);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Errc::unavailable);
}

TEST_CASE("store.connection: a connection that died while it was idle costs no error") {
  Database database;
  const std::string other = support::fresh_database();
  support::sql(other,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
               "'calld'");
  CHECK(database.connection.ping().ok());
}

TEST_CASE("store.connection: a statement that takes too long is a timeout, not a hang") {
  Database database;
  Options options;
  options.url = Secret(database.url);
  options.statement_timeout = std::chrono::milliseconds(50);
  auto impatient = take(Connection::open(options));
  // Another transaction holds the row that create_tenant() must wait for.
  auto holder = support::connect(database.url);
  auto import = take(Import::begin(holder, database.tenant.id, new_list()));
  const auto late = Import::begin(impatient, database.tenant.id, new_list());
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().code == Errc::timeout);
}

TEST_CASE("store.connection: a database without the schema says how to get it") {
  auto connection = support::connect(support::fresh_database());
  const auto refused = find_tenant(connection, "default");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().context.find("callctl db") != std::string::npos);
}

TEST_CASE("store.connection: keyword connection strings work too") {
  const auto& server = support::postgres();
  const std::string url = server.url();
  const auto password = url.substr(19, url.find('@') - 19);  // postgresql://calld:PASSWORD@
  Options options;
  options.url = Secret("host=127.0.0.1 port=" + std::to_string(server.port()) +
                       " user=calld dbname=postgres password=" + password);
  CHECK(Connection::open(options).ok());
}

TEST_CASE("store.pool: as many connections as its size, and no more") {
  Options options;
  options.url = Secret(support::postgres().url());
  Pool pool(options, 2);
  const auto soon = [] { return Deadline::after(std::chrono::milliseconds(30)); };
  auto first = take(pool.take(soon()));
  {
    auto second = take(pool.take(soon()));
    const auto third = pool.take(soon());
    REQUIRE_FALSE(third.ok());
    CHECK(third.error().code == Errc::limit);
  }
  auto again = take(pool.take(soon()));
  CHECK(again->ping().ok());
}

TEST_CASE("store.pool: a waiter gets the connection that comes back") {
  Options options;
  options.url = Secret(support::postgres().url());
  Pool pool(options, 1);
  auto held =
      std::make_unique<PooledConnection>(take(pool.take(Deadline::after(std::chrono::seconds(5)))));
  bool got = false;
  {
    std::jthread waiter([&] { got = pool.take(Deadline::after(std::chrono::seconds(20))).ok(); });
    held.reset();
  }
  CHECK(got);
}

TEST_CASE("store.pool: a server that is not there does not use up the places") {
  Options options;
  options.url = Secret("postgresql://calld@127.0.0.1:1/calld");
  Pool pool(options, 1);
  for (int i = 0; i < 3; ++i) {
    const auto refused = pool.take(Deadline::after(std::chrono::seconds(5)));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Errc::unavailable);
  }
}
