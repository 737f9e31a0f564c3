#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <set>

#include "core/dialer/wake.hpp"
#include "core/store/dialing.hpp"
#include "tests/support/servers.hpp"
#include "tests/unit/dialer/world.hpp"

namespace call::dialer_test {
namespace {

using dialer::DialEnd;

std::size_t different_numbers(const std::vector<Received>& creates) {
  std::set<std::string> numbers;
  for (const auto& create : creates) numbers.insert(create.param("To"));
  return numbers.size();
}

TEST_CASE("dialer.driver: drives a list to its end") {
  World world;
  const auto list = world.list(10);
  CHECK(world.dial(list, 10).placed == 10);
  world.complete_calls();
  CHECK(world.dial_to_end(list).end == DialEnd::completed);
  CHECK(world.value("SELECT state FROM lists") == "completed");
  CHECK(world.value("SELECT count(*) FROM entries WHERE outcome = 'completed'") == "10");
  CHECK(world.phone.creates().size() == 10);
}

TEST_CASE("dialer.driver: predecessor A8.1 never more calls at once than the list allows") {
  World world;
  auto settings = World::quick();
  settings.concurrency = 3;
  const auto list = world.list(7, settings);
  CHECK(world.dial(list, 3).placed == 3);
  CHECK(world.dial_for(list).placed == 0);
  CHECK(world.phone.creates().size() == 3);
}

TEST_CASE("dialer.driver: predecessor A8.7 a slot that comes free is used again at once") {
  World world;
  auto settings = World::quick();
  settings.concurrency = 2;
  const auto list = world.list(7, settings);
  std::jthread driver([&] {
    auto options = world.options;
    options.slice = milliseconds(20000);
    (void)dialer::dial_list(world.deps, options, list, world.run());
  });
  CHECK(eventually([&] {
    world.complete_calls();
    return world.value("SELECT state FROM lists") == "completed";
  }));
  CHECK(world.phone.creates().size() == 7);
}

TEST_CASE("dialer.driver: a call's end wakes the driver that waits for its slot") {
  World world;
  dialer::Wakes wakes(world.deps.redis);
  world.deps.wakes = &wakes;
  world.options.poll = milliseconds(60000);  // it would look again by itself in a minute
  world.options.lease_ttl = milliseconds(600000);
  world.options.slice = milliseconds(60000);
  auto settings = World::quick();
  settings.concurrency = 1;
  const auto list = world.list(2, settings);
  auto run = world.run();
  std::stop_source stop;
  run.stop = stop.get_token();
  std::jthread driver([&] { (void)dialer::dial_list(world.deps, world.options, list, run); });
  CHECK(eventually(
      [&] { return world.value("SELECT count(*) FROM attempts WHERE state = 'placed'") == "1"; }));
  world.complete_calls();
  redis::Connection redis(world.deps.redis);
  // Again until it is heard: a subscription that is not there yet misses a message.
  CHECK(eventually([&] {
    CHECK(dialer::publish_wake(redis, list, Deadline::after(milliseconds(5000))));
    return world.phone.creates().size() == 2;
  }));
  stop.request_stop();
}

TEST_CASE(
    "dialer.driver: lists that wait for the account's slots take turns at each that comes free") {
  World world;
  world.options.account_concurrency = 1;
  world.options.poll = milliseconds(1000);
  world.options.slice = milliseconds(60000);
  const std::vector<std::int64_t> lists{world.list(9), world.list(9), world.list(9)};
  // Numbers of their own, or a list would wait for another's call to the same one.
  world.sql("UPDATE entries SET phone = '+1' || (4155550000 + id)");
  std::stop_source stop;
  std::vector<std::jthread> drivers;
  for (const auto list : lists) {
    drivers.emplace_back([&, list] {
      auto run = world.run(std::to_string(list));
      run.stop = stop.get_token();
      (void)dialer::dial_list(world.deps, world.options, list, run);
    });
  }
  for (std::size_t calls = 1; calls <= 9; ++calls) {
    REQUIRE(eventually([&] {
      return world.value("SELECT count(*) FROM attempts WHERE state = 'placed'") == "1" &&
             world.value(
                 "SELECT count(*) FROM list_drivers WHERE slot_wanted_until > now() AND "
                 "list_id NOT IN (SELECT list_id FROM attempts WHERE state = 'placed')") == "2";
    }));
    world.complete_calls();
    REQUIRE(eventually([&] { return world.phone.creates().size() > calls; }));
  }
  stop.request_stop();
  drivers.clear();
  CHECK(
      world
          .sql("SELECT list_id FROM attempts WHERE state IN ('ended', 'placed') GROUP BY 1 HAVING "
               "count(*) BETWEEN 3 AND 4")
          .size() == 3);
}

TEST_CASE("dialer.driver: predecessor A8.14 two drivers racing make each call once") {
  World world;
  const auto list = world.list(40);
  std::vector<std::jthread> drivers;
  std::atomic<int> turned_away{0};
  for (int i = 0; i < 4; ++i) {
    drivers.emplace_back([&, i] {
      auto options = world.options;
      options.slice = milliseconds(1500);
      const auto report =
          dialer::dial_list(world.deps, options, list, world.run("driver-" + std::to_string(i)));
      if (report && report->end == DialEnd::other_driver) ++turned_away;
    });
  }
  drivers.clear();
  CHECK(turned_away == 3);
  world.dial(list, 40 - std::ssize(world.phone.creates()));
  CHECK(world.phone.creates().size() == 40);
  CHECK(different_numbers(world.phone.creates()) == 40);
}

TEST_CASE("dialer.driver: leases that change hands all the time repeat no call") {
  World world;
  const auto list = world.list(60);
  std::vector<std::jthread> drivers;
  for (int i = 0; i < 3; ++i) {
    drivers.emplace_back([&, i] {
      auto options = world.options;
      options.slice = milliseconds(200);
      // The lease ends long before the slice's sends do: drivers overtake each other. It is longer than turns
      // are given ahead of their moment, or nobody would come to send.
      options.lease_ttl = milliseconds(100);
      const auto until = Deadline::after(milliseconds(4000));
      while (!until.passed())
        (void)dialer::dial_list(world.deps, options, list, world.run(std::to_string(i)));
    });
  }
  drivers.clear();
  const auto creates = world.phone.creates();
  CHECK(different_numbers(creates) == creates.size());
  CHECK_FALSE(creates.empty());
}

TEST_CASE("dialer.driver: calls per second hold in every second") {
  World world;
  auto settings = World::quick();
  settings.calls_per_second = 10;
  const auto list = world.list(25, settings);
  world.dial_for(list, milliseconds(2200));
  std::vector<MonoClock::time_point> times;
  for (const auto& create : world.phone.creates()) times.push_back(create.at);
  CHECK(times.size() >= 5);
  // Turns are exact; the way from the turn to the wire may vary by less than one turn.
  CHECK(most_within(times, milliseconds(900)) <= 10);
}

TEST_CASE("dialer.driver: predecessor A9.19 hands over before its time is up, and goes on") {
  World world;
  auto settings = World::quick();
  settings.calls_per_second = 10;
  const auto list = world.list(6, settings);
  const auto first = world.dial_for(list, milliseconds(250));
  CHECK(first.end == DialEnd::handed_over);
  CHECK(world.value("SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL") == "1");
  const auto second = world.dial_for(list);
  CHECK(second.epoch > first.epoch);
  world.dial(list, 6 - std::ssize(world.phone.creates()));
  CHECK(world.phone.creates().size() == 6);
  CHECK(different_numbers(world.phone.creates()) == 6);
}

TEST_CASE("dialer.driver: leaves early enough for a job with a short time limit") {
  World world;
  const auto list = world.list(1);
  // One second for a send and five for the store are kept back: nothing is left of this limit.
  const auto report =
      dialer::dial_list(world.deps, world.options, list, world.run("short", milliseconds(5000)));
  REQUIRE(report);
  CHECK(report->end == DialEnd::handed_over);
  CHECK(world.phone.creates().empty());
}

TEST_CASE("dialer.driver: predecessor A8.20 cancelling stops new calls at once") {
  World world;
  auto settings = World::quick();
  settings.calls_per_second = 5;
  const auto list = world.list(50, settings);
  Result<dialer::DialReport> report = dialer::DialReport{};
  std::jthread driver([&] {
    auto options = world.options;
    options.slice = milliseconds(20000);
    report = dialer::dial_list(world.deps, options, list, world.run());
  });
  REQUIRE(eventually([&] { return world.phone.creates().size() >= 2; }));
  {
    auto connection = world.pool.take(Deadline::after(milliseconds(5000)));
    REQUIRE(connection);
    const auto tenant = std::stoll(world.value("SELECT tenant_id FROM lists"));
    REQUIRE(store::cancel_list(**connection, tenant, list));
  }
  const auto at_cancel = world.phone.creates().size();
  driver.join();
  REQUIRE(report);
  CHECK((report->end == DialEnd::not_running || report->end == DialEnd::lease_lost));
  CHECK(world.phone.creates().size() <= at_cancel + 1);
  CHECK(world.value("SELECT count(*) FROM attempts WHERE state IN ('intent', 'sending')") == "0");
}

TEST_CASE(
    "dialer.driver: predecessor A9.6 a number that is in another call waits, and both lists end") {
  World world;
  const auto first = world.list(1);
  const auto second = world.list(1);
  CHECK(world.dial(first).placed == 1);
  CHECK(world.dial_for(second).placed == 0);
  world.complete_calls();
  CHECK(world.dial(second).placed == 1);
  world.complete_calls();
  CHECK(world.dial_to_end(first).end == DialEnd::completed);
  CHECK(world.dial_to_end(second).end == DialEnd::completed);
}

TEST_CASE("dialer.driver: a draining worker gets its job back with the lease free") {
  World world;
  auto settings = World::quick();
  settings.calls_per_second = 5;
  const auto list = world.list(50, settings);
  std::atomic<bool> draining{false};
  Result<dialer::DialReport> report = dialer::DialReport{};
  std::jthread driver([&] {
    auto run = world.run();
    run.draining = &draining;
    report = dialer::dial_list(world.deps, world.options, list, run);
  });
  REQUIRE(eventually([&] { return !world.phone.creates().empty(); }));
  draining = true;
  driver.join();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == Errc::cancelled);
  CHECK(world.dial_for(list).end == DialEnd::handed_over);
}

TEST_CASE("dialer.driver: predecessor A9.20 without Redis nothing is dialed, and nothing is lost") {
  World world;
  const auto list = world.list(3);
  const auto good = world.deps.redis;
  world.deps.redis.address.port = closed_port();
  CHECK(world.dial_for(list).end == DialEnd::handed_over);
  CHECK(world.phone.creates().empty());
  world.deps.redis = good;
  CHECK(world.dial(list, 3).placed == 3);
}

TEST_CASE("dialer.driver: predecessor A9.4 a driver that waits does not spin") {
  World world;
  auto settings = World::quick();
  settings.concurrency = 1;
  const auto list = world.list(3, settings);
  world.options.poll = milliseconds(200);
  world.dial(list);
  const auto cpu = [] {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  };
  const auto before = cpu();
  world.dial_for(list, milliseconds(1500));
  CHECK(cpu() - before < milliseconds(400));
}

TEST_CASE("dialer.driver: a list that is not running needs no driver") {
  World world;
  const auto list = world.list(1);
  world.sql("UPDATE lists SET state = 'paused'");
  CHECK(world.dial(list).end == DialEnd::not_running);
  const auto missing = dialer::dial_list(world.deps, world.options, 999999, world.run());
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == Errc::not_found);
}

}  // namespace
}  // namespace call::dialer_test
