#include "core/rq/reads.hpp"

#include "tests/unit/rq/world.hpp"

namespace rq = call::rq;
using call::Errc;
using call::Json;
using namespace call::rq::test;  // NOLINT: the test's own world

TEST_CASE("rq.reads: queues with their depth and the age of their oldest job") {
  World world;
  const auto id = world.add("f", Json::array());
  world.add("f", Json::array());
  world.add("f", Json::array(), {.at = call::wall_now() + std::chrono::hours(1)}, "later");
  world.ask({"HSET", "rq:job:" + id, "enqueued_at",
             call::to_rfc3339(call::wall_now() - std::chrono::seconds(90), 6)});
  const auto queues = rq::queues(world.redis, soon());
  REQUIRE(queues);
  REQUIRE(queues->size() == 2);
  CHECK((*queues)[0].name == "default");
  CHECK((*queues)[0].queued == 2);
  CHECK((*queues)[0].oldest_age.value().count() >= 90);
  CHECK((*queues)[1].scheduled == 1);
  CHECK_FALSE((*queues)[1].oldest_age);
}

TEST_CASE("rq.reads: workers with what they do") {
  World world;
  world.ask({"SADD", "rq:workers", "rq:worker:w", "rq:worker:gone"});
  world.ask({"HSET", "rq:worker:w", "birth", "2026-11-23T13:06:19.422628Z", "last_heartbeat",
             call::to_rfc3339(call::wall_now() - std::chrono::seconds(7), 6), "queues",
             "a queue with a long name,b", "state", "busy", "current_job", "j", "pid", "7",
             "successful_job_count", "3"});
  const auto workers = rq::workers(world.redis, soon());
  REQUIRE(workers);
  REQUIRE(workers->size() == 1);
  const auto& worker = workers->front();
  CHECK(worker.name == "w");
  CHECK(worker.queues == std::vector<std::string>{"a queue with a long name", "b"});
  CHECK((worker.state == "busy" && worker.current_job == "j" && worker.pid == "7"));
  CHECK(worker.heartbeat_age.value().count() >= 7);
  CHECK((worker.succeeded == 3 && worker.failed == 0));
  CHECK(call::to_rfc3339(worker.birth.value()) == "2026-11-23T13:06:19Z");
}

TEST_CASE("rq.reads: job ids page by page, started ones without their execution") {
  World world;
  for (int i = 0; i < 5; ++i) world.add("f", Json::array(), {.job_id = "j" + std::to_string(i)});
  CHECK(*rq::job_ids(world.redis, "default", rq::JobSet::queued, 1, 2, soon()) ==
        std::vector<std::string>{"j1", "j2"});
  world.ask({"ZADD", "rq:wip:default", "1", "j0:0123456789abcdef0123456789abcdef", "2", "j1"});
  CHECK(*rq::job_ids(world.redis, "default", rq::JobSet::started, 0, 10, soon()) ==
        std::vector<std::string>{"j0", "j1"});
  CHECK_FALSE(rq::job_ids(world.redis, "default", rq::JobSet::queued, -1, 2, soon()));
}

TEST_CASE("rq.reads: a job whose data only Python can read is still shown") {
  World world;
  const auto id = world.add("f", Json::array());
  world.ask({"HSET", "rq:job:" + id, "data", "garbage"});
  const auto info = world.job(id);
  CHECK(info.status == "queued");
  CHECK(info.function.empty());
  CHECK_FALSE(info.unreadable.empty());
}

TEST_CASE("rq.reads: canceling takes waiting jobs only") {
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

TEST_CASE("rq.reads: purging deletes the waiting jobs of one queue") {
  World world;
  for (int i = 0; i < 1203; ++i) world.add("f", Json::array());
  const auto other = world.add("f", Json::array(), {}, "other");
  CHECK(*rq::purge(world.redis, "default", soon()) == 1203);
  CHECK(world.ask({"DBSIZE"}).integer == 3);  // rq:queues, the other queue and its job
  CHECK(world.field(other, "status") == "queued");
}

TEST_CASE("rq.reads: names of job sets go both ways") {
  for (const auto set : {rq::JobSet::queued, rq::JobSet::started, rq::JobSet::canceled})
    CHECK(rq::parse_job_set(rq::to_string(set)) == set);
  CHECK_FALSE(rq::parse_job_set("wip"));
}
