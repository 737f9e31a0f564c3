#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

TEST_CASE("store.settle: an answer that only confirms what a webhook said changes nothing") {
  Running running(1);
  const auto claim = running.send();
  running.event(claim, CallStatus::ringing);
  check(settle_placed(running.connection, running.lease, claim.attempt_id, sid_of(1)));
  CHECK(running.attempt(claim).state == AttemptState::placed);
  CHECK(running.attempt(claim).status == CallStatus::ringing);
  running.event(claim, CallStatus::completed);
  check(settle_placed(running.connection, running.lease, claim.attempt_id, sid_of(1)));
  CHECK(running.attempt(claim).state == AttemptState::ended);
  CHECK(running.entry(claim).outcome == Outcome::completed);
}

TEST_CASE("store.settle: an attempt is sent once") {
  Running running(1);
  const auto claim = running.send();
  CHECK(running.attempt(claim).state == AttemptState::sending);
  CHECK(running.attempt(claim).sent_at.has_value());
  CHECK(mark_sending(running.connection, running.lease, claim.attempt_id).error().code ==
        Errc::conflict);
}

TEST_CASE("store.settle: a call that was placed has its SID") {
  Running running(1);
  const auto claim = running.place(5);
  const auto attempt = running.attempt(claim);
  CHECK(attempt.state == AttemptState::placed);
  CHECK(attempt.call_sid == sid_of(5));
  CHECK(running.entry(claim).state == EntryState::dialing);
  // Once more is harmless.
  check(settle_placed(running.connection, running.lease, claim.attempt_id, sid_of(5)));
}

TEST_CASE("store.settle: a refused call ends its entry with the carrier's code") {
  auto with = new_list();
  with.settings.max_attempts = 5;
  Running running(1, with);
  const auto claim = running.send();
  check(settle_rejected(running.connection, running.lease, claim.attempt_id, "21211",
                        "Invalid 'To' number"));
  CHECK(running.attempt(claim).state == AttemptState::rejected);
  CHECK(running.attempt(claim).error_message == "Invalid 'To' number");
  CHECK(running.entry(claim).outcome == Outcome::failed);
  CHECK(running.entry(claim).reason == "carrier_21211");
}

TEST_CASE("store.settle: what was proven not sent may be sent again") {
  Running running(1);
  const auto claim = running.send();
  check(settle_not_sent(running.connection, running.lease, claim.attempt_id));
  CHECK(running.attempt(claim).state == AttemptState::intent);
  check(mark_sending(running.connection, running.lease, claim.attempt_id));
}

TEST_CASE("store.settle: what a lost driver proves not sent waits for the new one") {
  Running running(1);
  const auto claim = running.send();
  running.run("UPDATE list_drivers SET expires_at = now() - interval '1 s'");
  const auto old = running.lease;
  running.lease = take(acquire_lease(running.connection, running.list.id, "second", kTtl));
  CHECK(running.attempt(claim).state == AttemptState::unknown);
  check(settle_not_sent(running.connection, old, claim.attempt_id));
  const auto again = running.claim();
  CHECK(again.entry_id == claim.entry_id);
  CHECK(again.attempt_id != claim.attempt_id);
}

TEST_CASE("store.settle: an unknown attempt keeps its slot and blocks its entry and number") {
  auto with = new_list();
  with.settings.concurrency = 1;
  Running running(2, with);
  const auto claim = running.send();
  check(settle_unknown(running.connection, running.lease, claim.attempt_id, "timed out"));
  CHECK(running.attempt(claim).state == AttemptState::unknown);
  CHECK(running.attempt(claim).error_message == "timed out");
  CHECK(running.no_claim() == NoClaim::no_slot);
  CHECK_FALSE(take(complete_if_done(running.connection, running.lease)));
  const auto counts =
      take(list_summary(running.connection, running.tenant.id, running.list.id)).counts;
  CHECK(counts.unknown_attempts == 1);
}

TEST_CASE("store.settle: a webhook that came before the answer wins over it") {
  Running running(1);
  const auto claim = running.send();
  running.event(claim, CallStatus::in_progress);
  CHECK(running.attempt(claim).state == AttemptState::placed);

  check(settle_unknown(running.connection, running.lease, claim.attempt_id, "timed out"));
  check(settle_rejected(running.connection, running.lease, claim.attempt_id, "500", "late"));
  check(settle_not_sent(running.connection, running.lease, claim.attempt_id));
  CHECK(running.attempt(claim).state == AttemptState::placed);
  CHECK(running.attempt(claim).status == CallStatus::in_progress);
  check(settle_placed(running.connection, running.lease, claim.attempt_id, sid_of(1)));
  CHECK(running.attempt(claim).status == CallStatus::in_progress);
  CHECK(running.entry(claim).state == EntryState::in_call);
}

TEST_CASE("store.settle: a second call for one attempt is ended, not kept") {
  Running running(1);
  const auto claim = running.send();
  running.event(claim, CallStatus::ringing, 1);
  check(settle_placed(running.connection, running.lease, claim.attempt_id, sid_of(2)));
  CHECK(running.attempt(claim).call_sid == sid_of(1));
  CHECK(running.value("SELECT args->>1 FROM outbox WHERE function = 'calld.end_call'") ==
        sid_of(2));
}

TEST_CASE("store.settle: only the driver that sent an attempt may settle it") {
  Running running(2);
  const auto intent = running.claim();
  CHECK(
      settle_placed(running.connection, running.lease, intent.attempt_id, sid_of(1)).error().code ==
      Errc::conflict);
  check(mark_sending(running.connection, running.lease, intent.attempt_id));
  auto stranger = running.lease;
  stranger.epoch += 1;
  CHECK(settle_rejected(running.connection, stranger, intent.attempt_id, "1", "x").error().code ==
        Errc::conflict);
}
