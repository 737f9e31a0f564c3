#include <algorithm>
#include <chrono>

#include "core/policy/policy.hpp"
#include "core/store/cleanup.hpp"
#include "core/store/dnc.hpp"
#include "core/store/policies.hpp"
#include "core/store/records.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

namespace {

constexpr std::chrono::hours kDay{24};

CleanupOptions keep_for(std::chrono::hours recordings, std::chrono::hours personal_data) {
  CleanupOptions options;
  options.source = "test";
  options.retention = {recordings, personal_data};
  return options;
}

std::vector<std::string> done_of(const CleanupPass& pass) {
  std::vector<std::string> out;
  for (const auto& action : pass.done) out.push_back(action.kind + " " + action.subject);
  return out;
}

using Done = std::vector<std::string>;

/// A list of two entries that ended `days` ago: one person was called, then it was cancelled.
struct Ended : Running {
  Claim called;

  explicit Ended(int days) : Running(2) {
    called = place();
    auto event = status_event(called.token, CallStatus::completed, 1);
    event.params_json = R"({"To":")" + called.to_number + R"("})";
    event.error_message = "said to " + called.to_number;
    take(apply_event(connection, event));
    NewCallRecord record;
    record.call_sid = sid_of(1);
    record.path = "/records/2026-01-01/" + sid_of(1);
    record.agent = "survey";
    record.started_at = wall_now();
    record.first_audio_at = wall_now();
    record.record_json = R"({"to":")" + called.to_number + R"("})";
    check(put_call_record(connection, record));
    take(cancel_list(connection, tenant.id, list.id));
    age(days);
  }

  void age(int days) {
    const auto shift = " - " + std::to_string(days) + " * interval '1 day'";
    run("UPDATE lists SET finished_at = finished_at" + shift);
    run("UPDATE attempts SET created_at = created_at" + shift);
    run("UPDATE call_records SET started_at = started_at" + shift);
    run("ALTER TABLE call_events DISABLE TRIGGER USER");
    run("UPDATE call_events SET received_at = received_at" + shift);
    run("ALTER TABLE call_events ENABLE TRIGGER USER");
  }

  /// Where any number of the list, or anything else personal, still stands.
  std::string traces() {
    return value(
        "SELECT concat_ws(' ', (SELECT count(*) FROM entries WHERE phone IS NOT NULL OR phone_raw "
        "<> '' OR name <> '' OR variables <> '{}' OR timezone <> ''), (SELECT count(*) FROM "
        "attempts WHERE to_number <> '' OR error_message <> ''), (SELECT count(*) FROM call_events "
        "WHERE params <> '{}' OR error_message <> ''), (SELECT count(*) FROM call_records WHERE "
        "record <> '{}' OR path <> ''))");
  }
};

}  // namespace

TEST_CASE(
    "store.erase: of a list that is over long enough nothing personal is left, and its counts "
    "stay") {
  Ended ended(31);
  CHECK(ended.traces() == "2 1 1 1");
  const auto before =
      ended.value("SELECT string_agg(state || outcome || reason, ',' ORDER BY seq) FROM entries");
  const auto options = keep_for(kDay * 0, kDay * 30);

  const auto plan = take(cleanup_plan(ended.connection, options));
  CHECK(std::count_if(plan.found.begin(), plan.found.end(),
                      [](const auto& action) { return action.kind.starts_with("erase_"); }) == 2);
  CHECK(ended.traces() == "2 1 1 1");  // a plan changes nothing

  const auto pass = take(erase_run(ended.connection, options));
  CHECK(pass.done.size() == 2);
  CHECK(pass.found.size() == 2);
  CHECK(ended.traces() == "0 0 0 0");
  CHECK(
      ended.value("SELECT string_agg(state || outcome || reason, ',' ORDER BY seq) FROM entries") ==
      before);
  CHECK(ended.value("SELECT count(*) FROM attempts WHERE state = 'ended' AND first_audio_at IS NOT "
                    "NULL") == "1");
  CHECK(ended.value("SELECT count(*) FROM lists WHERE erased_at IS NOT NULL") == "1");
  const auto counts = take(list_summary(ended.connection, ended.tenant.id, ended.list.id)).counts;
  CHECK(counts.of(Outcome::completed) == 1);
  CHECK(counts.of(Outcome::cancelled) == 1);
  CHECK(take(entries(ended.connection, ended.tenant.id, ended.list.id)).size() == 2);

  CHECK(take(cleanup_passes(ended.connection))[0].done.size() == 2);
  CHECK(take(erase_run(ended.connection, options)).found.empty());
  CHECK(take(cleanup_replay(ended.connection, pass.id, "test")).done.empty());
}

TEST_CASE(
    "store.erase: nothing is erased that is not due, by a run that does not erase, or by default") {
  Ended ended(29);
  CHECK(take(erase_run(ended.connection, keep_for(kDay * 0, kDay * 30))).found.empty());
  CHECK(take(erase_run(ended.connection, keep_for(kDay * 0, kDay * 0))).found.empty());
  ended.age(10);
  take(cleanup_run(ended.connection, keep_for(kDay * 1, kDay * 30)));
  CHECK(ended.traces() == "2 1 1 1");
}

TEST_CASE("store.erase: recordings go by their own age, who was called stays") {
  Ended ended(8);
  const auto pass = take(erase_run(ended.connection, keep_for(kDay * 7, kDay * 30)));
  REQUIRE(pass.done.size() == 1);
  CHECK(pass.done[0].kind == "erase_recordings");
  CHECK(ended.traces() == "2 1 1 0");
  const auto record = take(find_call_record(ended.connection, ended.tenant.id, sid_of(1)));
  CHECK(record.record.record_json == "{}");
  CHECK(record.record.path.empty());
  CHECK(record.record.agent == "survey");
}

TEST_CASE("store.erase: a list that can be dialed or has a call open is left alone, however old") {
  const auto options = keep_for(kDay * 0, kDay * 30);
  for (const std::string state : {"draft", "running", "paused"}) {
    Ended ended(100);
    ended.run("UPDATE lists SET state = '" + state + "'");
    take(erase_run(ended.connection, options));
    CHECK(ended.traces() == "2 1 1 0");
  }
  for (const std::string state : {"intent", "sending", "placed", "unknown"}) {
    Ended ended(100);
    ended.run("UPDATE attempts SET state = '" + state + "'");
    take(erase_run(ended.connection, options));
    CHECK(ended.traces() == "2 1 1 0");
  }
}

TEST_CASE(
    "store.erase: what a cap or a cool-down may still count is kept, and nobody else's is "
    "touched") {
  Ended ended(20);
  const auto other = take(create_tenant(ended.connection, "other"));
  const auto thirty = take(
      policy::policy_from_toml("[attempts]\nper_number = [{ calls = 3, within = \"30d\" }]", "t"));
  take(put_policy(ended.connection, ended.tenant.id, "thirty", thirty));
  const auto options = keep_for(kDay * 0, kDay * 10);
  CHECK(done_of(take(erase_run(ended.connection, options))).size() == 1);  // the recordings
  CHECK(ended.traces() == "2 1 1 0");

  ended.run("UPDATE policies SET tenant_id = " + std::to_string(other.id));
  CHECK(done_of(take(erase_run(ended.connection, options))) == Done{"erase_list spring"});
  CHECK(ended.traces() == "0 0 0 0");
}

TEST_CASE("store.erase: do-not-call lists stay") {
  Ended ended(40);
  take(add_dnc(ended.connection, ended.tenant.id, {ended.called.to_number}));
  take(erase_run(ended.connection, keep_for(kDay * 1, kDay * 1)));
  CHECK(ended.traces() == "0 0 0 0");
  CHECK(ended.value("SELECT count(*) FROM dnc") == "1");
}

TEST_CASE("store.erase: entries of a list that failed end with it") {
  Ended ended(40);
  ended.run("UPDATE lists SET state = 'failed'");
  ended.run(
      "UPDATE entries SET state = 'pending', outcome = NULL, reason = '' WHERE outcome = "
      "'cancelled'");
  take(erase_run(ended.connection, keep_for(kDay * 0, kDay * 30)));
  CHECK(ended.traces() == "0 0 0 0");
  CHECK(ended.value("SELECT count(*) FROM entries WHERE outcome = 'cancelled' AND reason = "
                    "'list_failed'") == "1");
}

TEST_CASE("store.erase: a report that never found its call is emptied, too") {
  Ended ended(0);
  take(apply_event(ended.connection, Running::status_event("", CallStatus::ringing, 9)));
  ended.age(40);
  const auto pass = take(erase_run(ended.connection, keep_for(kDay * 0, kDay * 30)));
  CHECK(ended.traces() == "0 0 0 0");
  CHECK(pass.done.size() == 3);
  CHECK(ended.value("SELECT count(*) FROM call_events") == "2");
}
