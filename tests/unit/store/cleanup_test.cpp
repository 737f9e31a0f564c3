#include "core/store/cleanup.hpp"

#include <map>
#include <pqxx/pqxx>

#include "core/store/outbox.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

namespace {

std::map<std::string, int> kinds(const std::vector<CleanupAction>& actions) {
  std::map<std::string, int> out;
  for (const auto& action : actions) ++out[action.kind];
  return out;
}

using Kinds = std::map<std::string, int>;

}  // namespace

TEST_CASE("store.cleanup: a live driver's list is left alone") {
  Running running(3);
  running.send();
  running.claim();
  const auto pass = take(cleanup_run(running.connection, {}));
  CHECK(kinds(pass.found) == Kinds{{"relay_job", 1}});
  CHECK(pass.done.empty());
  CHECK(running.value("SELECT count(*) FROM attempts WHERE state IN ('intent', 'sending')") == "2");
}

TEST_CASE("store.cleanup: what a dead driver left is put right, and the journal says so") {
  Running running(3);
  const auto sent = running.send();
  const auto intent = running.claim();
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  const Kinds expected = {
      {"release_lease", 1}, {"sending_to_unknown", 1}, {"undo_intent", 1}, {"relay_job", 1}};

  const auto plan = take(cleanup_plan(running.connection, {}));
  CHECK(kinds(plan.found) == expected);
  CHECK(plan.done.empty());
  CHECK(running.attempt(sent).state == AttemptState::sending);  // a plan changes nothing

  CleanupOptions options;
  options.source = "test";
  const auto pass = take(cleanup_run(running.connection, options));
  CHECK(kinds(pass.found) == expected);
  CHECK(pass.done.size() == 3);
  CHECK(running.attempt(sent).state == AttemptState::unknown);
  CHECK(running.entry(intent).state == EntryState::pending);
  CHECK(pass.before_json.find("\"sending\": 1") != std::string::npos);
  CHECK(pass.after_json.find("\"unknown\": 1") != std::string::npos);

  const auto journal = take(cleanup_passes(running.connection));
  REQUIRE(journal.size() == 1);
  CHECK(journal[0].source == "test");
  CHECK(journal[0].finished_at.has_value());
  CHECK(take(cleanup_pass(running.connection, pass.id)).done.size() == 3);
  CHECK(cleanup_pass(running.connection, 999).error().code == Errc::not_found);

  // A second pass finds nothing of it.
  CHECK(take(cleanup_run(running.connection, options)).done.empty());
}

TEST_CASE("store.cleanup: an unknown attempt past its deadline is shown and left to evidence") {
  Running running(1);
  const auto claim = running.send();
  check(settle_unknown(running.connection, running.lease, claim.attempt_id, "timed out"));
  check(release_lease(running.connection, running.lease));
  CHECK(kinds(take(cleanup_run(running.connection, {})).found) == Kinds{{"relay_job", 1}});
  running.run("UPDATE attempts SET sent_at = now() - interval '2 hours'");
  const auto pass = take(cleanup_run(running.connection, {}));
  CHECK(kinds(pass.found) == Kinds{{"flag_unknown", 1}, {"relay_job", 1}});
  CHECK(pass.done.empty());
  CHECK(running.attempt(claim).state == AttemptState::unknown);
}

TEST_CASE("store.cleanup: a replay does again what is still to be done, and a second one nothing") {
  Running running(2);
  const auto intent = running.claim();
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  const auto pass = take(cleanup_run(running.connection, {}));
  REQUIRE(pass.done.size() == 2);  // the lease and the intent

  const auto idle = take(cleanup_replay(running.connection, pass.id, "test"));
  CHECK(idle.found.size() == 2);
  CHECK(idle.done.empty());
  CHECK(idle.source == "test, replay of " + std::to_string(pass.id));

  // The journal knows the lease; should it be back (a restored database), the replay releases it.
  running.run("UPDATE list_drivers SET holder = '" + pass.done[0].subject + "'");
  const auto again = take(cleanup_replay(running.connection, pass.id, "test"));
  CHECK(kinds(again.done) == Kinds{{"release_lease", 1}});
  CHECK(take(cleanup_replay(running.connection, pass.id, "test")).done.empty());
  CHECK(running.entry(intent).state == EntryState::pending);
  CHECK(cleanup_replay(running.connection, 999, "test").error().code == Errc::not_found);
}

TEST_CASE("store.cleanup: a replay harms no driver that has come since") {
  Running running(2);
  running.claim();
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  const auto pass = take(cleanup_run(running.connection, {}));
  const auto lease = take(acquire_lease(running.connection, running.lease.list_id, "new",
                                        std::chrono::milliseconds(60000)));
  const auto fresh = take(claim_next(running.connection, lease));
  CHECK(take(cleanup_replay(running.connection, pass.id, "test")).done.empty());
  CHECK(running.attempt(*fresh.claim).state == AttemptState::intent);
  check(renew_lease(running.connection, lease, std::chrono::milliseconds(60000)));
}

TEST_CASE("store.cleanup: what was put right elsewhere is journaled with the pass") {
  Running running(1);
  CleanupOptions options;
  options.found_elsewhere = {{"remove_worker", std::nullopt, "host.1", "its record has expired"}};
  options.done_elsewhere = options.found_elsewhere;
  const auto pass = take(cleanup_run(running.connection, options));
  CHECK(kinds(pass.done) == Kinds{{"remove_worker", 1}});
  CHECK(kinds(take(cleanup_pass(running.connection, pass.id)).done) == Kinds{{"remove_worker", 1}});
}

TEST_CASE("store.cleanup: one pass at a time in the whole cluster") {
  Running running(1);
  {
    pqxx::connection other(running.url);
    pqxx::work holder(other);
    holder.exec("SELECT pg_advisory_xact_lock(" + std::to_string(0x63616c6c63) + ")");
    const auto refused = cleanup_run(running.connection, {});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == Errc::conflict);
  }
  CHECK(cleanup_run(running.connection, {}).ok());
}

// What the predecessor's clean-up did to work that was alive (docs/predecessor.md).

TEST_CASE(
    "store.cleanup: predecessor A9.8 a pass for one tenant's dead driver spares the other's") {
  Running dead(2);
  const auto left = dead.send();
  const auto second = take(create_tenant(dead.connection, "second"));
  auto with = new_list("autumn");
  with.settings.from_number = "+972500000001";
  const auto list = take(create_list(dead.connection, second.id, with, numbers(2, 50)));
  take(start_list(dead.connection, second.id, list.id));
  const auto lease = take(acquire_lease(dead.connection, list.id, "alive", kTtl));
  const auto dialing = take(claim_next(dead.connection, lease));
  check(mark_sending(dead.connection, lease, dialing.claim->attempt_id));
  dead.run("UPDATE list_drivers SET expires_at = now() - interval '1 s' WHERE holder = 'driver'");

  const auto pass = take(cleanup_run(dead.connection, {}));
  CHECK(kinds(pass.done) == Kinds{{"release_lease", 1}, {"sending_to_unknown", 1}});
  CHECK(dead.attempt(left).state == AttemptState::unknown);
  CHECK(dead.value("SELECT state FROM attempts WHERE id = '" + dialing.claim->attempt_id + "'") ==
        "sending");
  check(renew_lease(dead.connection, lease, kTtl));
}

TEST_CASE(
    "store.cleanup: predecessor A9.9 a restart fails no list, it goes on with the next driver") {
  Running running(3);
  running.place();
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  take(cleanup_run(running.connection, {}));
  CHECK(running.value("SELECT state FROM lists") == "running");
  CHECK(take(lists_without_driver(running.connection)).size() == 1);
  CHECK(running.value("SELECT count(*) FROM entries WHERE state = 'pending'") == "2");
}

TEST_CASE("store.cleanup: predecessor A9.12 a long call keeps its slot and its entry") {
  Running running(1);
  const auto call = running.place();
  running.run(
      "UPDATE attempts SET created_at = now() - interval '4 hours', sent_at = now() - interval '4 "
      "hours', placed_at = now() - interval '4 hours'");
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  CHECK(kinds(take(cleanup_run(running.connection, {})).done) == Kinds{{"release_lease", 1}});
  CHECK(running.attempt(call).state == AttemptState::placed);
  CHECK(running.entry(call).state == EntryState::dialing);
}

TEST_CASE("store.cleanup: predecessor A7 a call without a SID is neither failed nor dialed again") {
  Running running(1);
  const auto sent = running.send();
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  take(cleanup_run(running.connection, {}));
  CHECK(running.entry(sent).state == EntryState::dialing);
  const auto lease = take(acquire_lease(running.connection, running.list.id, "next", kTtl));
  CHECK_FALSE(take(claim_next(running.connection, lease)).claim);
  CHECK(running.attempt(sent).state == AttemptState::unknown);
}

TEST_CASE("store.cleanup: predecessor A9.23 a pass does what the plan said, and nothing else") {
  Running running(3);
  running.send();
  running.claim();
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  const auto plan = take(cleanup_plan(running.connection, {}));
  const auto pass = take(cleanup_run(running.connection, {}));
  CHECK(kinds(pass.found) == kinds(plan.found));
  for (const auto& [kind, count] : kinds(pass.done)) CHECK(kinds(plan.found).at(kind) == count);
}
