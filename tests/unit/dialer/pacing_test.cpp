#include "core/dialer/pacing.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <mutex>
#include <thread>

#include "core/dialer/gate.hpp"
#include "tests/support/servers.hpp"
#include "tests/unit/dialer/world.hpp"

namespace call::dialer_test {
namespace {

using namespace call::dialer;

Deadline soon() {
  return Deadline::after(milliseconds(5000));
}

redis::Connection open_redis(const std::string& url) {
  auto endpoint = redis::parse_url(url);
  REQUIRE(endpoint);
  return redis::Connection(*std::move(endpoint));
}

TEST_CASE("dialer.pacing: predecessor A8.31 several workers together never exceed the rate") {
  const auto url = support::fresh_redis();
  constexpr double kRate = 50;
  std::mutex mutex;
  std::vector<MonoClock::time_point> turns;
  std::atomic<bool> failed{false};
  const auto until = MonoClock::now() + milliseconds(1000);
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    auto endpoint = redis::parse_url(url);
    REQUIRE(endpoint);
    workers.emplace_back([&, i, endpoint = *std::move(endpoint)] {
      redis::Connection redis(endpoint);
      while (MonoClock::now() < until) {
        const auto asked = MonoClock::now();
        const auto turn = take_turn(redis, {{"pace", kRate}}, {1, i}, soon());
        if (!turn) {
          failed = true;
          return;
        }
        if (!turn->taken) continue;
        std::lock_guard lock(mutex);
        turns.push_back(asked + turn->in);
      }
    });
  }
  for (auto& worker : workers) worker.join();
  REQUIRE_FALSE(failed);
  CHECK(turns.size() <= 54);  // three of them ahead of time
  CHECK(turns.size() >= 35);
  // The clocks of the observers are not Redis's: one turn of grace in half a second.
  CHECK(most_within(turns, milliseconds(500)) <= 26);
}

TEST_CASE("dialer.pacing: a turn takes every pace or none") {
  auto redis = open_redis(support::fresh_redis());
  const std::vector<Pace> first{{"account", 1}, {"list-1", 100}};
  const std::vector<Pace> second{{"account", 1}, {"list-2", 0.1}};
  REQUIRE(take_turn(redis, first, {1, 1}, soon())->taken);
  const auto wait = take_turn(redis, second, {1, 2}, soon());
  REQUIRE(wait);
  CHECK_FALSE(wait->taken);
  CHECK(wait->in.count() > 500'000);
  CHECK(wait->in.count() <= 1'010'000);
  CHECK(redis.command(redis::cmd("EXISTS", "list-2"), soon())->integer == 0);
}

TEST_CASE("dialer.pacing: tenants take turns, and so do the lists of one") {
  auto redis = open_redis(support::fresh_redis());
  const std::vector<Waiter> waiters{{1, 1}, {1, 2}, {1, 3}, {2, 4}};
  std::map<std::int64_t, int> turns;
  for (int taken = 0; taken < 240;) {
    for (const auto& waiter : waiters) {
      const auto turn = take_turn(redis, {{"account", 200}}, waiter, soon());
      REQUIRE(turn);
      if (!turn->taken) continue;
      ++turns[waiter.list_id];
      ++taken;
    }
  }
  // The first dozen, ahead of their moments, found nobody waiting, and so does who comes first
  // after this thread was put aside. By list, each would have had 60.
  CHECK(turns[4] == Approx(120).margin(30));
  for (const auto list : {1, 2, 3}) CHECK(turns[list] == Approx(40).margin(15));
}

TEST_CASE("dialer.pacing: a list that its own pace holds back keeps nobody waiting") {
  auto redis = open_redis(support::fresh_redis());
  const std::vector<Pace> slow{{"account", 1000}, {"list-1", 0.01}};
  REQUIRE(take_turn(redis, slow, {1, 1}, soon())->taken);
  REQUIRE_FALSE(take_turn(redis, slow, {1, 1}, soon())->taken);
  int taken = 0;
  for (int i = 0; i < 200 && taken < 5; ++i)
    if (take_turn(redis, {{"account", 1000}}, {1, 2}, soon())->taken) ++taken;
  CHECK(taken == 5);
}

TEST_CASE("dialer.pacing: what the carrier asked for is held, and never shortened") {
  auto redis = open_redis(support::fresh_redis());
  REQUIRE(hold(redis, "account", milliseconds(5000), soon()));
  REQUIRE(hold(redis, "account", milliseconds(10), soon()));
  const auto wait = take_turn(redis, {{"account", 100}}, {1, 1}, soon());
  REQUIRE(wait);
  CHECK_FALSE(wait->taken);
  CHECK(wait->in.count() > 4'000'000);
}

TEST_CASE("dialer.pacing: turns are given ahead of their moment, and none is missed") {
  auto redis = open_redis(support::fresh_redis());
  const std::vector<Pace> paces{{"account", 100}};
  const auto first = MonoClock::now();
  std::vector<MonoClock::time_point> moments;
  while (moments.size() < 50) {
    const auto asked = MonoClock::now();
    const auto turn = take_turn(redis, paces, {1, 1}, soon());
    REQUIRE(turn);
    if (turn->taken) moments.push_back(asked + turn->in);
    // Nobody asks for the length of three turns: they were given before.
    if (!turn->taken) std::this_thread::sleep_for(milliseconds(30));
  }
  const std::chrono::duration<double> span = moments.back() - first;
  CHECK(span.count() == Approx(49 * 0.01008).margin(0.1));
}

TEST_CASE("dialer.gate: no second has more calls than the account may make, whoever asks") {
  const auto url = support::fresh_redis();
  auto endpoint = redis::parse_url(url);
  REQUIRE(endpoint);
  Gate gate(*endpoint);
  std::mutex mutex;
  std::vector<MonoClock::time_point> left;
  std::atomic<bool> failed{false};
  const auto until = MonoClock::now() + milliseconds(2500);
  std::vector<std::thread> senders;
  for (int i = 0; i < 4; ++i) {
    senders.emplace_back([&] {
      while (MonoClock::now() < until) {
        const auto wait = gate.pass({"account", 20}, soon());
        if (!wait) failed = true;
        if (!wait) return;
        if (wait->count() > 0) std::this_thread::sleep_for(*wait);
        if (wait->count() > 0) continue;
        std::lock_guard lock(mutex);
        left.push_back(MonoClock::now());
      }
    });
  }
  for (auto& sender : senders) sender.join();
  REQUIRE_FALSE(failed);
  CHECK(left.size() == 60);  // at once, and after one and two seconds
  CHECK(most_within(left, milliseconds(990)) == 20);
}

TEST_CASE("dialer.gate: a rate of less than two a second is one call in its time") {
  auto endpoint = redis::parse_url(support::fresh_redis());
  REQUIRE(endpoint);
  Gate gate(*endpoint);
  REQUIRE(gate.pass({"account", 0.5}, soon())->count() == 0);
  CHECK(gate.pass({"account", 0.5}, soon())->count() > 1'900'000);
}

TEST_CASE("dialer.pacing: without Redis there is no turn, only an error") {
  redis::Endpoint nowhere;
  nowhere.address.port = closed_port();
  redis::Connection redis(nowhere);
  const auto turn = take_turn(redis, {{"account", 100}}, {1, 1}, soon());
  REQUIRE_FALSE(turn);
  CHECK(turn.error().code == Errc::unavailable);
}

}  // namespace
}  // namespace call::dialer_test
