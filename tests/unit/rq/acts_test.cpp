#include "core/rq/acts.hpp"

#include "tests/unit/rq/world.hpp"

namespace rq = call::rq;
using call::Errc;
using call::Json;
using namespace call::rq::test;  // NOLINT: the test's own world

TEST_CASE("rq.acts: canceling takes waiting jobs only") {
  World world;
  const auto queued = world.add("f", Json::array());
  const auto scheduled = world.add("f", Json::array(), {.at = call::wall_now()});
  CHECK(rq::cancel(world.redis, queued, soon()));
  CHECK(rq::cancel(world.redis, scheduled, soon()));
  CHECK(world.ask({"LLEN", "rq:queue:default"}).integer == 0);
  CHECK(world.ask({"ZCARD", "rq:scheduled:default"}).integer == 0);
  CHECK(world.ask({"ZCARD", "rq:canceled:default"}).integer == 2);
  CHECK(rq::cancel(world.redis, queued, soon()).error().code == Errc::conflict);
  CHECK(rq::cancel(world.redis, "nobody", soon()).error().code == Errc::not_found);
  CHECK(rq::requeue(world.redis, queued, soon()));
  CHECK(rq::requeue(world.redis, queued, soon()).error().code == Errc::conflict);
  CHECK(rq::stop(world.redis, queued, soon()).error().code == Errc::conflict);
}

TEST_CASE("rq.acts: many jobs are put back at once, those that cannot be are passed over") {
  World world;
  std::vector<std::string> ids = {"nobody"};
  for (int i = 0; i < 10; ++i) {
    ids.push_back(world.add("f", Json::array()));
    if (i % 2 == 0) REQUIRE(rq::cancel(world.redis, ids.back(), soon()));
  }
  CHECK(*rq::requeue_all(world.redis, ids, soon()) == 5);
  CHECK(world.ask({"LLEN", "rq:queue:default"}).integer == 10);
}

TEST_CASE("rq.acts: a deleted job leaves nothing, a running one is not deleted") {
  World world;
  const auto keys = world.ask({"DBSIZE"}).integer;
  const auto waiting = world.add("f", Json::array());
  const auto due = world.add("f", Json::array(), {.at = call::wall_now()});
  CHECK(rq::remove(world.redis, waiting, soon()));
  CHECK(rq::remove(world.redis, due, soon()));
  CHECK(world.ask({"DBSIZE"}).integer == keys + 1);  // rq:queues
  CHECK(rq::remove(world.redis, waiting, soon()).error().code == Errc::not_found);

  const auto running = world.add("f", Json::array());
  world.ask({"HSET", "rq:job:" + running, "status", "started"});
  world.ask({"ZADD", "rq:wip:default", "99999999999", running});
  CHECK(rq::remove(world.redis, running, soon()).error().code == Errc::conflict);
  world.ask({"DEL", "rq:wip:default"});  // only the status says so: nobody runs it
  CHECK(rq::remove(world.redis, running, soon()));
}

TEST_CASE("rq.acts: purging deletes one set of jobs of one queue") {
  World world;
  for (int i = 0; i < 203; ++i) world.add("f", Json::array());
  const auto other = world.add("f", Json::array(), {}, "other");
  const auto canceled = world.add("f", Json::array());
  REQUIRE(rq::cancel(world.redis, canceled, soon()));
  CHECK(*rq::purge(world.redis, "default", rq::JobSet::queued, 200, soon()) == 200);
  CHECK(*rq::purge(world.redis, "default", rq::JobSet::queued, 200, soon()) == 3);
  CHECK(*rq::purge(world.redis, "default", rq::JobSet::queued, 200, soon()) == 0);
  CHECK(*rq::purge(world.redis, "default", rq::JobSet::canceled, 200, soon()) == 1);
  CHECK(world.ask({"DBSIZE"}).integer == 3);  // rq:queues, the other queue and its job
  CHECK(world.field(other, "status") == "queued");
  CHECK(rq::purge(world.redis, "default", rq::JobSet::started, 1, soon()).error().code ==
        Errc::invalid_argument);
}

TEST_CASE("rq.acts: workers are suspended and resumed, told to stop only when there are any") {
  World world;
  CHECK_FALSE(*rq::suspended(world.redis, soon()));
  REQUIRE(rq::suspend(world.redis, std::chrono::seconds(0), soon()));
  CHECK(*rq::suspended(world.redis, soon()));
  CHECK(world.ask({"TTL", "rq:suspended"}).integer == -1);
  CHECK(*rq::resume(world.redis, soon()));
  CHECK_FALSE(*rq::resume(world.redis, soon()));
  REQUIRE(rq::suspend(world.redis, std::chrono::seconds(60), soon()));
  CHECK(world.ask({"TTL", "rq:suspended"}).integer > 0);

  CHECK(rq::shut_down(world.redis, "w", soon()).error().code == Errc::not_found);
  world.ask({"HSET", "rq:worker:w", "birth", "x"});
  CHECK(rq::shut_down(world.redis, "w", soon()).error().code == Errc::unavailable);
}
