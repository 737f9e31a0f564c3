// Who may call when not all may at once: caller ids, the tenant's and the account's slots, priorities.
#include <atomic>
#include <cmath>
#include <thread>

#include "core/store/callers.hpp"
#include "core/store/explain.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

TEST_CASE("store.callers: a number of a pool is leased to one call, the longest rested first") {
  Database database;
  take(put_callers(database.connection, database.tenant.id, "sales",
                   {"+972500000001", "+972500000002"}, 1));
  auto with = new_list();
  with.settings.from_number.clear();
  with.settings.caller_pool = "sales";
  const auto list = take(create_list(database.connection, database.tenant.id, with, numbers(4)));
  take(start_list(database.connection, database.tenant.id, list.id));
  const auto lease = take(acquire_lease(database.connection, list.id, "driver", kTtl));
  const auto claim = [&] { return take(claim_next(database.connection, lease)); };
  const auto first = claim();
  const auto second = claim();
  CHECK(first.claim->from_number == "+972500000001");
  CHECK(second.claim->from_number == "+972500000002");
  CHECK(claim().why == NoClaim::no_slot);
  check(drop_intent(database.connection, lease, second.claim->attempt_id, milliseconds(0)));
  CHECK(claim().claim->from_number == "+972500000002");
  take(put_callers(database.connection, database.tenant.id, "sales", {"+972500000001"}, 2));
  CHECK(claim().claim->from_number == "+972500000001");
  CHECK_FALSE(remove_callers(database.connection, database.tenant.id, "sales", ""));
  check(remove_callers(database.connection, database.tenant.id, "sales", "+972500000002"));
}

TEST_CASE(
    "store.callers: several claims at once get a number each, and a fixed one keeps its limit") {
  Running fixed(4);
  take(put_callers(fixed.connection, fixed.tenant.id, "sales",
                   {"+972500000001", "+972500000002", "+972500000000"}, 2));
  auto with = new_list("pooled");
  with.settings.from_number.clear();
  with.settings.caller_pool = "sales";
  const auto pooled = take(create_list(fixed.connection, fixed.tenant.id, with, numbers(9, 100)));
  take(start_list(fixed.connection, fixed.tenant.id, pooled.id));
  const auto lease = take(acquire_lease(fixed.connection, pooled.id, "driver", kTtl));
  const auto first = take(claim_entries(fixed.connection, lease, {0, 20}));
  REQUIRE(first.claims.size() == 3);
  CHECK(first.claims[0].from_number == "+972500000001");
  CHECK(first.claims[1].from_number == "+972500000002");
  CHECK(first.claims[2].from_number == "+972500000000");
  // One of the two calls that this number may have is the pool's.
  CHECK(take(claim_entries(fixed.connection, fixed.lease, {0, 20})).claims.size() == 1);
  CHECK(fixed.no_claim() == NoClaim::no_slot);
  CHECK(take(claim_entries(fixed.connection, lease, {0, 20})).claims.size() == 2);
}

TEST_CASE("store.claim: predecessor A8.3 all lists of a tenant together keep to its cap") {
  Running first(5);
  check(set_tenant_limits(first.connection, first.tenant.id, {3, std::nullopt, ""}));
  auto settings = new_list("second");
  settings.settings.from_number = "+972500000009";
  const auto second =
      take(create_list(first.connection, first.tenant.id, settings, numbers(5, 100)));
  take(start_list(first.connection, first.tenant.id, second.id));
  const auto lease = take(acquire_lease(first.connection, second.id, "driver", kTtl));
  first.claim();
  REQUIRE(take(claim_next(first.connection, lease)).claim);
  first.claim();
  CHECK(first.no_claim() == NoClaim::no_slot);
  CHECK(take(claim_next(first.connection, lease)).why == NoClaim::no_slot);
  check(set_tenant_limits(first.connection, first.tenant.id, {}));
  CHECK(take(claim_next(first.connection, lease, {3})).why == NoClaim::no_slot);  // the account's
  CHECK(take(claim_next(first.connection, lease, {4})).claim.has_value());
}

TEST_CASE("store.callers: a number of two pools is leased once, whichever list asks") {
  constexpr int kPools = 4;
  Database database;
  std::vector<DriverLease> leases;
  for (int i = 0; i < kPools; ++i) {
    const auto name = "pool-" + std::to_string(i);
    take(put_callers(database.connection, database.tenant.id, name, {"+972500000001"}, 1));
    auto with = new_list(name);
    with.settings.from_number.clear();
    with.settings.caller_pool = name;
    const auto list = take(
        create_list(database.connection, database.tenant.id, with, numbers(20, 100 * (i + 1))));
    take(start_list(database.connection, database.tenant.id, list.id));
    leases.push_back(take(acquire_lease(database.connection, list.id, "driver", kTtl)));
  }
  for (int round = 0; round < 10; ++round) {
    std::atomic<int> claimed{0};
    std::vector<std::jthread> drivers;
    for (const auto& lease : leases)
      drivers.emplace_back([&] {
        auto connection = support::connect(database.url);
        claimed += static_cast<int>(claim_entries(connection, lease)->claims.size());
      });
    drivers.clear();
    CHECK(claimed == 1);
    database.run("UPDATE entries SET state = 'pending' WHERE state = 'dialing'");
    database.run("DELETE FROM attempts");
  }
}

namespace {

/// A running list of a tenant, with its driver.
struct Waiting {
  List list;
  DriverLease lease;

  Waiting(Database& database, std::int64_t tenant_id, const NewList& with, int first) {
    list = take(create_list(database.connection, tenant_id, with, numbers(50, first)));
    take(start_list(database.connection, tenant_id, list.id));
    lease = take(acquire_lease(database.connection, list.id, "driver", kTtl));
  }
  bool claim(Database& database, const ClaimLimits& limits) const {
    return take(claim_next(database.connection, lease, limits)).claim.has_value();
  }
};

}  // namespace

TEST_CASE("store.claim: tenants that wait for the account's slots take turns at them") {
  Database database;
  const auto other = take(create_tenant(database.connection, "other"));
  const Waiting a(database, database.tenant.id, new_list("a"), 100);
  const Waiting b(database, database.tenant.id, new_list("b"), 200);
  const Waiting c(database, other.id, new_list("c"), 300);
  const ClaimLimits one{1, 20};
  std::string order;
  // Each asks when the last call has ended, and "a" always first.
  for (int i = 0; i < 8; ++i) {
    for (const auto& [who, name] : {std::pair(&a, 'a'), std::pair(&b, 'b'), std::pair(&c, 'c')})
      if (who->claim(database, one)) order += name;
    // All of them have heard that there is no slot; then one comes free.
    for (const auto* who : {&a, &b, &c})
      CHECK(take(claim_next(database.connection, who->lease, one)).why == NoClaim::no_slot);
    database.run("UPDATE attempts SET state = 'ended'");
  }
  CHECK(std::count(order.begin(), order.end(), 'c') == 4);
  CHECK(std::abs(std::count(order.begin(), order.end(), 'a') -
                 std::count(order.begin(), order.end(), 'b')) <= 1);
}

TEST_CASE(
    "store.claim: who waits for a slot shares those that come free, and nobody waits for the "
    "dead") {
  Database database;
  const auto other = take(create_tenant(database.connection, "other"));
  const Waiting a(database, database.tenant.id, new_list("a"), 100);
  const Waiting b(database, other.id, new_list("b"), 300);
  database.run("UPDATE lists SET concurrency = 50");
  CHECK(take(claim_entries(database.connection, a.lease, {4, 20})).claims.size() == 4);
  const auto no = take(claim_entries(database.connection, b.lease, {4, 20}));
  CHECK(no.why == NoClaim::no_slot);
  CHECK(no.shared_slot);
  database.run("UPDATE attempts SET state = 'ended'");
  const auto after = take(claim_entries(database.connection, a.lease, {4, 20}));
  CHECK(after.claims.empty());
  CHECK(after.next_due.count() > 0);
  CHECK(take(claim_entries(database.connection, b.lease, {4, 20})).claims.size() == 2);
  CHECK(take(claim_entries(database.connection, a.lease, {4, 20})).claims.size() == 2);
  // A driver that left its place without a word.
  CHECK(take(claim_entries(database.connection, b.lease, {4, 20})).why == NoClaim::no_slot);
  database.run("UPDATE attempts SET state = 'ended'");
  database.run(
      "UPDATE list_drivers SET served_at = NULL, slot_wanted_until = now() WHERE list_id = " +
      std::to_string(b.list.id));
  CHECK(take(claim_entries(database.connection, a.lease, {4, 20})).claims.size() == 4);
}

TEST_CASE(
    "store.claim: a list of a higher priority that has no use for a slot lets others go first") {
  Running low(9);
  auto settings = new_list("urgent");
  settings.settings.priority = 10;
  settings.settings.concurrency = 100;
  settings.settings.calls_per_second = 0.1;
  const auto urgent = take(create_list(low.connection, low.tenant.id, settings, numbers(9, 100)));
  take(start_list(low.connection, low.tenant.id, urgent.id));
  const auto lease = take(acquire_lease(low.connection, urgent.id, "driver", kTtl));
  CHECK(low.no_claim() == NoClaim::no_slot);
  const auto first = take(claim_next(low.connection, lease));
  check(mark_sending(low.connection, lease, first.claim->attempt_id));
  low.claim();  // the next call of the urgent one is ten seconds away
  CHECK(take(explain_entry(low.connection, low.tenant.id, "spring/5")).verdict == "now");
  low.run("UPDATE attempts SET sent_at = now() - interval '9.5 s' WHERE sent_at IS NOT NULL");
  CHECK(low.no_claim() == NoClaim::no_slot);
  take(put_callers(low.connection, low.tenant.id, "sales", {"+972500000001"}, 1));
  low.run(
      "UPDATE lists SET from_number = NULL, caller_pool_id = (SELECT id FROM caller_pools) "
      "WHERE name = 'urgent'");
  low.run("UPDATE attempts SET from_number = '+972500000001' WHERE list_id = " +
          std::to_string(urgent.id));
  low.claim();  // each of its numbers is in a call
}

TEST_CASE("store.claim: a list of a higher priority goes first while it can") {
  Running low(2);
  auto settings = new_list("urgent");
  settings.settings.priority = 10;
  settings.settings.concurrency = 1;
  const auto urgent = take(create_list(low.connection, low.tenant.id, settings, numbers(2, 100)));
  take(start_list(low.connection, low.tenant.id, urgent.id));
  CHECK(low.no_claim() == NoClaim::no_slot);
  const auto lease = take(acquire_lease(low.connection, urgent.id, "driver", kTtl));
  REQUIRE(take(claim_next(low.connection, lease)).claim);
  CHECK(low.claim().n == 1);  // the urgent one has its slot in use
}
