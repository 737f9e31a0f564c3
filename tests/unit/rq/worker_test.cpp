#include "core/rq/worker.hpp"

#include <atomic>

#include "core/metrics/metrics.hpp"
#include "tests/unit/rq/world.hpp"

namespace rq = call::rq;
using call::Errc;
using call::Error;
using call::Json;
using call::Result;
using namespace call::rq::test;  // NOLINT: the test's own world

namespace {

rq::Registry functions(Gate& gate) {
  rq::Registry registry;
  registry.add("noop", rq::noop);
  registry.add("gate", gate.function());
  registry.add("throw",
               [](rq::JobContext& context) -> Result<Json> { return context.args.at(99); });
  return registry;
}

}  // namespace

TEST_CASE("rq.worker: burst runs what is there and ends") {
  World world;
  call::metrics::Registry metrics;
  const auto good = world.add("noop", {1, "x"});
  const auto bad = world.add("throw", Json::array());
  const auto unknown = world.add("no.such", Json::array());
  auto options = world.options();
  options.burst = true;
  options.metrics = &metrics;
  Gate gate;
  rq::Worker worker(options, functions(gate));
  REQUIRE(worker.run());
  CHECK(world.job(good).result_json == "[1,\"x\"]");
  CHECK(world.job(bad).error_text.find("array index 99 is out of range") != std::string::npos);
  CHECK(world.job(unknown).error_text.find("ValueError: Invalid attribute name: no.such\n") !=
        std::string::npos);
  const auto text = metrics.text();
  CHECK(text.find("calld_rq_jobs_claimed_total{queue=\"default\"} 3") != std::string::npos);
  for (const auto* line :
       {"calld_rq_jobs_ended_total{queue=\"default\",function=\"noop\",end=\"finished\"} 1",
        "calld_rq_jobs_ended_total{queue=\"default\",function=\"throw\",end=\"failed\"} 1",
        // Anybody can enqueue anything: names that are no functions here share one label.
        "calld_rq_jobs_ended_total{queue=\"default\",function=\"unknown\",end=\"failed\"} 1",
        "calld_rq_job_seconds_count{queue=\"default\",function=\"noop\"} 1",
        "calld_rq_jobs_running{queue=\"default\",function=\"noop\"} 0",
        "calld_rq_queue_jobs{queue=\"default\",set=\"queued\"} 3",
        "calld_rq_queue_oldest_seconds{queue=\"default\"}"}) {
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
  CHECK(rq::workers(world.redis, soon())->empty());
}

TEST_CASE("rq.worker: each slot is a worker to others") {
  World world;
  auto options = world.options();
  options.concurrency = 3;
  Gate gate;
  RunningWorker running(options, functions(gate));
  world.until([&] { return rq::workers(world.redis, soon())->size() == 3; });
  const auto id = world.add("gate", Json::array());
  world.until_status(id, "started");
  const auto workers = *rq::workers(world.redis, soon());
  CHECK(std::count_if(workers.begin(), workers.end(), [&](const auto& w) {
          return w.state == "busy" && w.current_job == id;
        }) == 1);
  CHECK(running.worker().status().busy == 1);
  CHECK(running.worker().names() == std::vector<std::string>{"w.1", "w.2", "w.3"});
  gate.release();
  world.until_status(id, "finished");
}

TEST_CASE("rq.worker: one slot is kept from the long queue, and only it idles there") {
  World world;
  auto options = world.options();
  options.queues = {"long", "default"};
  options.long_queue = "long";
  options.concurrency = 2;
  Gate gate;
  RunningWorker running(options, functions(gate));
  world.until([&] { return rq::workers(world.redis, soon())->size() == 2; });
  const auto first = world.add("gate", Json::array(), {}, "long");
  world.until_status(first, "started");
  const auto second = world.add("gate", Json::array(), {}, "long");
  for (int i = 0; i < 3; ++i) world.until_status(world.add("noop", Json::array()), "finished");
  CHECK(world.field(second, "status") == "queued");
  const auto workers = *rq::workers(world.redis, soon());
  for (const auto& worker : workers) CHECK(worker.queues.size() == (worker.name == "w.2" ? 1 : 2));
  gate.release();
  world.until_status(second, "finished");
}

TEST_CASE("rq.worker: a long job that enqueues the next one lets the others go first") {
  World world;
  auto options = world.options();
  options.queues = {"long", "default"};
  options.long_queue = "long";
  options.burst = true;
  std::string order;
  rq::Registry registry;
  registry.add("chain", [&](rq::JobContext&) -> Result<Json> {
    order += 'c';
    if (order.size() < 8) world.add("chain", Json::array(), {}, "long");
    return Json();
  });
  registry.add("short", [&](rq::JobContext&) -> Result<Json> {
    order += 's';
    return Json();
  });
  world.add("chain", Json::array(), {}, "long");
  for (int i = 0; i < 3; ++i) world.add("short", Json::array());
  rq::Worker worker(options, registry);
  REQUIRE(worker.run());
  CHECK(order == "cscscscc");
}

TEST_CASE("rq.worker: a long job keeps its lease") {
  World world;
  auto options = world.options();
  options.lease = std::chrono::seconds(2);
  options.heartbeat_every = std::chrono::milliseconds(100);
  Gate gate;
  RunningWorker running(options, functions(gate));
  const auto id = world.add("gate", Json::array());
  world.until_status(id, "started");
  const auto started = call::MonoClock::now();
  world.until([&] { return call::MonoClock::now() - started > std::chrono::milliseconds(3200); });
  CHECK(world.field(id, "status") == "started");
  gate.release();
  world.until_status(id, "finished");
}

TEST_CASE("rq.worker: a draining worker gives back what does not end in time") {
  World world;
  Gate gate;
  RunningWorker running(world.options(), functions(gate));
  const auto id = world.add("gate", Json::array());
  const auto waiting = world.add("noop", Json::array());
  world.until_status(id, "started");
  CHECK(running.stop());
  CHECK(world.field(id, "status") == "queued");
  CHECK(call::redis::texts(world.ask({"LRANGE", "rq:queue:default", "0", "-1"})) ==
        std::vector{id, waiting});
}

TEST_CASE("rq.worker: a function that sees the drain hands over at once") {
  World world;
  auto options = world.options();
  options.drain_grace = std::chrono::minutes(10);
  rq::Registry registry;
  registry.add("patient", [](rq::JobContext& context) -> Result<Json> {
    while (!context.draining) std::this_thread::yield();
    return Error{Errc::cancelled, "the worker drains"};
  });
  RunningWorker running(options, registry);
  const auto id = world.add("patient", Json::array());
  world.until_status(id, "started");
  CHECK(running.stop());
  CHECK(world.field(id, "status") == "queued");
}

TEST_CASE("rq.worker: a function that cancels itself without being asked has failed") {
  World world;
  auto options = world.options();
  options.burst = true;
  rq::Registry registry;
  registry.add("quit", [](rq::JobContext&) -> Result<Json> {
    return Error{Errc::cancelled, "no mood"};
  });
  const auto id = world.add("quit", Json::array());
  REQUIRE(rq::Worker(options, registry).run());
  CHECK(world.job(id).error_text.find("calld.cancelled: no mood") != std::string::npos);
}

TEST_CASE("rq.worker: a job over its time is asked to stop and fails") {
  World world;
  Gate gate;
  RunningWorker running(world.options(), functions(gate));
  const auto id = world.add("gate", Json::array(), {.timeout = std::chrono::seconds(1)});
  world.until_status(id, "failed");
  CHECK(world.job(id).error_text.find("Task exceeded maximum timeout value (1 seconds)\n") !=
        std::string::npos);
}

TEST_CASE("rq.worker: an operator stops a running job") {
  World world;
  Gate gate;
  RunningWorker running(world.options(), functions(gate));
  const auto id = world.add("gate", Json::array(), {.retries = 3});
  world.until_status(id, "started");
  world.until([&] { return rq::stop(world.redis, id, soon()).ok(); });
  world.until_status(id, "stopped");
  CHECK(rq::requeue(world.redis, id, soon()));
  gate.release();
  world.until_status(id, "finished");
}

TEST_CASE("rq.worker: options that cannot work are refused") {
  World world;
  Gate gate;
  const auto refused = [&](auto change) {
    auto options = world.options();
    change(options);
    const auto status = rq::Worker(options, functions(gate)).run();
    return !status && status.error().code == Errc::invalid_argument;
  };
  CHECK(refused([](auto& o) { o.queues.clear(); }));
  CHECK(refused([](auto& o) { o.queues = {"a,b"}; }));
  CHECK(refused([](auto& o) { o.concurrency = 0; }));
  CHECK(refused([](auto& o) { o.concurrency = 257; }));
  CHECK(refused([](auto& o) { o.heartbeat_every = o.lease; }));
  auto options = world.options();
  options.aliases = {{"x", "nothing"}};
  CHECK(rq::Worker(options, functions(gate)).run().error().code == Errc::not_found);
}

TEST_CASE("rq.worker: burst without Redis is an error, not a wait") {
  auto options = rq::WorkerOptions{};
  options.redis.unix_path = "/nonexistent/redis.sock";
  options.burst = true;
  CHECK(rq::Worker(options, {}).run().error().code == Errc::unavailable);
}
