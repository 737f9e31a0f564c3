#include "core/rq/reads.hpp"

#include "core/rq/failures.hpp"
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

TEST_CASE("rq.reads: many jobs in one round trip, expired ones among them") {
  World world;
  const auto first = world.add("f", Json::array({1}));
  const auto second = world.add("g", Json::array(), {.retries = 2});
  const std::vector<std::string> ids = {first, "gone", second};
  const auto jobs = rq::jobs(world.redis, ids, soon());
  REQUIRE(jobs);
  REQUIRE(jobs->size() == 3);
  CHECK(((*jobs)[0].id == first && (*jobs)[0].function == "f" && (*jobs)[0].args_json == "[1]"));
  CHECK(((*jobs)[1].id == "gone" && (*jobs)[1].status == "expired"));
  CHECK(((*jobs)[2].function == "g" && (*jobs)[2].retries_left == 2));
}

TEST_CASE("rq.reads: reasons of failures are grouped without their numbers") {
  CHECK(rq::failure_reason("Traceback:\n  File x\ncalld.io: no line 17 of 250\n") ==
        "calld.io: no line # of #");
  CHECK(rq::failure_reason("ValueError: job 0f8fad5b-d9cb-469f-a165-70867728950e, v2") ==
        "ValueError: job #, v#");
  CHECK(rq::failure_reason("decade of facade effaced") == "decade of facade effaced");
  CHECK(rq::failure_reason(" \n") == "(no reason is kept)");

  rq::FailureGroups groups;
  rq::JobInfo job;
  for (int i = 0; i < 30; ++i) {
    job.id = "j" + std::to_string(i);
    job.function = i % 3 == 0 ? "f" : "g";
    job.error_text = "X: number " + std::to_string(i);
    job.ended_at = call::wall_now() + std::chrono::seconds(i == 13 ? 100 : i);
    groups.add(job);
  }
  const auto found = groups.take();
  REQUIRE(found.size() == 2);
  CHECK((found[0].function == "g" && found[0].jobs == 20 && found[0].newest_job == "j13"));
  CHECK((found[1].function == "f" && found[1].jobs == 10 && found[1].reason == "X: number #"));
}

TEST_CASE("rq.reads: names of job sets go both ways") {
  for (const auto set : {rq::JobSet::queued, rq::JobSet::started, rq::JobSet::canceled})
    CHECK(rq::parse_job_set(rq::to_string(set)) == set);
  CHECK_FALSE(rq::parse_job_set("wip"));
}
