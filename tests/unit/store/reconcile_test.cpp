#include "core/store/reconcile.hpp"

#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

namespace {

struct Unknown : Running {
  Claim claim;
  Unknown() : Running(1), claim(send()) {
    check(settle_unknown(connection, lease, claim.attempt_id, "timed out"));
  }
};

std::vector<StaleAttempt> stale(Connection& connection) {
  return take(stale_attempts(connection, {}, milliseconds(0), milliseconds(0)));
}

}  // namespace

TEST_CASE("store.reconcile: unknown attempts are looked for after their grace") {
  Unknown unknown;
  CHECK(take(stale_attempts(unknown.connection, {}, milliseconds(60000), milliseconds(0))).empty());
  const auto found = stale(unknown.connection);
  REQUIRE(found.size() == 1);
  CHECK(found[0].token == unknown.claim.token);
  CHECK(found[0].to_number == unknown.claim.to_number);
  CHECK(found[0].age >= milliseconds(0));
}

TEST_CASE("store.reconcile: a placed call without an end is looked for when it is overdue") {
  Running running(1);
  const auto claim = running.place();
  CHECK(stale(running.connection).empty());
  running.run("UPDATE attempts SET sent_at = now() - interval '2 hours'");
  const auto found = stale(running.connection);
  REQUIRE(found.size() == 1);
  CHECK(found[0].state == AttemptState::placed);
  CHECK(found[0].call_sid == sid_of(1));

  // What a REST read says is applied like any event.
  auto event = Running::status_event(claim.token, CallStatus::completed, 1);
  event.kind = EventKind::fetched;
  take(apply_event(running.connection, event));
  CHECK(running.entry(claim).outcome == Outcome::completed);
  CHECK(stale(running.connection).empty());
}

TEST_CASE("store.reconcile: looks in vain add up by the uptime of whoever looks") {
  Unknown unknown;
  const auto asked = [&](const char* boot, int at_ms) {
    const Uptime now{boot, milliseconds(at_ms)};
    return take(asked_in_vain(unknown.connection, unknown.claim.attempt_id, now, milliseconds(10)))
        .count();
  };
  CHECK(asked("a", 5000) == 0);
  CHECK(asked("a", 5700) == 700);
  CHECK(asked("b", 40) == 710);  // another machine, whose uptime says nothing about the first
  CHECK(asked("b", 90) == 760);
  CHECK(asked("b", 80) == 770);  // not the same uptime after all
}

TEST_CASE("store.reconcile: evidence makes an unknown call a placed one") {
  Unknown unknown;
  check(confirm_placed(unknown.connection, unknown.claim.attempt_id, sid_of(3)));
  CHECK(unknown.attempt(unknown.claim).state == AttemptState::placed);
  CHECK_FALSE(take(abandon(unknown.connection, unknown.claim.attempt_id, "late")));
}

TEST_CASE("store.reconcile: a call that is another attempt's proves nothing") {
  Running running(2);
  const auto first = running.send();
  check(settle_unknown(running.connection, running.lease, first.attempt_id, "timed out"));
  running.place(3);
  CHECK(take(sid_is_bound(running.connection, sid_of(3))));
  CHECK_FALSE(take(sid_is_bound(running.connection, sid_of(4))));
  CHECK(confirm_placed(running.connection, first.attempt_id, sid_of(3)).error().code ==
        Errc::conflict);
  CHECK(running.attempt(first).state == AttemptState::unknown);
  check(confirm_placed(running.connection, first.attempt_id, sid_of(4)));
  CHECK(confirm_placed(running.connection, first.attempt_id, sid_of(5)).error().code ==
        Errc::conflict);
  CHECK(running.value("SELECT count(*) FROM outbox WHERE function = 'calld.end_call'") == "0");
}

TEST_CASE("store.reconcile: without evidence the attempt is abandoned and nobody is redialed") {
  Unknown unknown;
  CHECK(take(abandon(unknown.connection, unknown.claim.attempt_id, "no evidence")));
  CHECK(unknown.attempt(unknown.claim).state == AttemptState::abandoned);
  CHECK(unknown.entry(unknown.claim).outcome == Outcome::failed);
  CHECK(unknown.entry(unknown.claim).reason == "unknown");
  CHECK(unknown.no_claim() == NoClaim::all_done);
}

TEST_CASE("store.reconcile: an operator may redial what was abandoned") {
  Unknown unknown;
  check(resolve_attempt(unknown.connection, unknown.tenant.id, unknown.claim.attempt_id,
                        Resolution::redial));
  const auto again = unknown.claim;
  const auto next = take(claim_next(unknown.connection, unknown.lease));
  REQUIRE(next.claim.has_value());
  CHECK(next.claim->entry_id == again.entry_id);
  CHECK(next.claim->n == 2);
  CHECK(resolve_attempt(unknown.connection, unknown.tenant.id, again.attempt_id, Resolution::redial)
            .error()
            .code == Errc::conflict);
}

TEST_CASE("store.reconcile: an operator may give an unknown attempt up") {
  Unknown unknown;
  check(resolve_attempt(unknown.connection, unknown.tenant.id, unknown.claim.attempt_id,
                        Resolution::give_up));
  CHECK(unknown.entry(unknown.claim).state == EntryState::done);
  Running placed(1);
  const auto claim = placed.place();
  CHECK(resolve_attempt(placed.connection, placed.tenant.id, claim.attempt_id, Resolution::give_up)
            .error()
            .code == Errc::conflict);
}

TEST_CASE(
    "store.reconcile: a call that the carrier lost is an operator's to resolve once it is "
    "overdue") {
  Running running(1);
  const auto claim = running.place();
  running.run("UPDATE attempts SET sent_at = now() - interval '2 hours'");
  check(resolve_attempt(running.connection, running.tenant.id, claim.attempt_id,
                        Resolution::give_up));
  CHECK(running.attempt(claim).state == AttemptState::ended);
  CHECK(running.entry(claim).outcome == Outcome::failed);
  CHECK(running.entry(claim).reason == kLostByCarrier);
  CHECK_FALSE(take(lose_call(running.connection, claim.attempt_id)));
  check(
      resolve_attempt(running.connection, running.tenant.id, claim.attempt_id, Resolution::redial));
  CHECK(running.claim().n == 2);
}

TEST_CASE("store.reconcile: what was abandoned is shown until it is resolved") {
  Unknown unknown;
  const auto shown = [&] {
    return take(list_summary(unknown.connection, unknown.tenant.id, unknown.list.id))
        .counts.abandoned_attempts;
  };
  CHECK(shown() == 0);
  take(abandon(unknown.connection, unknown.claim.attempt_id, "no evidence"));
  CHECK(shown() == 1);
  check(resolve_attempt(unknown.connection, unknown.tenant.id, unknown.claim.attempt_id,
                        Resolution::give_up));
  CHECK(shown() == 0);
}

TEST_CASE("store.reconcile: a redial wakes a list that was completed without it") {
  Unknown unknown;
  take(abandon(unknown.connection, unknown.claim.attempt_id, "no evidence"));
  CHECK(take(complete_if_done(unknown.connection, unknown.lease)));
  check(release_lease(unknown.connection, unknown.lease));
  check(resolve_attempt(unknown.connection, unknown.tenant.id, unknown.claim.attempt_id,
                        Resolution::redial));
  const auto list = take(load_list(unknown.connection, unknown.list.id));
  CHECK(list.state == ListState::running);
  CHECK_FALSE(list.finished_at);
  CHECK(take(lists_without_driver(unknown.connection)) == std::vector{unknown.list.id});
}

TEST_CASE("store.reconcile: late evidence corrects an abandoned attempt") {
  Unknown unknown;
  take(abandon(unknown.connection, unknown.claim.attempt_id, "no evidence"));
  unknown.event(unknown.claim, CallStatus::completed);
  CHECK(unknown.attempt(unknown.claim).state == AttemptState::ended);
  CHECK(unknown.entry(unknown.claim).outcome == Outcome::completed);
}

TEST_CASE("store.reconcile: a call that turns out to be up stops the redial that would double it") {
  Unknown unknown;
  check(resolve_attempt(unknown.connection, unknown.tenant.id, unknown.claim.attempt_id,
                        Resolution::redial));
  unknown.event(unknown.claim, CallStatus::in_progress);
  CHECK(unknown.attempt(unknown.claim).state == AttemptState::placed);
  CHECK(unknown.entry(unknown.claim).state == EntryState::in_call);
  CHECK(unknown.no_claim() == NoClaim::all_claimed);
}
