#include "core/store/events.hpp"

#include <algorithm>
#include <thread>

#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

namespace {

/// Everything of the attempt and its entry that events decide.
std::string final_row(Running& running, const Claim& claim) {
  return running.value(
      "SELECT concat_ws('|', a.state, a.call_sid, a.call_status, a.status_sequence, a.answered_by, "
      "a.duration_s, a.answered_at, a.ended_at, e.state, e.outcome, e.reason) FROM attempts a JOIN "
      "entries e ON e.id = a.entry_id WHERE a.id = '" +
      claim.attempt_id + "'");
}

Event machine(const Claim& claim, int sid = 1) {
  Event event;
  event.kind = EventKind::amd;
  event.token = claim.token;
  event.call_sid = sid_of(sid);
  event.answered_by = "machine_start";
  return event;
}

}  // namespace

TEST_CASE("store.events: a call's story moves its entry to the end") {
  Running running(1);
  const auto claim = running.place();
  CHECK(running.event(claim, CallStatus::initiated).matched);
  CHECK(running.event(claim, CallStatus::ringing).entry_state == EntryState::dialing);
  const auto answered = running.event(claim, CallStatus::in_progress);
  CHECK(answered.changed);
  CHECK(answered.entry_state == EntryState::in_call);
  CHECK(answered.list_id == running.list.id);
  const auto completed = running.event(claim, CallStatus::completed);
  CHECK(completed.attempt_ended);
  CHECK(completed.entry_state == EntryState::done);
  CHECK(completed.outcome == Outcome::completed);
  const auto attempt = running.attempt(claim);
  CHECK(attempt.state == AttemptState::ended);
  CHECK(attempt.duration_s == 7);
  CHECK(attempt.answered_at.has_value());
  CHECK(attempt.ended_at.has_value());
  const auto events =
      take(events_of_attempt(running.connection, running.tenant.id, claim.attempt_id));
  CHECK(events.size() == 4);
}

TEST_CASE("store.events: every order of the same events, with repetitions, ends in the same row") {
  const std::vector<CallStatus> story = {CallStatus::initiated, CallStatus::ringing,
                                         CallStatus::in_progress, CallStatus::completed};
  constexpr int kOrders = 24;
  Running running(kOrders, [] {
    auto list = new_list();
    list.settings.concurrency = kOrders;
    return list;
  }());
  auto order = story;
  std::sort(order.begin(), order.end());
  std::string expected;
  int sid = 0;
  do {
    ++sid;
    // Half of the time the webhooks come before the answer to the request.
    const bool early = sid % 2 == 0;
    const auto claim = early ? running.send() : running.place(sid);
    for (std::size_t i = 0; i < order.size(); ++i) {
      running.event(claim, order[i], sid);
      CHECK(running.event(claim, order[i / 2], sid).duplicate);
    }
    if (early) {
      check(settle_placed(running.connection, running.lease, claim.attempt_id, sid_of(sid)));
    }
    auto row = final_row(running, claim);
    row.replace(row.find(sid_of(sid)), sid_of(sid).size(), "SID");
    if (expected.empty()) expected = row;
    CHECK(row == expected);
  } while (std::next_permutation(order.begin(), order.end()));
  CHECK(sid == kOrders);
  CHECK(expected.starts_with("ended|SID|completed|3||7|"));
}

TEST_CASE("store.events: a webhook before the REST answer proves the call") {
  Running running(1);
  const auto claim = running.send();
  const auto effect = running.event(claim, CallStatus::ringing, 3);
  CHECK(effect.matched);
  CHECK(running.attempt(claim).state == AttemptState::placed);
  CHECK(running.attempt(claim).call_sid == sid_of(3));
}

TEST_CASE("store.events: an event of an unknown SID is kept and counts when the SID is known") {
  Running running(1);
  const auto claim = running.send();
  const auto early =
      take(apply_event(running.connection, Running::status_event("", CallStatus::completed, 8)));
  CHECK_FALSE(early.matched);
  CHECK_FALSE(early.duplicate);
  CHECK(running.entry(claim).state == EntryState::dialing);

  check(settle_placed(running.connection, running.lease, claim.attempt_id, sid_of(8)));
  CHECK(running.attempt(claim).state == AttemptState::ended);
  CHECK(running.entry(claim).outcome == Outcome::completed);
  CHECK(running.value("SELECT count(*) FROM call_events WHERE attempt_id IS NULL") == "0");
}

TEST_CASE("store.events: an event with a token brings those that came under its SID alone") {
  Running running(1);
  const auto claim = running.send();
  take(apply_event(running.connection, Running::status_event("", CallStatus::completed, 8)));
  const auto effect = running.event(claim, CallStatus::initiated, 8);
  CHECK(effect.attempt_ended);
  CHECK(running.entry(claim).outcome == Outcome::completed);
}

TEST_CASE("store.events: an event of nobody's call is stored and changes nothing") {
  Running running(1);
  auto event = Running::status_event("00112233445566778899aabbccddeeff", CallStatus::busy, 77);
  CHECK_FALSE(take(apply_event(running.connection, event)).matched);
  CHECK(take(apply_event(running.connection, event)).duplicate);
  CHECK(running.value("SELECT count(*) FROM call_events") == "1");
  event.call_sid = "CA'); DROP TABLE";
  CHECK(apply_event(running.connection, event).error().code == Errc::invalid_argument);
}

TEST_CASE("store.events: each end of a call is the right outcome") {
  const std::vector<std::pair<CallStatus, Outcome>> ends = {
      {CallStatus::completed, Outcome::completed}, {CallStatus::busy, Outcome::busy},
      {CallStatus::no_answer, Outcome::no_answer}, {CallStatus::failed, Outcome::failed},
      {CallStatus::canceled, Outcome::no_answer},
  };
  auto with = new_list();
  with.settings.concurrency = 10;
  Running running(static_cast<int>(ends.size()), with);
  int sid = 0;
  for (const auto& [status, outcome] : ends) {
    const auto claim = running.place(++sid);
    CHECK(running.event(claim, status, sid).outcome == outcome);
  }
}

TEST_CASE("store.events: the carrier's error code becomes the reason") {
  Running running(1);
  const auto claim = running.place();
  auto event = Running::status_event(claim.token, CallStatus::failed, 1);
  event.error_code = "13224";
  event.error_message = "Invalid phone number";
  take(apply_event(running.connection, event));
  CHECK(running.entry(claim).reason == "carrier_13224");
  CHECK(running.attempt(claim).error_message == "Invalid phone number");
}

TEST_CASE("store.events: busy is tried again until the attempts are used up") {
  auto with = new_list();
  with.settings.max_attempts = 2;
  with.settings.retry_after = std::chrono::seconds(0);
  Running running(1, with);
  const auto first = running.place(1);
  const auto effect = running.event(first, CallStatus::busy, 1);
  CHECK(effect.entry_state == EntryState::retry_wait);
  CHECK_FALSE(effect.outcome.has_value());
  CHECK(running.entry(first).reason == "busy");
  const auto second = running.place(2);
  CHECK(second.entry_id == first.entry_id);
  CHECK(second.n == 2);
  // News of the first attempt does not disturb the second.
  auto late = Running::status_event(first.token, CallStatus::in_progress, 1);
  CHECK(take(apply_event(running.connection, late)).entry_state == EntryState::dialing);
  CHECK(running.event(second, CallStatus::busy, 2).outcome == Outcome::busy);
  CHECK(running.entry(second).attempts == 2);
}

TEST_CASE(
    "store.events: late news of an attempt that meet the next one's claim leave its entry alone") {
  auto with = new_list();
  with.settings.max_attempts = 2;
  with.settings.retry_after = std::chrono::seconds(0);
  Running running(1, with);
  const auto first = running.place(1);
  running.event(first, CallStatus::busy, 1);
  // The claim of the second attempt, about to commit.
  std::thread claiming([&] {
    running.run(
        "BEGIN; SELECT 1 FROM entries FOR UPDATE; INSERT INTO attempts (tenant_id, list_id, "
        "entry_id, n, state, token, epoch, to_number, from_number) SELECT tenant_id, list_id, "
        "entry_id, 2, 'intent', md5('second'), epoch, to_number, from_number FROM attempts; "
        "UPDATE entries SET state = 'dialing'; SELECT pg_sleep(1); COMMIT");
  });
  while (running.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") != "1")
    std::this_thread::sleep_for(milliseconds(5));
  const auto effect = take(apply_event(running.connection, machine(first)));
  claiming.join();
  CHECK(effect.matched);
  CHECK(running.entry(first).state == EntryState::dialing);
}

TEST_CASE("store.events: a retry waits for its time") {
  auto with = new_list();
  with.settings.max_attempts = 2;
  with.settings.retry_after = std::chrono::seconds(600);
  Running running(1, with);
  running.event(running.place(), CallStatus::no_answer);
  const auto result = take(claim_next(running.connection, running.lease));
  CHECK(result.why == NoClaim::not_due);
  CHECK(result.next_due > std::chrono::seconds(500));
}

TEST_CASE("store.events: a machine on the line is hung up on, once, and is the outcome") {
  Running running(1);
  const auto claim = running.place();
  running.event(claim, CallStatus::in_progress);
  const auto verdict = take(apply_event(running.connection, machine(claim)));
  REQUIRE(verdict.jobs.size() == 1);
  CHECK(verdict.jobs[0].function == "calld.end_call");
  CHECK(verdict.jobs[0].args_json.find(claim.attempt_id) != std::string::npos);
  CHECK(verdict.jobs[0].args_json.find(sid_of(1)) != std::string::npos);
  auto again = machine(claim);
  again.dedup_key = "another delivery";
  CHECK(take(apply_event(running.connection, again)).jobs.empty());
  const auto ended = running.event(claim, CallStatus::completed);
  CHECK(ended.outcome == Outcome::machine);
}

TEST_CASE("store.events: a machine verdict after the end corrects the outcome") {
  Running running(1);
  const auto claim = running.place();
  running.event(claim, CallStatus::completed);
  const auto verdict = take(apply_event(running.connection, machine(claim)));
  CHECK(verdict.outcome == Outcome::machine);
  CHECK(verdict.jobs.empty());  // nothing is left to end
}

TEST_CASE("store.events: a machine verdict that was waiting for its SID ends the call too") {
  Running running(1);
  const auto claim = running.send();
  auto verdict = machine(claim, 4);
  verdict.token.clear();
  take(apply_event(running.connection, verdict));
  check(settle_placed(running.connection, running.lease, claim.attempt_id, sid_of(4)));
  CHECK(running.value("SELECT args->>1 FROM outbox WHERE function = 'calld.end_call'") ==
        sid_of(4));
}

TEST_CASE("store.events: a second call under one token is ended and changes nothing") {
  Running running(1);
  const auto claim = running.place(1);
  const auto effect = running.event(claim, CallStatus::in_progress, 2);
  CHECK(effect.second_call);
  REQUIRE(effect.jobs.size() == 1);
  CHECK(effect.jobs[0].args_json.find(sid_of(2)) != std::string::npos);
  CHECK(running.attempt(claim).call_sid == sid_of(1));
  CHECK(running.entry(claim).state == EntryState::dialing);
}

TEST_CASE("store.events: what was received cannot be changed or removed") {
  Running running(1);
  const auto claim = running.place();
  running.event(claim, CallStatus::ringing);
  CHECK_THROWS_WITH(running.run("UPDATE call_events SET call_status = 'busy'"),
                    Catch::Contains("append-only"));
  CHECK_THROWS_WITH(running.run("DELETE FROM call_events"), Catch::Contains("append-only"));
}

TEST_CASE("store.events: a webhook finds what it needs to answer the call") {
  Running running(1);
  const auto claim = running.place();
  const auto context = take(call_by_token(running.connection, claim.token));
  CHECK(context.attempt_id == claim.attempt_id);
  CHECK(context.tenant == "default");
  CHECK(context.agent == "survey");
  CHECK(context.call_sid == sid_of(1));
  CHECK(take(call_by_attempt(running.connection, claim.attempt_id)).token == claim.token);
  CHECK(call_by_token(running.connection, "00").error().code == Errc::not_found);
  CHECK(call_by_attempt(running.connection, "no uuid").error().code == Errc::not_found);
}

TEST_CASE("store.events: events that come together are applied as if one after the other") {
  Running running(3, [] {
    auto list = new_list();
    list.settings.concurrency = 3;
    return list;
  }());
  const auto first = running.place(1);
  const auto second = running.place(2);
  const auto early = running.send();
  const auto answered = Running::status_event(first.token, CallStatus::in_progress, 1);
  const auto completed = Running::status_event(first.token, CallStatus::completed, 1);
  const auto busy = Running::status_event(second.token, CallStatus::busy, 2);
  const auto unbound = Running::status_event(early.token, CallStatus::ringing, 3);
  const auto unknown = Running::status_event("", CallStatus::completed, 9);
  auto malformed = busy;
  malformed.call_sid = "CA'";
  const std::vector<const Event*> together = {&completed, &malformed, &busy,     &unbound,
                                              &answered,  &unknown,   &completed};
  const auto results = apply_events(running.connection, together);
  REQUIRE(results.size() == together.size());
  CHECK(take(results[0]).attempt_ended);
  CHECK(take(results[0]).entry_state == EntryState::done);
  CHECK(results[1].error().code == Errc::invalid_argument);
  CHECK(take(results[2]).attempt_id == second.attempt_id);
  CHECK(take(results[2]).attempt_ended);
  CHECK(take(results[3]).attempt_id == early.attempt_id);
  CHECK_FALSE(take(results[4]).attempt_ended);
  CHECK_FALSE(take(results[5]).matched);
  CHECK(take(results[6]).duplicate);
  CHECK(running.attempt(first).answered_at.has_value());
  CHECK(running.entry(first).outcome == Outcome::completed);
  CHECK(running.entry(second).outcome == Outcome::busy);
  CHECK(running.attempt(early).call_sid == sid_of(3));
  CHECK(running.value("SELECT count(*) FROM call_events") == "5");
}

TEST_CASE("store.events: an event that PostgreSQL refuses harms none that came with it") {
  Running running(1);
  const auto claim = running.place();
  const auto good = Running::status_event(claim.token, CallStatus::completed, 1);
  auto bad = Running::status_event(claim.token, CallStatus::ringing, 1);
  bad.params_json = R"({"a":"\u0000"})";  // jsonb takes no such character
  const auto results = apply_events(running.connection, {&bad, &good});
  CHECK(results[0].error().code == Errc::invalid_argument);
  CHECK(take(results[1]).attempt_ended);
  CHECK(running.attempt(claim).state == AttemptState::ended);
}
