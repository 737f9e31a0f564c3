// Each row of the settle table, with the bytes that cause it.
#include <catch2/catch.hpp>

#include "core/dialer/attempt.hpp"
#include "core/store/dialing.hpp"
#include "tests/unit/dialer/world.hpp"

namespace call::dialer_test {
namespace {

using dialer::DialEnd;

/// Whatever became of the attempt, it stays: not dialed again in this driver's time nor the next one's.
void check_unknown_for_good(World& world) {
  const auto list = world.list(1);
  CHECK(world.dial(list).unknown == 1);
  CHECK(world.attempt_state(list) == "unknown");
  CHECK(world.dial_for(list).end == DialEnd::handed_over);
  CHECK(world.attempt_state(list) == "unknown");
  CHECK(world.phone.creates().size() == 1);
}

TEST_CASE("dialer.protocol: 201 binds the call SID") {
  World world;
  const auto list = world.list(1);
  CHECK(world.dial(list).placed == 1);
  CHECK(world.attempt_state(list) == "placed");
  CHECK(world.value("SELECT call_sid FROM attempts") == sid_of(1));
  REQUIRE(world.phone.creates().size() == 1);
  const auto create = world.phone.creates().front();
  CHECK(create.param("To") == "+14155551000");
  CHECK(create.param("From") == "+14155559999");
  CHECK(create.token() == world.value("SELECT token FROM attempts"));
  CHECK(create.param("Twiml").find("<Connect") != std::string::npos);
}

TEST_CASE("dialer.protocol: a number on the do-not-call list never reaches the carrier") {
  World world;
  const auto list = world.list(1);
  world.sql("INSERT INTO dnc (pattern) VALUES ('+1415*')");
  CHECK(world.dial_to_end(list).end == DialEnd::completed);
  CHECK(world.entry_state(list) == "done/refused");
  CHECK(world.phone.creates().empty());
}

TEST_CASE("dialer.protocol: predecessor A9.7 a refusal is final and counts once") {
  World world([](const Received&) { return refused(400, 21211); });
  const auto list = world.list(1);
  const auto report = world.dial_to_end(list);
  CHECK(report.end == DialEnd::completed);
  CHECK(report.rejected == 1);
  CHECK(world.attempt_state(list) == "rejected");
  CHECK(world.entry_state(list) == "done/failed");
  CHECK(world.value("SELECT reason FROM entries") == "carrier_21211");
  CHECK(world.phone.creates().size() == 1);
}

TEST_CASE("dialer.protocol: 429 goes back in line and is sent again after Retry-After") {
  std::atomic<int> count{0};
  World world([&](const Received&) {
    return ++count == 1 ? refused(429, 20429, "Retry-After: 1\r\n") : placed(sid_of(7));
  });
  const auto list = world.list(1);
  const auto report = world.dial(list, 2);
  CHECK(report.throttled == 1);
  CHECK(report.placed == 1);
  const auto creates = world.phone.creates();
  REQUIRE(creates.size() == 2);
  CHECK(creates[1].at - creates[0].at >= milliseconds(1000));
  CHECK(creates[1].token() != creates[0].token());
}

TEST_CASE("dialer.protocol: a connection that was refused proves that nothing was sent") {
  World world;
  auto nowhere = world.carrier.options();
  nowhere.base_url = "http://127.0.0.1:" + std::to_string(closed_port());
  const carrier::Carrier away(nowhere);
  const auto list = world.list(1);
  world.deps.carrier = &away;
  const auto report = world.dial(list);
  CHECK(report.not_sent == 1);
  CHECK(report.unknown == 0);
  CHECK(world.entry_state(list) != "done/failed");
  world.deps.carrier = &world.carrier;
  CHECK(world.dial(list).placed == 1);
}

TEST_CASE("dialer.protocol: a 500 proves nothing") {
  World world([](const Received&) { return refused(500, 20500); });
  check_unknown_for_good(world);
}

TEST_CASE("dialer.protocol: a connection that closes after the request proves nothing") {
  World world([](const Received&) { return gone(); });
  check_unknown_for_good(world);
}

TEST_CASE("dialer.protocol: half an answer proves nothing") {
  World world([](const Received&) { return cut(placed(sid_of(1)), 120); });
  check_unknown_for_good(world);
}

TEST_CASE("dialer.protocol: a 201 without a call SID proves nothing") {
  World world([](const Received&) { return answer(201, R"({"sid":"none"})"); });
  check_unknown_for_good(world);
}

TEST_CASE("dialer.protocol: an answer that comes too late proves nothing") {
  World world([](const Received&) {
    auto late = placed(sid_of(1));
    late.delay = milliseconds(5000);
    return late;
  });
  check_unknown_for_good(world);
}

TEST_CASE("dialer.protocol: bad credentials pause the list, which goes on with the right ones") {
  std::atomic<bool> refusing{true};
  World world([&, count = std::make_shared<std::atomic<std::uint64_t>>(0)](const Received&) {
    return refusing ? refused(401, 20003) : placed(sid_of(++*count));
  });
  const auto list = world.list(20);
  CHECK(world.dial_to_end(list).end == DialEnd::no_credentials);
  CHECK(world.value("SELECT state FROM lists") == "paused");
  CHECK(world.value("SELECT reason FROM lists").find("refuses us") != std::string::npos);
  CHECK(world.value("SELECT count(*) FROM entries WHERE state = 'pending'") == "20");
  CHECK(world.phone.creates().size() < 20);  // those under way when the first refusal was read
  refusing = false;
  {
    auto connection = world.pool.take(Deadline::after(milliseconds(5000)));
    REQUIRE(connection);
    const auto found = store::load_list(**connection, list);
    REQUIRE(store::start_list(**connection, found->tenant_id, list));
  }
  CHECK(world.dial(list, 20).placed == 20);
  CHECK(world.value("SELECT reason FROM lists").empty());
}

TEST_CASE("dialer.protocol: predecessor A9.15 a webhook before the REST reply is kept and obeyed") {
  World* seen = nullptr;
  World world([&](const Received& create) {
    seen->event(create.token(), sid_of(1), store::CallStatus::ringing, 1);
    seen->event(create.token(), sid_of(1), store::CallStatus::in_progress, 2);
    return placed(sid_of(1));
  });
  seen = &world;
  const auto list = world.list(1);
  CHECK(world.dial(list).placed == 1);
  CHECK(world.attempt_state(list) == "placed");
  CHECK(world.value("SELECT call_status FROM attempts") == "in-progress");
  CHECK(world.entry_state(list) == "in_call/NULL");
}

TEST_CASE(
    "dialer.protocol: predecessor A8.6 a call that ends before its answer is read stays ended") {
  World* seen = nullptr;
  World world([&](const Received& create) {
    seen->event(create.token(), sid_of(1), store::CallStatus::busy, 1);
    return placed(sid_of(1));
  });
  seen = &world;
  const auto list = world.list(1);
  CHECK(world.dial_to_end(list).end == DialEnd::completed);
  CHECK(world.attempt_state(list) == "ended");
  CHECK(world.entry_state(list) == "done/busy");
}

TEST_CASE("dialer.protocol: predecessor A9.16 a crash between create and SID write loses no call") {
  World world([](const Received&) { return gone(); });
  const auto list = world.list(1);
  world.dial(list);
  REQUIRE(world.attempt_state(list) == "unknown");
  const auto token = world.phone.creates().front().token();
  const auto effect = world.event(token, sid_of(5), store::CallStatus::in_progress, 2);
  CHECK(effect.matched);
  CHECK(world.attempt_state(list) == "placed");
  CHECK(world.value("SELECT call_sid FROM attempts") == sid_of(5));
  world.event(token, sid_of(5), store::CallStatus::completed, 3);
  CHECK(world.dial_to_end(list).end == DialEnd::completed);
  CHECK(world.entry_state(list) == "done/completed");
  CHECK(world.phone.creates().size() == 1);
}

struct Claimed {
  store::List list;
  store::DriverLease lease;
  store::Claim claim;
};

Claimed claim_one(World& world, std::int64_t list_id) {
  auto connection = world.pool.take(Deadline::after(milliseconds(5000)));
  REQUIRE(connection);
  auto list = store::load_list(**connection, list_id);
  REQUIRE(list);
  auto lease = store::acquire_lease(**connection, list_id, "first", milliseconds(60000));
  REQUIRE(lease);
  auto claimed = store::claim_entries(**connection, *lease);
  REQUIRE(claimed);
  REQUIRE(claimed->claims.size() == 1);
  return {*std::move(list), *std::move(lease), std::move(claimed->claims[0])};
}

void expire_lease(World& world) {
  world.sql("UPDATE list_drivers SET expires_at = now() - interval '1 second'");
}

TEST_CASE("dialer.protocol: predecessor A9.13 a driver that lost its lease can not send") {
  World world;
  const auto list = world.list(1);
  const auto old = claim_one(world, list);
  expire_lease(world);
  {
    auto connection = world.pool.take(Deadline::after(milliseconds(5000)));
    REQUIRE(connection);
    REQUIRE(store::acquire_lease(**connection, list, "second", milliseconds(60000)));
  }
  dialer::LeaseClock clock;
  clock.renewed(MonoClock::now(), milliseconds(60000));
  const auto report = dialer::perform_attempt(world.deps, world.options, old.lease, clock, old.list,
                                              old.claim, MonoClock::now());
  CHECK(report.end == dialer::AttemptEnd::fenced);
  CHECK(world.phone.creates().empty());
}

TEST_CASE("dialer.protocol: a driver that was stopped past its lease does not send") {
  World world;
  const auto list = world.list(1);
  const auto own = claim_one(world, list);
  const dialer::LeaseClock never_renewed;
  const auto report = dialer::perform_attempt(world.deps, world.options, own.lease, never_renewed,
                                              own.list, own.claim, MonoClock::now());
  CHECK(report.end == dialer::AttemptEnd::fenced);
  CHECK(world.phone.creates().empty());
  CHECK(world.entry_state(list) == "pending/NULL");
}

TEST_CASE("dialer.protocol: what a killed driver was sending becomes unknown and is not redialed") {
  World world;
  const auto list = world.list(2);
  const auto dead = claim_one(world, list);
  {
    auto connection = world.pool.take(Deadline::after(milliseconds(5000)));
    REQUIRE(connection);
    REQUIRE(store::mark_sending(**connection, dead.lease, dead.claim.attempt_id));
  }
  expire_lease(world);
  CHECK(world.dial(list).placed == 1);
  CHECK(world.value("SELECT state FROM attempts WHERE id = '" + dead.claim.attempt_id + "'") ==
        "unknown");
  for (const auto& create : world.phone.creates())
    CHECK(create.param("To") != dead.claim.to_number);
}

}  // namespace
}  // namespace call::dialer_test
