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

TEST_CASE("store.cleanup: an unknown attempt past its deadline is abandoned, a young one is not") {
  Running running(1);
  const auto claim = running.send();
  check(settle_unknown(running.connection, running.lease, claim.attempt_id, "timed out"));
  check(release_lease(running.connection, running.lease));
  CHECK(take(cleanup_run(running.connection, {})).done.empty());
  running.run("UPDATE attempts SET sent_at = now() - interval '2 hours'");
  const auto pass = take(cleanup_run(running.connection, {}));
  CHECK(kinds(pass.done) == Kinds{{"abandon_unknown", 1}});
  CHECK(running.attempt(claim).state == AttemptState::abandoned);
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
