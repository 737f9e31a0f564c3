#include "core/rq/client.hpp"

#include "core/metrics/metrics.hpp"
#include "tests/unit/rq/world.hpp"

namespace rq = call::rq;
using call::Errc;
using call::Json;
using namespace call::rq::test;  // NOLINT: the test's own world

TEST_CASE("rq.client: a job has every field that RQ's readers expect") {
  World world;
  const auto id = world.add("tasks.add", {1, 2});
  const auto reply = world.ask({"HGETALL", "rq:job:" + id});
  std::map<std::string, std::string> hash;
  for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2)
    hash[reply.items[i].text] = reply.items[i + 1].text;
  for (const char* name : {"created_at", "data", "success_callback_name", "failure_callback_name",
                           "stopped_callback_name", "started_at", "ended_at", "last_heartbeat",
                           "worker_name", "group_id", "status", "origin", "description",
                           "enqueued_at", "timeout", "result_ttl", "failure_ttl"})
    CHECK(hash.count(name) == 1);
  CHECK(hash["status"] == "queued");
  CHECK(hash["description"] == "tasks.add(1, 2)");
  CHECK(hash["enqueued_at"].size() == std::string("2026-11-23T13:06:17.677656Z").size());
  CHECK(world.ask({"SISMEMBER", "rq:queues", "rq:queue:default"}).integer == 1);
  CHECK(world.ask({"TTL", "rq:job:" + id}).integer == -1);
}

TEST_CASE("rq.client: a unique job is made once, another is made anew") {
  World world;
  CHECK(
      world.client.enqueue("default", "f", {1}, {.job_id = "id", .unique = true}, soon())->created);
  CHECK_FALSE(
      world.client.enqueue("default", "f", {2}, {.job_id = "id", .unique = true}, soon())->created);
  CHECK(world.job("id").args_json == "[1]");
  CHECK(world.ask({"LLEN", "rq:queue:default"}).integer == 1);
  CHECK(world.client.enqueue("default", "f", {2}, {.job_id = "id"}, soon())->created);
  CHECK(world.job("id").args_json == "[2]");
}

TEST_CASE("rq.client: a ttl bounds how long a job waits") {
  World world;
  const auto id = world.add("f", Json::array(), {.ttl = std::chrono::seconds(60)});
  const auto ttl = world.ask({"TTL", "rq:job:" + id}).integer;
  CHECK((ttl > 50 && ttl <= 60));
}

TEST_CASE("rq.client: names and ids that would harm other readers are refused") {
  World world;
  const auto refused = [&](const std::string& queue, const std::string& function, const Json& args,
                           const std::string& id) {
    const auto done = world.client.enqueue(queue, function, args, {.job_id = id}, soon());
    return !done && done.error().code == Errc::invalid_argument;
  };
  CHECK(refused("default", "f", Json::array(), "a:b"));
  CHECK(refused("default", "f", Json::array(), "a b"));
  CHECK(refused("default", "f", Json::array(), std::string(129, 'a')));
  CHECK(refused("", "f", Json::array(), ""));
  CHECK(refused("a,b", "f", Json::array(), ""));
  CHECK(refused("default", "", Json::array(), ""));
  CHECK(refused("default", "f", Json::object(), ""));
  CHECK(world.ask({"DBSIZE"}).integer == 0);
}

TEST_CASE("rq.client: enqueued jobs are counted by queue") {
  World world;
  call::metrics::Registry metrics;
  rq::Client client(world.endpoint, metrics);
  CHECK(client.enqueue("dial", "f", Json::array(), {.job_id = "a", .unique = true}, soon()));
  CHECK(client.enqueue("dial", "f", Json::array(), {.job_id = "a", .unique = true}, soon()));
  CHECK(metrics.text().find("calld_rq_jobs_enqueued_total{queue=\"dial\"} 1") != std::string::npos);
}

TEST_CASE("rq.client: without Redis nothing is sent and the error says so") {
  call::redis::Endpoint nowhere;
  nowhere.unix_path = "/nonexistent/redis.sock";
  rq::Client client(nowhere);
  const auto done = client.enqueue("default", "f", Json::array(), {}, soon());
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Errc::unavailable);
}
