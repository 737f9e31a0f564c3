#include "core/store/import.hpp"

#include <atomic>
#include <future>
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

namespace {

NewList unique_list(const std::string& name, Unique unique) {
  auto list = new_list(name);
  list.unique = unique;
  return list;
}

std::int64_t waiting(Database& database, const std::string& list) {
  return std::stoll(database.value(
      "SELECT count(*) FROM entries e JOIN lists l ON l.id = e.list_id WHERE l.name = "
      "'" +
      list + "' AND e.state = 'pending'"));
}

}  // namespace

TEST_CASE("store.import: a number that another list has is refused, where that is wanted") {
  Database database;
  auto& connection = database.connection;
  const auto tenant = database.tenant.id;
  const auto first = take(create_list(connection, tenant, new_list("first"), numbers(3)));
  const auto stranger = take(create_tenant(connection, "stranger"));
  take(create_list(connection, stranger.id, unique_list("theirs", Unique::tenant), numbers(3)));
  CHECK(database.value("SELECT count(*) FROM entries WHERE reason = 'in_other_list'") == "0");

  take(create_list(connection, tenant, unique_list("each", Unique::list), numbers(3)));
  CHECK(waiting(database, "each") == 3);
  {
    auto import = take(Import::begin(connection, tenant, unique_list("open", Unique::open)));
    const auto refused = take(import.add(numbers(4)));
    REQUIRE(refused.size() == 3);
    CHECK(refused[0].reason == "in_other_list");
    CHECK(refused[2].seq == 3);
    check(import.commit());
  }
  CHECK(waiting(database, "open") == 1);
  CHECK(database.value("SELECT count(*) FROM entries WHERE reason = 'in_other_list' AND outcome = "
                       "'refused' AND state = 'done'") == "3");

  // Called, or given up: free again for "open", not for "tenant". What was refused was never called.
  database.run("UPDATE entries SET state = 'done', outcome = 'completed' WHERE state = 'pending'");
  take(create_list(connection, tenant, unique_list("open again", Unique::open), numbers(4)));
  CHECK(waiting(database, "open again") == 4);
  database.run("UPDATE entries SET state = 'done', outcome = 'completed' WHERE state = 'pending'");
  take(create_list(connection, tenant, unique_list("ever", Unique::tenant), numbers(5)));
  CHECK(waiting(database, "ever") == 1);

  AppendRules rules;
  rules.unique = Unique::tenant;
  const auto more = take(create_list(connection, tenant, new_list("more"), {}));
  const auto appended = take(append_entries(connection, tenant, more.id, numbers(6), rules));
  CHECK(appended.added == 1);
  REQUIRE(appended.refused.size() == 5);
  CHECK(appended.refused[0].reason == "in_other_list");
  CHECK(waiting(database, "more") == 1);
}

TEST_CASE("store.import: of two imports at once one sees what the other brings") {
  Database database;
  auto other = support::connect(database.url);
  auto first = take(
      Import::begin(database.connection, database.tenant.id, unique_list("first", Unique::open)));
  auto second = std::async(std::launch::async, [&]() -> Result<List> {
    return create_list(other, database.tenant.id, unique_list("second", Unique::open), numbers(3));
  });
  auto third = std::async(std::launch::async, [&]() -> Result<Appended> {
    auto connection = support::connect(database.url);
    CALL_TRY(const auto list, create_list(connection, database.tenant.id, new_list("third"), {}));
    AppendRules rules;
    rules.unique = Unique::open;
    return append_entries(connection, database.tenant.id, list.id, numbers(3), rules);
  });
  CHECK(take(first.add(numbers(3))).empty());
  check(first.commit());
  take(second.get());
  CHECK(take(third.get()).added == 0);
  CHECK(waiting(database, "first") == 3);
  CHECK(waiting(database, "second") == 0);
  CHECK(waiting(database, "third") == 0);
}

TEST_CASE(
    "store.import: strict additions are all or nothing, whoever refuses; a dry run is nothing") {
  Database database;
  auto& connection = database.connection;
  const auto tenant = database.tenant.id;
  const auto list = take(create_list(connection, tenant, new_list(), numbers(2)));
  AppendRules rules;
  rules.strict = true;
  auto appended = take(append_entries(connection, tenant, list.id, numbers(2, 2), rules));
  CHECK_FALSE(appended.written);
  REQUIRE(appended.refused.size() == 1);
  CHECK(appended.refused[0].reason == "duplicate");
  auto rows = numbers(2, 3);
  rows[0].refused = "invalid_timezone";
  CHECK_FALSE(take(append_entries(connection, tenant, list.id, rows, rules)).written);
  CHECK(waiting(database, "spring") == 2);

  rules = {};
  rules.dry_run = true;
  appended = take(append_entries(connection, tenant, list.id, numbers(2, 2), rules));
  CHECK_FALSE(appended.written);
  CHECK(appended.added == 1);
  CHECK(waiting(database, "spring") == 2);
  appended = take(append_entries(connection, tenant, list.id, numbers(2, 2)));
  CHECK(appended.written);
  CHECK(appended.first_seq == 3);
  CHECK(waiting(database, "spring") == 3);
}
