#include "core/store/import.hpp"

#include <atomic>
#include <thread>

#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

TEST_CASE("store.import: an import that is not committed leaves nothing") {
  Database database;
  {
    auto import = take(Import::begin(database.connection, database.tenant.id, new_list()));
    CHECK(take(import.add(numbers(10))).empty());
  }
  CHECK(database.value("SELECT count(*) FROM lists") == "0");
  CHECK(database.value("SELECT count(*) FROM entries") == "0");
  // The name is free, and the connection usable.
  CHECK(create_list(database.connection, database.tenant.id, new_list(), numbers(1)).ok());
}

TEST_CASE("store.import: a bad row in a late batch takes everything back") {
  Database database;
  auto rows = numbers(1500);
  rows[1499].seq = 1;  // a place that is taken
  const auto failed = create_list(database.connection, database.tenant.id, new_list(), rows);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == Errc::conflict);
  CHECK(database.value("SELECT count(*) FROM lists") == "0");
}

TEST_CASE("store.import: names and variables survive in every script") {
  Database database;
  auto rows = numbers(1);
  rows[0].name = "דנה \U0001F33B \"O'Brien\"";
  rows[0].variables_json = R"({"city":"תל אביב","note":"a\\b"})";
  const auto list = take(create_list(database.connection, database.tenant.id, new_list(), rows));
  const auto read = take(entries(database.connection, database.tenant.id, list.id));
  REQUIRE(read.size() == 1);
  CHECK(read[0].name == rows[0].name);
  CHECK(read[0].variables_json.find("תל אביב") != std::string::npos);
}

TEST_CASE("store.import: the same idempotency key gives the same list") {
  Database database;
  auto list = new_list();
  list.idempotency_key = "nightly-7";
  const auto first = take(create_list(database.connection, database.tenant.id, list, numbers(3)));
  const auto second = take(create_list(database.connection, database.tenant.id, list, numbers(3)));
  CHECK(second.id == first.id);
  CHECK(database.value("SELECT count(*) FROM entries") == "3");
  CHECK(create_list(database.connection, database.tenant.id, new_list(), {}).error().code ==
        Errc::conflict);
}

TEST_CASE("store.import: a list's name must not read as an id") {
  Database database;
  for (const std::string name : {"", "42"}) {
    const auto refused = create_list(database.connection, database.tenant.id, new_list(name), {});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Errc::invalid_argument);
  }
}

TEST_CASE("store.import: a number is dialed for one entry of a list only") {
  Database database;
  auto rows = numbers(2);
  rows[1].phone = rows[0].phone;
  CHECK(create_list(database.connection, database.tenant.id, new_list(), rows).error().code ==
        Errc::conflict);
  rows[1].refused = "duplicate";
  CHECK(create_list(database.connection, database.tenant.id, new_list(), rows).ok());
}

TEST_CASE("store.import: entries that are added, however many, do not hold the list's calls up") {
  Running running(2000);
  std::atomic<bool> added{false};
  std::jthread adding([&] {
    auto connection = support::connect(running.url);
    CHECK(
        append_entries(connection, running.tenant.id, running.list.id, numbers(10000, 10000)).ok());
    added = true;
  });
  while (!added &&
         running.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0")
    std::this_thread::sleep_for(milliseconds(5));
  int meanwhile = 0;
  while (!added) {
    const auto claims = take(claim_entries(running.connection, running.lease, {0, 1}));
    CHECK_FALSE(take(complete_if_done(running.connection, running.lease)));
    running.run("UPDATE attempts SET state = 'ended' WHERE state = 'intent'");
    if (!added) ++meanwhile;
  }
  CHECK(meanwhile > 1);
  adding.join();
  CHECK(running.value("SELECT count(*) FROM entries") == "12000");
}
