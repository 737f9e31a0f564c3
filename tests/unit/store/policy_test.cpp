// The policy at work: what a claim, a send and the end of a call make of it. Times are PostgreSQL's, so
// the cases move the past, not the clock.
#include <fmt/format.h>

#include "core/policy/policy.hpp"
#include "core/policy/zone.hpp"
#include "core/store/brakes.hpp"
#include "core/store/dnc.hpp"
#include "core/store/explain.hpp"
#include "core/store/policies.hpp"
#include "core/store/records.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

namespace {

/// A running list that goes by a policy.
struct Governed : Running {
  explicit Governed(std::string_view toml, int entries = 1, NewList with = new_list())
      : Running(entries, std::move(with)) {
    set(toml);
    check(update_list(connection, tenant.id, list.id, {{}, {}, "p"}));
  }
  void set(std::string_view toml) {
    take(put_policy(connection, tenant.id, "p", take(policy::policy_from_toml(toml, "test"))));
  }
  /// What stands in the list's first entry.
  std::string first(const std::string& column) {
    return value("SELECT " + column + " FROM entries ORDER BY seq LIMIT 1");
  }
};

/// A policy that is closed for some hours around now, everywhere.
std::string closed_now() {
  const auto hour = std::chrono::floor<std::chrono::hours>(wall_now().time_since_epoch()).count();
  const auto opens = (hour + 12) % 24;  // UTC; the entries say so
  return fmt::format("[hours]\nmon-sun = [\"{:02}:00-{:02}:59\"]", opens, opens);
}

const char* const kUtc = "UPDATE entries SET timezone = 'UTC'";

}  // namespace

TEST_CASE("store.policy: outside the hours entries are put off with time and reason, all of them") {
  Governed list(closed_now(), 450);
  list.run(kUtc);
  const auto result = take(claim_next(list.connection, list.lease));
  CHECK_FALSE(result.claim);
  CHECK(result.why == NoClaim::not_due);
  CHECK(result.idle);
  CHECK(result.next_due > std::chrono::hours(9));
  CHECK(list.value("SELECT count(*) FROM entries WHERE reason = 'window' AND state = 'pending' AND "
                   "next_attempt_at > now()") == "450");
  CHECK(take(lists_without_driver(list.connection)).empty());  // it sleeps
}

TEST_CASE("store.policy: a policy that changes is asked again at once") {
  Governed list(closed_now(), 2);
  list.run(kUtc);
  CHECK(list.no_claim() == NoClaim::not_due);
  list.set("");
  CHECK(list.claim().n == 1);
}

TEST_CASE("store.policy: the evening that begins between claim and send stops the call") {
  Governed list("");
  list.run(kUtc);
  const auto claimed = list.claim();
  list.set(closed_now());
  const auto marked = mark_sending(list.connection, list.lease, claimed.attempt_id);
  REQUIRE_FALSE(marked);
  CHECK(marked.error().code == Errc::permission);
  CHECK(list.value("SELECT count(*) FROM attempts") == "0");
  CHECK(list.first("state || ' ' || reason") == "pending window");
}

TEST_CASE("store.policy: a stored policy that cannot be read stops dialing") {
  Governed list("");
  list.run("UPDATE policies SET document = '{\"hours\": 7}'");
  CHECK(take(explain_entry(list.connection, list.tenant.id, "spring/1"))
            .summary.find("nothing is dialed") != std::string::npos);
  CHECK(list.no_claim() == NoClaim::list_not_running);
  const auto paused = take(load_list(list.connection, list.list.id));
  CHECK(paused.state == ListState::paused);
  CHECK(paused.reason.find("nothing is dialed") != std::string::npos);
}

TEST_CASE("store.policy: a number without a zone is refused under hours, and the reason is kept") {
  Governed list(closed_now());
  list.run("UPDATE entries SET phone = '+999123456789'");
  CHECK(list.no_claim() == NoClaim::all_done);
  CHECK(list.first("outcome || ' ' || reason") == "refused zone_unknown");
}

TEST_CASE("store.dnc: a listed number is never claimed, by whatever rule it matches") {
  for (const auto* pattern : {"+972501000001", "+97250*", "+9*"}) {
    Running list(1);
    take(add_dnc(list.connection, list.tenant.id, {pattern}));
    CHECK(list.no_claim() == NoClaim::all_done);
    CHECK(list.value("SELECT outcome || ' ' || reason FROM entries") == "refused dnc");
  }
}

TEST_CASE("store.dnc: a rule for everybody holds, another tenant's does not") {
  Running list(2);
  const auto other = take(create_tenant(list.connection, "other"));
  take(add_dnc(list.connection, other.id, {"+972501000001"}));
  take(add_dnc(list.connection, std::nullopt, {"+972501000002"}));
  CHECK(list.claim().to_number == "+972501000001");
  CHECK(list.no_claim() == NoClaim::all_claimed);
  CHECK(take(dnc_rules(list.connection, list.tenant.id)).size() == 1);
  CHECK(take(dnc_rules(list.connection, other.id)).size() == 2);
  CHECK_FALSE(remove_dnc(list.connection, list.tenant.id, "+972501000002"));  // not its own
  CHECK_FALSE(remove_dnc(list.connection, list.tenant.id, "+972501000001"));
}

TEST_CASE("store.dnc: a number that is listed after the claim is not called") {
  Running list(1);
  const auto claimed = list.claim();
  take(add_dnc(list.connection, list.tenant.id, {"+97250*"}, "asked to be left alone"));
  const auto marked = mark_sending(list.connection, list.lease, claimed.attempt_id);
  REQUIRE_FALSE(marked);
  CHECK(marked.error().code == Errc::permission);
  CHECK(list.entry(claimed).reason == "dnc");
  CHECK(list.value("SELECT count(*) FROM attempts") == "0");
  CHECK(list.no_claim() == NoClaim::all_done);
}

TEST_CASE("store.dnc: a registry is replaced as a whole, and its age counts") {
  Governed list("[registry]\nname = \"r\"\nat_most_old = \"31d\"", 2);
  CHECK(list.no_claim() == NoClaim::not_due);
  CHECK(list.first("reason") == "registry_stale");
  CHECK(take(import_registry(list.connection, list.tenant.id, "r", {"+972501000001", "+4420*"})) ==
        2);
  CHECK(take(import_registry(list.connection, list.tenant.id, "r", {"+972501000001"})) == 1);
  CHECK(take(registry_size(list.connection, list.tenant.id, "r")) == 1);
  CHECK(take(registry_size(list.connection, std::nullopt, "r")) == 0);
  list.run("UPDATE entries SET next_attempt_at = now()");
  CHECK(list.claim().to_number == "+972501000002");
  CHECK(list.first("reason") == "dnc");
  list.run("UPDATE dnc_registries SET read_at = now() - interval '32 days'");
  list.run(
      "UPDATE entries SET state = 'pending', outcome = NULL; DELETE FROM attempts; DELETE "
      "FROM dnc");
  CHECK(list.no_claim() == NoClaim::not_due);
}

TEST_CASE("store.dnc: what is no pattern is named, and nothing is written") {
  Database database;
  const auto wrong =
      add_dnc(database.connection, database.tenant.id, {"+14155550123", "1415*", "+*"});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().context.find("\"1415*\"") == 0);
  CHECK(database.value("SELECT count(*) FROM dnc") == "0");
}

TEST_CASE(
    "store.policy: attempts at a number count over all lists of the tenant, not over others'") {
  const auto* cap = "[attempts]\nper_number = [{ calls = 2, within = \"24h\" }]";
  Governed first(cap);
  const auto claimed = first.place(1);
  first.event(claimed, CallStatus::no_answer, 1);

  const auto second =
      take(create_list(first.connection, first.tenant.id, new_list("second"), numbers(1)));
  check(update_list(first.connection, first.tenant.id, second.id, {{}, {}, "p"}));
  take(start_list(first.connection, first.tenant.id, second.id));
  const auto lease = take(acquire_lease(first.connection, second.id, "driver", kTtl));
  const auto again = take(claim_next(first.connection, lease));
  REQUIRE(again.claim);
  check(mark_sending(first.connection, lease, again.claim->attempt_id));
  check(settle_placed(first.connection, lease, again.claim->attempt_id, sid_of(2)));
  take(apply_event(first.connection,
                   Running::status_event(again.claim->token, CallStatus::busy, 2)));

  const auto third =
      take(create_list(first.connection, first.tenant.id, new_list("third"), numbers(1)));
  check(update_list(first.connection, first.tenant.id, third.id, {{}, {}, "p"}));
  take(start_list(first.connection, first.tenant.id, third.id));
  const auto third_lease = take(acquire_lease(first.connection, third.id, "driver", kTtl));
  CHECK(take(claim_next(first.connection, third_lease)).why == NoClaim::not_due);
  CHECK(first.value("SELECT reason FROM entries WHERE list_id = " + std::to_string(third.id)) ==
        "cap");

  const auto stranger = take(create_tenant(first.connection, "stranger"));
  take(put_policy(first.connection, stranger.id, "p", take(policy::policy_from_toml(cap, "t"))));
  auto theirs = new_list();
  theirs.settings.policy = "p";
  const auto foreign = take(create_list(first.connection, stranger.id, theirs, numbers(1)));
  take(start_list(first.connection, stranger.id, foreign.id));
  const auto foreign_lease = take(acquire_lease(first.connection, foreign.id, "driver", kTtl));
  CHECK(take(claim_next(first.connection, foreign_lease)).claim.has_value());
}

TEST_CASE("store.policy: a conversation is rested from since its end") {
  Governed list("[attempts]\nafter_conversation = \"1h\"", 1);
  const auto claimed = list.place(1);
  list.event(claimed, CallStatus::in_progress, 1);
  list.event(claimed, CallStatus::completed, 1);
  list.run(
      "UPDATE attempts SET sent_at = now() - interval '2 h', answered_at = now() - interval "
      "'2 h', ended_at = now() - interval '30 min'; UPDATE entries SET state = 'pending', "
      "outcome = NULL");
  CHECK(list.no_claim() == NoClaim::not_due);
  CHECK(list.first("reason") == "after_conversation");
  list.run(
      "UPDATE attempts SET ended_at = now() - interval '61 min'; UPDATE entries SET "
      "next_attempt_at = now()");
  CHECK(list.claim().n == 2);
}

TEST_CASE("store.policy: rest after a conversation") {
  Governed list("[attempts]\nafter_conversation = \"7d\"");
  const auto claimed = list.place(1);
  list.event(claimed, CallStatus::in_progress, 1);
  list.event(claimed, CallStatus::completed, 1);
  const auto second =
      take(create_list(list.connection, list.tenant.id, new_list("second"), numbers(1)));
  check(update_list(list.connection, list.tenant.id, second.id, {{}, {}, "p"}));
  take(start_list(list.connection, list.tenant.id, second.id));
  const auto lease = take(acquire_lease(list.connection, second.id, "driver", kTtl));
  CHECK(take(claim_next(list.connection, lease)).why == NoClaim::not_due);
  CHECK(list.value("SELECT reason FROM entries WHERE list_id = " + std::to_string(second.id)) ==
        "after_conversation");
  list.run(
      "UPDATE attempts SET created_at = now() - interval '8 days', sent_at = now() - interval "
      "'8 days'; UPDATE entries SET next_attempt_at = now()");
  CHECK(take(claim_next(list.connection, lease)).claim.has_value());
}

TEST_CASE("store.policy: each outcome has its own retries") {
  auto with = new_list();
  with.settings.max_attempts = 1;
  Governed list("[retry.busy]\nafter = [\"60s\", \"1h\"]\nmax_attempts = 3", 2, with);
  auto claimed = list.place(1);
  list.event(claimed, CallStatus::busy, 1);
  CHECK(list.entry(claimed).state == EntryState::retry_wait);
  CHECK(list.first("round(extract(epoch FROM next_attempt_at - now()) / 10)") == "6");
  list.run("UPDATE entries SET next_attempt_at = now() WHERE state = 'retry_wait'");
  const auto other = list.place(2);  // the list's second entry was due first
  list.event(other, CallStatus::no_answer, 2);
  CHECK(list.entry(other).outcome == Outcome::no_answer);  // no rule: the list's one attempt
  claimed = list.place(3);
  CHECK(claimed.n == 2);
  list.event(claimed, CallStatus::busy, 3);
  CHECK(list.first("round(extract(epoch FROM next_attempt_at - now()) / 60)") == "60");
  list.run("UPDATE entries SET next_attempt_at = now() WHERE state = 'retry_wait'");
  claimed = list.place(4);
  list.event(claimed, CallStatus::busy, 4);
  CHECK(list.entry(claimed).outcome == Outcome::busy);
}

TEST_CASE("store.policy: the ring time has a floor") {
  auto with = new_list();
  with.settings.ring_timeout = std::chrono::seconds(20);
  Governed list("[ring]\nat_least = \"45s\"", 2, with);
  CHECK(list.claim().ring_timeout == std::chrono::seconds(45));
  list.set("");
  CHECK(list.claim().ring_timeout == std::chrono::seconds(20));
}

TEST_CASE("store.lists: a scheduled list waits for its time, also when it is paused meanwhile") {
  Database database;
  const auto list =
      take(create_list(database.connection, database.tenant.id, new_list(), numbers(1)));
  const auto later = wall_now() + std::chrono::hours(1);
  auto change = take(schedule_list(database.connection, database.tenant.id, list.id, later));
  CHECK(change.list.state == ListState::running);
  CHECK(change.jobs.empty());
  CHECK(take(lists_without_driver(database.connection)).empty());
  const auto lease = take(acquire_lease(database.connection, list.id, "driver", kTtl));
  const auto early = take(claim_next(database.connection, lease));
  CHECK(early.why == NoClaim::not_due);
  CHECK(early.next_due > std::chrono::minutes(59));
  check(release_lease(database.connection, lease));

  take(pause_list(database.connection, database.tenant.id, list.id));
  CHECK(take(start_list(database.connection, database.tenant.id, list.id)).jobs.empty());
  database.run("UPDATE lists SET start_at = now() - interval '1 s'");
  CHECK(take(lists_without_driver(database.connection)).size() == 1);
  const auto again = take(acquire_lease(database.connection, list.id, "driver", kTtl));
  CHECK(take(claim_next(database.connection, again)).claim);
  CHECK(database.value("SELECT started_at >= start_at AND resumed_at >= start_at FROM lists") ==
        "t");
  check(release_lease(database.connection, again));
  database.run("UPDATE lists SET start_at = now() + interval '1 h'");
  change = take(start_list(database.connection, database.tenant.id, list.id));  // now, after all
  CHECK(change.jobs.size() == 1);
  CHECK_FALSE(change.list.start_at);
}

TEST_CASE("store.brakes: a list that fails too much pauses itself, and goes on when told to") {
  Governed list("[breaker]\nfailed_percent = 50\nwithin = \"2m\"\nleast_calls = 4", 10);
  for (int i = 1; i <= 4; ++i) {
    const auto claimed = list.place(i);
    list.event(claimed, i <= 2 ? CallStatus::completed : CallStatus::failed, i);
  }
  CHECK(take(brake_if_needed(list.connection, list.lease)).empty());  // half is not more than half
  list.event(list.place(5), CallStatus::failed, 5);
  CHECK(take(brake_if_needed(list.connection, list.lease)).find("3 of 5 calls failed") !=
        std::string::npos);
  CHECK(list.value("SELECT state FROM lists") == "paused");
  CHECK(list.no_claim() == NoClaim::list_not_running);
  CHECK(take(start_list(list.connection, list.tenant.id, list.list.id)).list.reason.empty());
  CHECK(take(brake_if_needed(list.connection, list.lease)).empty());
}

TEST_CASE("store.lists: the abandon rate counts people who answered and heard nothing for 2 s") {
  Running list(6);
  for (int i = 1; i <= 6; ++i) {
    const auto claimed = list.place(i);
    list.event(claimed, CallStatus::in_progress, i);
    if (i == 6) {
      auto machine = Running::status_event(claimed.token, CallStatus::in_progress, i);
      machine.kind = EventKind::amd;
      machine.status.reset();
      machine.answered_by = "machine_start";
      take(apply_event(list.connection, machine));
    }
    list.event(claimed, CallStatus::completed, i);
  }
  // In order: heard in time, too late, nothing and long over, nothing yet, left at once, a machine.
  list.run(
      "UPDATE attempts a SET answered_at = now() - interval '1 h', ended_at = now() - interval '59 "
      "min', first_audio_at = now() - interval '1 h' + CASE a.to_number WHEN '+972501000001' THEN "
      "interval '1.9 s' WHEN '+972501000002' THEN interval '2.1 s' END");
  list.run("UPDATE attempts SET ended_at = now() WHERE to_number = '+972501000004'");
  list.run(
      "UPDATE attempts SET ended_at = answered_at + interval '1 s' WHERE to_number = "
      "'+972501000005'");
  const auto counts = take(list_summary(list.connection, list.tenant.id, list.list.id)).counts;
  CHECK(counts.abandoned_24h.answered == 5);
  CHECK(counts.abandoned_24h.silent == 2);
  CHECK(counts.abandoned_30d.percent() == 40.0);
  list.run("UPDATE attempts SET created_at = now() - interval '2 days'");
  const auto later = take(list_summary(list.connection, list.tenant.id, list.list.id)).counts;
  CHECK(later.abandoned_24h.answered == 0);
  CHECK(later.abandoned_30d.answered == 5);

  take(put_policy(list.connection, list.tenant.id, "p",
                  take(policy::policy_from_toml(
                      "[abandoned]\nat_most_percent = 3\nover = \"30d\"\nleast_calls = 5", "t"))));
  check(update_list(list.connection, list.tenant.id, list.list.id, {{}, {}, "p"}));
  CHECK(take(brake_if_needed(list.connection, list.lease)).find("2 of 5 people") !=
        std::string::npos);
}

TEST_CASE("store.records: the first sound comes with the record") {
  Running list(1);
  const auto claimed = list.place(1);
  NewCallRecord record;
  record.call_sid = sid_of(1);
  record.attempt_id = claimed.attempt_id;
  record.path = "/tmp/x";
  record.agent = "survey";
  record.record_json = "{}";
  record.started_at = wall_now();
  record.first_audio_at = wall_now();
  check(put_call_record(list.connection, record));
  CHECK(list.value("SELECT first_audio_at IS NOT NULL FROM attempts") == "t");
}

TEST_CASE("store.explain: why not, why, and when") {
  Governed list(closed_now(), 3);
  list.run(kUtc);
  const auto by_line = [&](int line) {
    return take(explain_entry(list.connection, list.tenant.id, "spring/" + std::to_string(line)));
  };
  auto said = by_line(1);
  CHECK(said.verdict == "later");
  CHECK(said.policy == "p");
  REQUIRE(said.next);
  CHECK(*said.next > wall_now() + std::chrono::hours(9));
  CHECK(said.summary.find("hours") != std::string::npos);

  take(pause_list(list.connection, list.tenant.id, list.list.id));
  CHECK(by_line(1).verdict == "blocked");
  take(start_list(list.connection, list.tenant.id, list.list.id));

  list.set("");
  CHECK(by_line(1).verdict == "now");
  list.run(
      "UPDATE entries SET not_after = now() + interval '1 h', next_attempt_at = now() + "
      "interval '2 h' WHERE seq = 2");
  CHECK(by_line(2).verdict == "never");
  CHECK(by_line(2).summary.find("will expire") == 0);
  take(add_dnc(list.connection, list.tenant.id, {"+972501000003"}));
  CHECK(by_line(3).summary.find("will not be called: dnc: matches +972501000003") == 0);

  list.run("UPDATE entries SET next_attempt_at = now(), not_after = now() WHERE seq = 2");
  const auto claimed = list.place(1);
  CHECK(list.no_claim() == NoClaim::all_claimed);
  CHECK(by_line(3).summary.find("refused (dnc: matches +972501000003") == 0);
  REQUIRE(by_line(3).reasons.size() == 1);
  CHECK(by_line(3).reasons[0].question == "dnc");
  CHECK(by_line(3).reasons[0].answer == "no");
  CHECK(by_line(2).reasons[0].question == "not_after");
  CHECK(by_line(1).verdict == "in_progress");
  list.event(claimed, CallStatus::completed, 1);
  said = take(explain_entry(list.connection, list.tenant.id, std::to_string(claimed.entry_id)));
  CHECK(said.verdict == "done");
  CHECK(said.summary == "completed, after 1 attempt(s)");
  CHECK(said.attempts.size() == 1);
  const auto stranger = take(create_tenant(list.connection, "stranger"));
  CHECK(explain_entry(list.connection, stranger.id, "spring/1").error().code == Errc::not_found);
  CHECK(
      explain_entry(list.connection, stranger.id, std::to_string(claimed.entry_id)).error().code ==
      Errc::not_found);
}

TEST_CASE("store.policies: made, replaced, used, removed") {
  Database database;
  auto& connection = database.connection;
  const auto id = database.tenant.id;
  CHECK(put_policy(connection, id, "p", "{\"colour\": 1}").error().code == Errc::invalid_argument);
  take(put_policy(connection, id, "p", "{}"));
  take(put_policy(connection, id, "p", "{\"description\": \"mild\"}"));
  CHECK(take(policies(connection, id)).size() == 1);
  check(set_tenant_limits(connection, id, {10, 2.5, "p"}));
  CHECK(take(tenant_limits(connection, id)).policy == "p");
  CHECK(remove_policy(connection, id, "p").error().code == Errc::conflict);
  check(set_tenant_limits(connection, id, {}));
  check(remove_policy(connection, id, "p"));
  CHECK(remove_policy(connection, id, "p").error().code == Errc::not_found);
  CHECK(set_tenant_limits(connection, id, {10, 2.5, "p"}).error().code == Errc::not_found);
  auto with = new_list();
  with.settings.policy = "p";
  CHECK(create_list(connection, id, with, numbers(1)).error().code == Errc::not_found);
}

TEST_CASE("store.policy: our time zones are PostgreSQL's") {
  Database database;
  const auto rows = support::sql(
      database.url,
      "SELECT name, extract(epoch FROM at)::bigint, extract(epoch FROM (at AT TIME ZONE name) - "
      "(at AT TIME ZONE 'UTC'))::bigint FROM pg_timezone_names CROSS JOIN generate_series("
      "timestamptz '2024-01-01 00:30Z', timestamptz '2040-01-01Z', interval '97 hours 13 minutes') "
      "AS at WHERE name ~ '^(America|Asia|Europe|Africa|Australia|Pacific)/' AND name !~ 'posix'");
  CHECK(rows.size() > 100'000);
  for (const auto& row : rows) {
    const auto zone = policy::find_zone(row[0]);
    if (!zone) FAIL(zone.error().to_string());
    const policy::UtcTime at(std::chrono::seconds(std::stoll(row[1])));
    if ((*zone)->offset_at(at).count() != std::stoll(row[2]))
      FAIL(row[0] << " at " << row[1] << ": " << (*zone)->offset_at(at).count() << ", not "
                  << row[2]);
  }
}

TEST_CASE("store.migrate: every table is fenced, or closed to whoever acts for a tenant") {
  Database database;
  const auto rows = support::sql(
      database.url,
      "SELECT c.relname, c.relrowsecurity, EXISTS (SELECT FROM pg_policies p WHERE p.tablename = "
      "c.relname), has_table_privilege('calld_api', c.oid, 'SELECT, INSERT, UPDATE, DELETE') FROM "
      "pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', "
      "'m') ORDER BY 1");
  CHECK(rows.size() >= 15);
  for (const auto& row : rows) {
    INFO(row[0]);
    const bool fenced = row[1] == "t" && row[2] == "t";
    CHECK((fenced || row[3] == "f"));
  }
}
