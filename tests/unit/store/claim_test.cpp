#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "core/store/dialing.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

TEST_CASE("store.claim: entries are claimed in order, each once, up to the list's slots") {
  auto with = new_list();
  with.settings.concurrency = 2;
  Running running(3, with);
  const auto first = running.claim();
  const auto second = running.claim();
  CHECK(first.to_number == "+972501000001");
  CHECK(second.to_number == "+972501000002");
  CHECK(first.n == 1);
  CHECK(first.token.size() == 32);
  CHECK(first.token != second.token);
  CHECK(first.from_number == "+972500000000");
  CHECK(running.entry(first).state == EntryState::dialing);
  CHECK(running.no_claim() == NoClaim::no_slot);
  check(drop_intent(running.connection, running.lease, first.attempt_id, milliseconds(0)));
  CHECK(running.claim().entry_id == first.entry_id);
}

TEST_CASE("store.claim: of the entries that are due those of a higher priority go first") {
  Database database;
  auto rows = numbers(4);
  rows[1].priority = -1;
  rows[2].priority = 5;
  rows[3].priority = 5;
  const auto list = take(create_list(database.connection, database.tenant.id, new_list(), rows));
  take(start_list(database.connection, database.tenant.id, list.id));
  const auto lease = take(acquire_lease(database.connection, list.id, "driver", kTtl));
  database.run("UPDATE entries SET next_attempt_at = now() + interval '1 h' WHERE seq = 4");
  std::vector<std::string> order;
  for (int i = 0; i < 3; ++i)
    order.push_back(take(claim_next(database.connection, lease)).claim->to_number);
  CHECK(order == std::vector{*rows[2].phone, *rows[0].phone, *rows[1].phone});
  CHECK(take(entries(database.connection, database.tenant.id, list.id))[2].priority == 5);
}

TEST_CASE("store.claim: several at once, in order, as many as there are slots") {
  auto with = new_list();
  with.settings.concurrency = 3;
  Running running(5, with);
  const auto result = take(claim_entries(running.connection, running.lease, {0, 20}));
  REQUIRE(result.claims.size() == 3);
  CHECK(result.claims[0].to_number == "+972501000001");
  CHECK(result.claims[2].to_number == "+972501000003");
  CHECK(result.claims[0].token != result.claims[1].token);
  CHECK(result.claims[0].n == 1);
  for (const auto& claim : result.claims) {
    CHECK(running.attempt(claim).state == AttemptState::intent);
    CHECK(running.attempt(claim).to_number == claim.to_number);
    CHECK(running.entry(claim).state == EntryState::dialing);
    CHECK(running.entry(claim).phone == claim.to_number);
  }
  CHECK(running.no_claim() == NoClaim::no_slot);
}

TEST_CASE("store.claim: why nothing can be claimed") {
  Running running(1);
  const auto claim = running.send();
  CHECK(running.no_claim() == NoClaim::all_claimed);
  check(settle_rejected(running.connection, running.lease, claim.attempt_id, "21211", "invalid"));
  CHECK(running.no_claim() == NoClaim::all_done);
  take(pause_list(running.connection, running.tenant.id, running.list.id));
  CHECK(running.no_claim() == NoClaim::list_not_running);
}

TEST_CASE("store.claim: an entry that waits says when it is due") {
  Running running(1);
  const auto claim = running.claim();
  check(drop_intent(running.connection, running.lease, claim.attempt_id, milliseconds(60000)));
  const auto result = take(claim_next(running.connection, running.lease));
  CHECK_FALSE(result.claim.has_value());
  CHECK(result.why == NoClaim::not_due);
  CHECK(result.next_due > milliseconds(30000));
  CHECK(result.next_due <= milliseconds(60000));
}

TEST_CASE("store.claim: two claimers at once never get the same entry") {
  constexpr int kEntries = 60;
  auto with = new_list();
  with.settings.concurrency = 1000;
  Running running(kEntries, with);
  std::vector<std::vector<std::int64_t>> got(4);
  std::atomic<bool> failed{false};
  {
    std::vector<std::jthread> threads;
    for (auto& mine : got) {
      threads.emplace_back([&] {
        auto connection = support::connect(running.url);
        while (true) {
          auto result = claim_next(connection, running.lease);
          if (!result.ok()) failed = true;
          if (!result.ok() || !result->claim) return;
          mine.push_back(result->claim->entry_id);
        }
      });
    }
  }
  CHECK_FALSE(failed);
  std::multiset<std::int64_t> all;
  for (const auto& mine : got) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == kEntries);
  CHECK(std::set<std::int64_t>(all.begin(), all.end()).size() == kEntries);
}

TEST_CASE("store.claim: claimers at once never take more slots than the list has") {
  auto with = new_list();
  with.settings.concurrency = 5;
  Running running(40, with);
  std::atomic<int> claims{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        auto connection = support::connect(running.url);
        for (int k = 0; k < 10; ++k) {
          auto result = claim_next(connection, running.lease);
          if (result.ok() && result->claim) ++claims;
        }
      });
    }
  }
  CHECK(claims == 5);
}

TEST_CASE("store.claim: a number in a call is not dialed for another list of the same caller") {
  Running running(1);
  running.place();
  auto other = new_list("other");
  const auto list = take(create_list(running.connection, running.tenant.id, other, numbers(1)));
  take(start_list(running.connection, running.tenant.id, list.id));
  const auto lease = take(acquire_lease(running.connection, list.id, "driver", kTtl));
  const auto blocked = take(claim_next(running.connection, lease));
  CHECK_FALSE(blocked.claim.has_value());
  CHECK(blocked.why == NoClaim::not_due);
}

TEST_CASE("store.claim: the database refuses a second open attempt, whoever asks") {
  Running running(2);
  const auto claim = running.claim();
  const std::string copy =
      "INSERT INTO attempts (tenant_id, list_id, entry_id, n, state, token, epoch, to_number, "
      "from_number) SELECT tenant_id, list_id, ";
  const std::string rest = " FROM attempts WHERE id = '" + claim.attempt_id + "'";
  const std::string token = "'0123456789abcdef0123456789abcdef'";
  // The same entry, another number.
  CHECK_THROWS_WITH(running.run(copy + "entry_id, n + 1, 'intent', " + token +
                                ", epoch, '+15550001111', "
                                "from_number" +
                                rest),
                    Catch::Contains("attempts_one_open_per_entry"));
  // Another entry, the same number from the same caller.
  CHECK_THROWS_WITH(running.run(copy + "entry_id + 1, 1, 'unknown', " + token +
                                ", epoch, to_number, from_number" + rest),
                    Catch::Contains("attempts_one_open_per_number"));
  // A closed one beside it is fine.
  CHECK_NOTHROW(running.run(copy + "entry_id, n + 1, 'ended', " + token +
                            ", epoch, to_number, from_number" + rest));
}

TEST_CASE("store.claim: an entry past its time expires instead of being dialed") {
  Database database;
  auto rows = numbers(2);
  rows[0].not_after = wall_now() - std::chrono::hours(1);
  rows[1].not_after = wall_now() + std::chrono::hours(1);
  const auto list = take(create_list(database.connection, database.tenant.id, new_list(), rows));
  take(start_list(database.connection, database.tenant.id, list.id));
  const auto lease = take(acquire_lease(database.connection, list.id, "driver", kTtl));
  const auto result = take(claim_next(database.connection, lease));
  REQUIRE(result.claim.has_value());
  CHECK(result.claim->to_number == *rows[1].phone);
  const auto read = take(entries(database.connection, database.tenant.id, list.id));
  CHECK(read[0].outcome == Outcome::expired);
  CHECK(read[0].reason == "not_after");
}

TEST_CASE("store.lease: one driver at a time, and every takeover has a higher epoch") {
  Running running(1);
  const auto other = acquire_lease(running.connection, running.list.id, "second", kTtl);
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().code == Errc::conflict);
  CHECK(other.error().context.find("driver") != std::string::npos);
  CHECK(renew_lease(running.connection, running.lease, kTtl).ok());
  CHECK(take(lists_without_driver(running.connection)).empty());

  check(release_lease(running.connection, running.lease));
  CHECK(take(lists_without_driver(running.connection)) ==
        std::vector<std::int64_t>{running.list.id});
  CHECK(renew_lease(running.connection, running.lease, kTtl).error().code == Errc::conflict);
  const auto next = take(acquire_lease(running.connection, running.list.id, "second", kTtl));
  CHECK(next.epoch == running.lease.epoch + 1);
  check(release_lease(running.connection, running.lease));  // the old one releases nothing
  CHECK(renew_lease(running.connection, next, kTtl).ok());
}

TEST_CASE("store.lease: a driver that lost its lease can never act again") {
  Running running(3);
  const auto sent = running.send();
  const auto intent = running.claim();
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  const auto old = running.lease;
  running.lease = take(acquire_lease(running.connection, running.list.id, "second", kTtl));

  CHECK(claim_next(running.connection, old).error().code == Errc::conflict);
  CHECK(mark_sending(running.connection, old, intent.attempt_id).error().code == Errc::conflict);
  CHECK(complete_if_done(running.connection, old).error().code == Errc::conflict);
  CHECK(pause_list(running.connection, old, "x").error().code == Errc::conflict);
  // What it had sent may be a call; what it had only claimed waits again.
  CHECK(running.attempt(sent).state == AttemptState::unknown);
  CHECK(running.entry(sent).state == EntryState::dialing);
  CHECK(find_attempt(running.connection, running.tenant.id, intent.attempt_id).error().code ==
        Errc::not_found);
  CHECK(running.claim().entry_id == intent.entry_id);
  // The answer to its request is a fact all the same.
  check(settle_placed(running.connection, old, sent.attempt_id, sid_of(9)));
  CHECK(running.attempt(sent).state == AttemptState::placed);
  CHECK(running.attempt(sent).call_sid == sid_of(9));
}

TEST_CASE("store.lease: an expired lease does not act, even before anybody takes over") {
  Running running(1);
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  CHECK(claim_next(running.connection, running.lease).error().code == Errc::conflict);
  CHECK(renew_lease(running.connection, running.lease, kTtl).error().code == Errc::conflict);
}

TEST_CASE("store.claim: nothing is sent once the list is paused") {
  Running running(1);
  const auto claim = running.claim();
  take(pause_list(running.connection, running.tenant.id, running.list.id));
  CHECK(mark_sending(running.connection, running.lease, claim.attempt_id).error().code ==
        Errc::conflict);
  check(drop_intent(running.connection, running.lease, claim.attempt_id, milliseconds(0)));
  CHECK(running.entry(claim).state == EntryState::pending);
}

TEST_CASE("store.claim: an intent dropped after a cancel is cancelled with the rest") {
  Running running(1);
  const auto claim = running.claim();
  take(cancel_list(running.connection, running.tenant.id, running.list.id));
  CHECK(running.entry(claim).state == EntryState::dialing);
  check(drop_intent(running.connection, running.lease, claim.attempt_id, milliseconds(0)));
  CHECK(running.entry(claim).outcome == Outcome::cancelled);
}

TEST_CASE("store.claim: a list is completed when the last call has ended, not before") {
  Running running(1);
  CHECK_FALSE(take(complete_if_done(running.connection, running.lease)));
  const auto claim = running.place();
  CHECK_FALSE(take(complete_if_done(running.connection, running.lease)));
  running.event(claim, CallStatus::completed);
  CHECK(take(complete_if_done(running.connection, running.lease)));
  CHECK(take(load_list(running.connection, running.list.id)).state == ListState::completed);
  CHECK(take(load_list(running.connection, running.list.id)).finished_at.has_value());
}

TEST_CASE("store.claim: a list that cannot go on says why") {
  Running running(1);
  check(pause_list(running.connection, running.lease, "the carrier refused the credentials"));
  const auto list = take(load_list(running.connection, running.list.id));
  CHECK(list.state == ListState::paused);
  CHECK(list.reason == "the carrier refused the credentials");
  CHECK(take(start_list(running.connection, running.tenant.id, list.id)).list.reason.empty());
}
