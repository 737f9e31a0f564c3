#include "core/store/outbox.hpp"

#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

TEST_CASE("store.outbox: a job waits until it is marked as sent") {
  Database database;
  const auto job = take(add_job(database.connection, std::nullopt, "default", "calld.noop", "[1]"));
  const auto waiting = take(unsent_jobs(database.connection, 10));
  REQUIRE(waiting.size() == 1);
  CHECK(waiting[0].id == job.id);
  CHECK(waiting[0].args_json == "[1]");
  CHECK(waiting[0].job_id == job.job_id);
  CHECK(job.job_id.starts_with("noop-1-"));
  // The writer has its chance before the relay.
  CHECK(take(unsent_jobs(database.connection, 10, 60000)).empty());
  check(mark_sent(database.connection, {job.id}));
  check(mark_sent(database.connection, {job.id}));
  CHECK(take(unsent_jobs(database.connection, 10)).empty());
}

TEST_CASE("store.outbox: a job is there exactly when its change is") {
  Database database;
  const auto list =
      take(create_list(database.connection, database.tenant.id, new_list(), numbers(1)));
  CHECK(take(unsent_jobs(database.connection, 10)).empty());
  const auto other = take(create_tenant(database.connection, "other"));
  CHECK_FALSE(start_list(database.connection, other.id, list.id).ok());
  CHECK(take(unsent_jobs(database.connection, 10)).empty());
  take(start_list(database.connection, database.tenant.id, list.id));
  CHECK(take(unsent_jobs(database.connection, 10)).size() == 1);
}

TEST_CASE("store.outbox: old sent rows are purged, unsent ones never") {
  Database database;
  const auto sent = take(add_job(database.connection, std::nullopt, "q", "calld.noop", "[]"));
  take(add_job(database.connection, std::nullopt, "q", "calld.noop", "[]"));
  check(mark_sent(database.connection, {sent.id}));
  CHECK(take(purge_sent_jobs(database.connection, 7)) == 0);
  database.run("UPDATE outbox SET sent_at = now() - interval '8 days' WHERE sent_at IS NOT NULL");
  CHECK(take(purge_sent_jobs(database.connection, 7)) == 1);
  CHECK(take(unsent_jobs(database.connection, 10)).size() == 1);
}
