#include "core/store/tenants.hpp"

#include "core/store/reconcile.hpp"
#include "core/store/records.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

TEST_CASE("store.tenants: an unknown tenant is an error, never the first one") {
  Database database;
  CHECK(find_tenant(database.connection, "nobody").error().code == Errc::not_found);
  const auto made = take(create_tenant(database.connection, "acme"));
  CHECK(take(find_tenant(database.connection, "acme")).id == made.id);
  CHECK(create_tenant(database.connection, "acme").error().code == Errc::conflict);
  CHECK_FALSE(create_tenant(database.connection, "Not A Name").ok());
  CHECK(take(tenants(database.connection)).size() == 2);
}

TEST_CASE("store.tenants: a token opens its tenant until it is revoked, and is nowhere at rest") {
  Database database;
  const auto acme = take(create_tenant(database.connection, "acme"));
  const auto token = take(create_token(database.connection, acme.id, "crm"));
  CHECK(take(tenant_of_token(database.connection, token.reveal())).name == "acme");
  CHECK(database.value("SELECT count(*) FROM api_tokens WHERE api_tokens::text LIKE '%" +
                       token.reveal().substr(6) + "%'") == "0");
  const auto listed = take(tokens(database.connection, acme.id));
  REQUIRE(listed.size() == 1);
  CHECK(revoke_token(database.connection, database.tenant.id, listed[0].id).error().code ==
        Errc::not_found);
  check(revoke_token(database.connection, acme.id, listed[0].id));
  CHECK(tenant_of_token(database.connection, token.reveal()).error().code == Errc::permission);
  CHECK(tenant_of_token(database.connection, "calld_nonsense").error().code == Errc::permission);
}

TEST_CASE("store.tenants: a tenant sees and changes nothing of another") {
  Running ours(2);
  const auto claim = ours.place();
  ours.event(claim, CallStatus::in_progress);
  NewCallRecord record;
  record.call_sid = sid_of(1);
  record.path = "/records/1";
  record.record_json = "{}";
  check(put_call_record(ours.connection, record));

  auto& connection = ours.connection;
  const auto other = take(create_tenant(connection, "other"));
  const std::string id = std::to_string(ours.list.id);
  CHECK(find_list(connection, other.id, id).error().code == Errc::not_found);
  CHECK(find_list(connection, other.id, "spring").error().code == Errc::not_found);
  CHECK(list_summary(connection, other.id, ours.list.id).error().code == Errc::not_found);
  CHECK(take(list_summaries(connection, other.id)).empty());
  CHECK(start_list(connection, other.id, ours.list.id).error().code == Errc::not_found);
  CHECK(cancel_list(connection, other.id, ours.list.id).error().code == Errc::not_found);
  CHECK(take(entries(connection, other.id, ours.list.id)).empty());
  CHECK(take(attempts_of_entry(connection, other.id, claim.entry_id)).empty());
  CHECK(take(attempts(connection, other.id, std::nullopt, std::nullopt)).empty());
  CHECK(find_attempt(connection, other.id, claim.attempt_id).error().code == Errc::not_found);
  CHECK(take(events_of_attempt(connection, other.id, claim.attempt_id)).empty());
  CHECK(find_call_record(connection, other.id, sid_of(1)).error().code == Errc::not_found);
  CHECK(take(call_records(connection, other.id, std::nullopt)).empty());
  CHECK_FALSE(resolve_attempt(connection, other.id, claim.attempt_id, Resolution::give_up).ok());

  CHECK(take(entries(connection, ours.tenant.id, ours.list.id)).size() == 2);
  CHECK(take(call_records(connection, ours.tenant.id, ours.list.id)).size() == 1);
  // The same name is free for another tenant.
  CHECK(create_list(connection, other.id, new_list(), numbers(1)).ok());
}

TEST_CASE("store.tenants: the database itself hides other tenants from the role of the API") {
  Running ours(2);
  const auto other = take(create_tenant(ours.connection, "other"));
  const auto as = [&](std::int64_t tenant, const std::string& query) {
    return ours.value("SET ROLE calld_api; SET app.tenant = '" + std::to_string(tenant) + "'; " +
                      query);
  };
  for (const std::string table : {"lists", "entries", "outbox"}) {
    CHECK(as(ours.tenant.id, "SELECT count(*) > 0 FROM " + table) == "t");
    CHECK(as(other.id, "SELECT count(*) FROM " + table) == "0");
    // Without a tenant there is nothing at all.
    CHECK(ours.value("SET ROLE calld_api; SELECT count(*) FROM " + table) == "0");
  }
  // No statement can write a row for somebody else either.
  CHECK_THROWS(
      ours.run("SET ROLE calld_api; SET app.tenant = '" + std::to_string(other.id) +
               "'; INSERT INTO outbox (tenant_id, queue, function, args, job_id) VALUES (" +
               std::to_string(ours.tenant.id) + ", 'q', 'f', '[]', 'x')"));
  CHECK_THROWS(ours.run("SET ROLE calld_api; SELECT * FROM api_tokens"));
}
