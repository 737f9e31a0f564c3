// The steps inside Redis, one by one, with times that the test chooses.
#include "core/rq/scripts.hpp"

#include <fmt/format.h>

#include "core/rq/payload.hpp"
#include "core/rq/stamp.hpp"
#include "tests/unit/rq/world.hpp"

namespace rq = call::rq;
namespace redis = call::redis;
using call::Json;
using namespace call::rq::test;  // NOLINT: the test's own world

namespace {

constexpr auto kFirst = "11111111111111111111111111111111";
constexpr auto kSecond = "22222222222222222222222222222222";

rq::Stamp at(int seconds_from_now) {
  return rq::stamp(call::wall_now() + std::chrono::seconds(seconds_from_now));
}

redis::Reply run(World& world, const redis::Script& script, const redis::Command& words) {
  auto reply = world.redis.run(script, {}, words, soon());
  if (!reply) FAIL(reply.error().to_string());
  return *std::move(reply);
}

/// The answer of a claim alone: kind, dropped, queue, id, member, ...
redis::Reply claim(World& world, const std::string& execution, const std::string& worker = "w") {
  const auto now = at(0);
  return run(world, rq::scripts::turn(),
             {"0", worker, execution, now.seconds, now.iso, now.real, "30", "90", "1", "1000000",
              "default"})
      .items.at(1);
}

redis::Command settling(const std::string& id, const std::string& execution,
                        const std::string& outcome, const std::string& value = "",
                        const std::string& worker = "w", const std::string& retries = "1",
                        const std::string& intervals = "[]", const std::string& newest = "5") {
  const auto now = at(0);
  return {"17",        worker,   execution, "default", id,    id + ":" + execution,
          now.seconds, now.iso,  outcome,   value,     "500", "0.1",
          now.real,    now.real, retries,   intervals, "0",   newest};
}

std::string finish(World& world, const std::string& id, const std::string& execution,
                   const std::string& outcome, const std::string& value = "",
                   const std::string& worker = "w") {
  return run(world, rq::scripts::turn(), settling(id, execution, outcome, value, worker))
      .items.at(0)
      .text;
}

std::vector<std::int64_t> maintain(World& world, int seconds_from_now) {
  const auto now = at(seconds_from_now);
  const auto reply = run(world, rq::scripts::maintain(),
                         {now.seconds, now.iso, now.real, "100", rq::encode_failure("abandoned"),
                          at(seconds_from_now - 60).iso, "100", "default"});
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < 4; ++i) out.push_back(reply.items.at(i).integer);
  return out;
}

std::vector<std::string> queue(World& world) {
  return redis::texts(world.ask({"LRANGE", "rq:queue:default", "0", "-1"}));
}

}  // namespace

TEST_CASE("rq.claim: a lost answer asked for again gives the same job") {
  World world;
  const auto id = world.add("f", Json::array());
  world.add("f", Json::array());
  CHECK(claim(world, kFirst).items.at(3).text == id);
  const auto again = claim(world, kFirst);
  CHECK(again.items.at(3).text == id);
  CHECK(again.items.at(4).text == id + ":" + kFirst);
  CHECK(queue(world).size() == 1);
}

TEST_CASE("rq.claim: a job whose answer was lost for good goes back to the front") {
  World world;
  const auto id = world.add("f", Json::array());
  world.add("f", Json::array());
  claim(world, kFirst);
  CHECK(claim(world, kSecond).items.at(3).text == id);
  CHECK(world.ask({"ZCARD", "rq:wip:default"}).integer == 1);
  CHECK(world.ask({"EXISTS", "rq:execution:" + id + ":" + kFirst}).integer == 0);
}

TEST_CASE("rq.claim: a worker whose job others have found is busy no longer") {
  World world;
  const auto id = world.add("f", Json::array());
  claim(world, kFirst);
  CHECK(world.ask({"HGET", "rq:worker:w", "current_job"}).text == id);
  CHECK(maintain(world, 31) == std::vector<std::int64_t>{1, 0, 0, 0});
  world.ask({"SET", "rq:suspended", "1"});
  CHECK(claim(world, kFirst).items.at(0).text == "suspended");
  CHECK(world.ask({"HGET", "rq:worker:w", "state"}).text == "idle");
  CHECK(world.ask({"HEXISTS", "rq:worker:w", "current_job"}).integer == 0);
}

TEST_CASE("rq.claim: an id pushed twice does not run twice at once") {
  World world;
  const auto id = world.add("f", Json::array());
  world.ask({"RPUSH", "rq:queue:default", id});
  CHECK(claim(world, kFirst).items.at(3).text == id);
  CHECK(claim(world, kSecond, "other").items.at(0).text == "empty");
}

TEST_CASE("rq.finish: a second try of the same end changes nothing") {
  World world;
  const auto id = world.add("f", Json::array());
  claim(world, kFirst);
  CHECK(finish(world, id, kFirst, "finished", "gARLAy4=") == "finished");
  CHECK(finish(world, id, kFirst, "finished", "gARLAy4=") == "settled");
  CHECK(world.ask({"XLEN", "rq:results:" + id}).integer == 1);
  CHECK(world.job(id).result_json == "3");
  CHECK(world.ask({"KEYS", "rq:exec*"}).items.empty());
}

TEST_CASE("rq.finish: a job declared abandoned may still succeed, but not fail again") {
  World world;
  const auto id = world.add("f", Json::array());
  claim(world, kFirst);
  CHECK(maintain(world, 31) == std::vector<std::int64_t>{1, 0, 0, 0});
  CHECK(world.job(id).error_text == "abandoned");
  CHECK(finish(world, id, kFirst, "failed", "x") == "settled");
  CHECK(finish(world, id, kFirst, "finished") == "finished");
  CHECK(world.ask({"ZCARD", "rq:failed:default"}).integer == 0);
  CHECK(world.field(id, "status") == "finished");
}

TEST_CASE("rq.finish: a worker that comes back late does not disturb the second try") {
  World world;
  const auto id = world.add("f", Json::array(), {.retries = 1});
  claim(world, kFirst);
  CHECK(maintain(world, 31) == std::vector<std::int64_t>{0, 1, 0, 0});
  CHECK(queue(world) == std::vector{id});
  CHECK(finish(world, id, kFirst, "finished") == "settled");
  CHECK(world.field(id, "status") == "queued");
  claim(world, kSecond, "other");
  CHECK(finish(world, id, kFirst, "finished") == "settled");
  CHECK(world.field(id, "status") == "started");
}

TEST_CASE("rq.finish: a job deleted while it ran leaves nothing behind") {
  World world;
  const auto id = world.add("f", Json::array());
  claim(world, kFirst);
  world.ask({"DEL", "rq:job:" + id});
  CHECK(finish(world, id, kFirst, "finished", "gARLAy4=") == "gone");
  CHECK(world.ask({"KEYS", "*" + id + "*"}).items.empty());
  CHECK(world.ask({"ZCARD", "rq:wip:default"}).integer == 0);
}

TEST_CASE("rq.finish: failure_ttl 0 leaves neither job nor dangling id") {
  World world;
  const auto id = world.add("f", Json::array(), {.failure_ttl = std::chrono::seconds(0)});
  claim(world, kFirst);
  CHECK(finish(world, id, kFirst, "failed", "x") == "failed");
  CHECK(world.ask({"KEYS", "*" + id + "*"}).items.empty());
  CHECK(world.ask({"ZCARD", "rq:failed:default"}).integer == 0);
}

TEST_CASE("rq.finish: retry intervals are used in order, the last one again") {
  World world;
  using std::chrono::seconds;
  const auto id = world.add("f", Json::array(),
                            {.retries = 3, .retry_intervals = {seconds(100), seconds(200)}});
  for (const int wait : {100, 200, 200}) {
    claim(world, kFirst);
    CHECK(finish(world, id, kFirst, "failed", "x") == "retried");
    CHECK(world.field(id, "status") == "scheduled");
    const auto due = std::stod(world.ask({"ZSCORE", "rq:scheduled:default", id}).text);
    CHECK(std::abs(due - std::stod(at(wait).seconds)) <= 1);
    world.ask({"ZREM", "rq:scheduled:default", id});
    world.ask({"RPUSH", "rq:queue:default", id});
  }
  claim(world, kFirst);
  CHECK(finish(world, id, kFirst, "failed", "x") == "failed");
}

TEST_CASE("rq.finish: the end of a job hands its rate slot to the next one") {
  World world;
  const auto id = world.add("f", Json::array());
  const auto next = world.add("f", Json::array());
  world.ask({"LREM", "rq:queue:default", "1", next});
  world.ask({"HSET", "rq:job:" + id, "rate_limit_key", "k"});
  world.ask({"HSET", "rq:job:" + next, "rate_limit_key", "k", "status", "rate_limited"});
  world.ask({"HSET", "rq:rl:k", "concurrency", "1"});
  world.ask({"ZADD", "rq:rl:k:allowed", "1", id});
  world.ask({"ZADD", "rq:rl:k:rate_limited", "2", next});
  claim(world, kFirst);
  finish(world, id, kFirst, "finished");
  CHECK(queue(world) == std::vector{next});
  CHECK(world.field(next, "status") == "queued");
  CHECK(redis::texts(world.ask({"ZRANGE", "rq:rl:k:allowed", "0", "-1"})) == std::vector{next});
}

TEST_CASE("rq.maintain: an entry whose job has ended is only removed") {
  World world;
  const auto id = world.add("f", Json::array());
  claim(world, kFirst);
  finish(world, id, kFirst, "finished");
  world.ask({"ZADD", "rq:wip:default", "1", id + ":" + kFirst});
  CHECK(maintain(world, 0) == std::vector<std::int64_t>{0, 0, 0, 0});
  CHECK(world.ask({"ZCARD", "rq:wip:default"}).integer == 0);
  CHECK(world.field(id, "status") == "finished");
}

TEST_CASE("rq.maintain: an entry in RQ 1's form is found as well") {
  World world;
  const auto id = world.add("f", Json::array());
  world.ask({"LREM", "rq:queue:default", "1", id});
  world.ask({"HSET", "rq:job:" + id, "status", "started"});
  world.ask({"ZADD", "rq:wip:default", "1", id});
  CHECK(maintain(world, 0).at(0) == 1);
  CHECK(world.field(id, "status") == "failed");
}

TEST_CASE("rq.maintain: workers without a record are forgotten") {
  World world;
  world.ask({"SADD", "rq:workers", "rq:worker:dead", "rq:worker:alive"});
  world.ask({"SADD", "rq:workers:default", "rq:worker:dead"});
  world.ask({"HSET", "rq:worker:alive", "birth", "x"});
  CHECK(maintain(world, 0) == std::vector<std::int64_t>{0, 0, 0, 1});
  CHECK(redis::texts(world.ask({"SMEMBERS", "rq:workers"})) ==
        std::vector<std::string>{"rq:worker:alive"});
  CHECK(world.ask({"SCARD", "rq:workers:default"}).integer == 0);
}

TEST_CASE("rq.maintain: an id taken but never started goes back after a minute") {
  World world;
  const auto id = world.add("f", Json::array());
  world.ask({"LMOVE", "rq:queue:default", "rq:queue:default:intermediate", "LEFT", "RIGHT"});
  CHECK(maintain(world, 0).at(2) == 0);
  CHECK(maintain(world, 59).at(2) == 0);
  CHECK(maintain(world, 62).at(2) == 1);
  CHECK(queue(world) == std::vector{id});
}

TEST_CASE("rq.maintain: a job that a worker made ready and did not push is pushed") {
  World world;
  const auto id = world.add("f", Json::array());
  world.ask({"LREM", "rq:queue:default", "1", id});
  world.ask({"HSET", "rq:job:" + id, "status", "ready_to_enqueue"});
  world.ask({"ZADD", "rq:ready:default", at(-61).seconds, id});
  CHECK(maintain(world, 0).at(2) == 1);
  CHECK(queue(world) == std::vector{id});
}

TEST_CASE("rq.schedule: due jobs move, vanished ones go, others stay") {
  World world;
  const auto due = world.add("f", Json::array(), {.at = call::wall_now()});
  const auto later =
      world.add("f", Json::array(), {.at = call::wall_now() + std::chrono::seconds(60)});
  world.ask({"ZADD", "rq:scheduled:default", "1", "vanished"});
  const auto tick = [&](const std::string& name) {
    const auto now = at(2);
    return run(world, rq::scripts::schedule(),
               {name, now.seconds, now.iso, "1", "host", "default", "100", "default"})
        .items.at(0)
        .integer;
  };
  world.ask({"SET", "rq:scheduler-lock:default", "99"});
  CHECK(tick("7") == 0);  // the lock is another scheduler's
  world.ask({"DEL", "rq:scheduler-lock:default"});
  CHECK(tick("7") == 1);
  CHECK(tick("8") == 0);
  CHECK(world.ask({"GET", "rq:scheduler-lock:default"}).text == "7");
  CHECK(queue(world) == std::vector{due});
  CHECK(redis::texts(world.ask({"ZRANGE", "rq:scheduled:default", "0", "-1"})) ==
        std::vector{later});
}
